package firewall

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/corazawaf/coraza/v3"

	"catchment/internal/limits"
)

// Guard looks at requests to all doors but capture's by the whole set. What is
// plain (ids, numbers, words of our own) is not shown to the rules, and neither is what people write in the fields of our own that
// hold text: no salesperson is refused for an apostrophe. It is safe for
// concurrent use.
type Guard struct {
	Lookout *Lookout // is told of what is refused; nil: nobody is

	waf   func() (coraza.WAF, error)
	turns *limits.Turns[netip.Prefix]
	clean headers

	plain, looked, spoke, failed atomic.Uint64
	counts                       counts
}

// ErrBusy says that no turn was had to look at a request.
var ErrBusy = errors.New("firewall: too many requests wait to be looked at")

const guardPatience = 2 * time.Second

// NewGuard returns a Guard, whose engine is made when it is first asked, or by
// Warm.
func NewGuard(s Settings) *Guard {
	n := runtime.GOMAXPROCS(0)
	return &Guard{waf: func() (coraza.WAF, error) { return wholeSet(s) }, turns: limits.NewTurns[netip.Prefix](2*n, n, guardPatience)}
}

// Warm makes the engine.
func (g *Guard) Warm() error {
	_, err := g.waf()
	return err
}

// freeText are the fields and parameters of our own in which people write what
// they like, and secrets. They go into statements' arguments and onto screens
// as text.
var freeText = []string{"name", "note", "message", "evidence", "place", "reason", "text", "purpose", "campaign", "when", "patterns", "tag", "tags",
	"title", "label", "unit", "hidden", "password", "new_password", "client_secret", "recipient", "queue_name", "words", "comment", "description", "q", "search", "error", "error_description"}

// foreign are objects whose keys are others' words: headings of their files and fields
// of their forms.
var foreign = []string{"mapping", "custom", "non_personal"}

// unread are headers that no rule is shown: where people write (the reason for opening personal data, and what a file is called), a token that is looked up by its hash, and
// cookies, which are those of whatever else is served under the name; of our own only a hash is compared.
var unread = []string{"Catchment-Purpose", "Content-Disposition", "Authorization", "Cookie"}

// Stats counts requests since the start; zeros of a nil Guard.
func (g *Guard) Stats() GuardStats {
	if g == nil {
		return GuardStats{}
	}
	return GuardStats{g.plain.Load(), g.looked.Load(), g.spoke.Load(), g.failed.Load(), g.counts.byRule()}
}

// GuardStats is what came of requests.
type GuardStats struct {
	Plain, Looked, Spoke, Failed uint64
	Rules                        map[int]uint64 // how often each spoke
}

// Look returns the rules for which the request is to be refused; none when it
// may pass. reference is by what the log knows the request; body is what was read of a JSON body, and not changed. The error
// says that it could not be looked at.
func (g *Guard) Look(ctx context.Context, from netip.Prefix, reference string, r *http.Request, body []byte) ([]int, error) {
	args := arguments(r, body)
	heads := g.heads(r.Header)
	if len(args)+len(heads) == 0 && plainPath(r.URL) {
		g.plain.Add(1)
		return nil, nil
	}
	if !g.turns.Enter(ctx, from, 1) {
		g.failed.Add(1)
		return nil, ErrBusy
	}
	defer g.turns.Leave(from, 1)
	g.looked.Add(1)
	rules, refuse, err := g.ask(r, args)
	switch {
	case err != nil:
		g.failed.Add(1)
		return nil, err
	case !refuse:
		g.clean.learn(heads)
		return nil, nil
	}
	g.spoke.Add(1)
	g.counts.hit(rules)
	g.Lookout.hit(Sample{Door: AtOthers, Rules: rules, Reference: reference})
	return rules, nil
}

func (g *Guard) ask(r *http.Request, args []argument) (rules []int, refuse bool, err error) {
	waf, err := g.waf()
	if err != nil {
		return nil, false, err
	}
	tx := waf.NewTransaction()
	defer tx.Close()
	tx.ProcessConnection("", 0, "", 0) // whose address it is says nothing of the text
	tx.ProcessURI(r.URL.EscapedPath(), r.Method, r.Proto)
	for name, values := range r.Header {
		if slices.Contains(unread, name) {
			continue
		}
		for _, v := range values {
			tx.AddRequestHeader(name, v)
		}
	}
	tx.AddRequestHeader("Host", r.Host)
	tx.SetServerName(r.Host)
	for _, te := range r.TransferEncoding {
		tx.AddRequestHeader("Transfer-Encoding", te)
	}
	for _, a := range args {
		if a.query {
			tx.AddGetRequestArgument(a.name, a.value)
		} else {
			tx.AddPostRequestArgument(a.name, a.value)
		}
	}
	stop := tx.ProcessRequestHeaders()
	if stop == nil {
		stop, err = tx.ProcessRequestBody()
	}
	for _, m := range tx.MatchedRules() {
		if id := m.Rule().ID(); speaks(id) && !slices.Contains(rules, id) {
			rules = append(rules, id)
		}
	}
	slices.Sort(rules)
	return rules, stop != nil, err
}

// heads returns the headers that are neither plain nor known.
func (g *Guard) heads(h http.Header) (out []string) {
	g.clean.mu.RLock()
	defer g.clean.mu.RUnlock()
	for name, values := range h {
		for _, v := range values {
			if slices.Contains(unread, name) || plain(name) && plain(v) {
				continue
			}
			if key := name + "\x00" + v; !g.clean.knows(key) {
				out = append(out, key)
			}
		}
	}
	return out
}

// argument is a value that is not plain.
type argument struct {
	name, value string
	query       bool
}

// arguments are what the request says in its query and its JSON.
func arguments(r *http.Request, body []byte) (out []argument) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		out = append(out, argument{"query", r.URL.RawQuery, true})
	}
	for name, values := range query {
		for _, v := range values {
			out = appendArgument(out, name, v, true)
		}
	}
	if len(body) == 0 {
		return out
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil { // also when something follows the value
		return append(out, argument{"body", string(body), false})
	}
	return walk(out, "", v)
}

func appendArgument(out []argument, name, v string, query bool) []argument {
	if !plain(name) {
		out = append(out, argument{"name", name, query})
	}
	if slices.Contains(freeText, name) || plain(v) {
		return out
	}
	return append(out, argument{name, v, query})
}

// walk gathers the strings of a JSON value, each under the name of its field.
func walk(out []argument, name string, v any) []argument {
	if slices.Contains(foreign, name) {
		return out
	}
	switch v := v.(type) {
	case string:
		return appendArgument(out, name, v, false)
	case []any:
		for _, x := range v {
			out = walk(out, name, x)
		}
	case map[string]any:
		for k, x := range v {
			if !plain(k) {
				out = append(out, argument{"name", k, false})
			}
			out = walk(out, k, x)
		}
	}
	return out
}

// plainPath reports whether the path is one of the program's own kind: plain
// segments, and at its end a file of the web app.
func plainPath(u *url.URL) bool {
	if u.RawPath != "" || len(u.Path) > 512 {
		return false
	}
	for s := range strings.SplitSeq(strings.TrimPrefix(u.Path, "/"), "/") {
		if stem, ext, ok := strings.Cut(s, "."); ok && slices.Contains(fileKinds, ext) {
			s = stem
		}
		if s != "" && s != ".well-known" && !plain(s) {
			return false
		}
	}
	return !strings.Contains(u.Path, "//")
}

var fileKinds = []string{"js", "css", "woff2", "svg", "png", "webmanifest", "json", "html", "wasm", "ico", "txt", "crl"}

// plain reports whether the text is an id, a number, a time or a word: no rule
// of the whole set speaks of it, but for those that know names of commands and
// tables, which do nothing alone. A test asks the rules.
func plain(s string) bool {
	if len(s) > 256 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case isLetter(c), isDigit(c), c == '_':
		case c == '-' || c == ':' || c == '.' || c == ',':
			if i == 0 || i+1 == len(s) || !isDigit(s[i-1]) && c != '-' || !wordByte(s[i+1]) || c == '.' && !isDigit(s[i+1]) {
				return false
			}
		default:
			return false
		}
	}
	return true
}
