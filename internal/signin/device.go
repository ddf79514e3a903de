package signin

import (
	"strings"

	"catchment/internal/directory"
	"catchment/internal/vault"
)

// noted is what a session keeps of the client: coarse, so that a stolen list
// of sessions is no list of devices.
func (c Client) noted() directory.Client {
	return directory.Client{Device: vault.Hide(device(c.Agent)), Network: vault.Hide(c.network())}
}

// network is the address's surroundings: 256 addresses, or an IPv6 site. "" for
// an unknown one.
func (c Client) network() string {
	a := c.Address.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil || !a.IsValid() {
		return ""
	}
	return p.String()
}

type word struct{ in, is string }

// The order matters: most browsers claim to be others too.
var (
	browsers = []word{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}, {"Go-http-client/", "a program"}, {"python-requests/", "a program"}}
	systems = []word{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
		{"Mac OS X", "macOS"}, {"Linux", "Linux"}}
)

// device names the browser and the system of a User-Agent header, as "Firefox
// on Android"; "" for an empty one.
func device(agent string) string {
	if agent == "" {
		return ""
	}
	b, s := first(browsers, agent), first(systems, agent)
	switch {
	case b == "" && s == "":
		return "unknown"
	case b == "":
		return s
	case s == "":
		return b
	}
	return b + " on " + s
}

func first(list []word, text string) string {
	for _, w := range list {
		if strings.Contains(text, w.in) {
			return w.is
		}
	}
	return ""
}
