package logbook

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"
)

// Lines hold nothing personal: who writes one sees to that. This is the net
// below: an error of a library may quote what it was given.
var (
	mailbox = regexp.MustCompile(`[^\s"'<>(),;:=\[\]{}\\]+@[^\s"'<>(),;:=\[\]{}\\]+`)
	number  = regexp.MustCompile(`\+[0-9](?:[ ().-]?[0-9]){6,14}`)
	remote  = regexp.MustCompile(`->\s*\[?[0-9A-Fa-f.:%]+\]?:[0-9]+`) // of net.OpError: here->caller
	query   = regexp.MustCompile(`\?[^\s"']*=[^\s"']*`)
)

const gone = "…"

// Clean is a ReplaceAttr (slog.HandlerOptions) that takes what looks like an
// e-mail address, a phone number, a caller's address or the query of a URL out
// of texts and errors, and writes times in UTC.
func Clean(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value; v.Kind() {
	case slog.KindTime:
		a.Value = slog.TimeValue(v.Time().UTC())
	case slog.KindString:
		a.Value = slog.StringValue(Text(v.String()))
	case slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			a.Value = slog.StringValue(Text(x.Error()))
		case slog.Level, *slog.Source, time.Time, []byte:
		case fmt.Stringer:
			a.Value = slog.StringValue(Text(x.String()))
		}
	}
	return a
}

// Text is s without what looks personal.
func Text(s string) string {
	if strings.Contains(s, "->") {
		s = remote.ReplaceAllString(s, "->"+gone)
	}
	if strings.ContainsRune(s, '?') {
		s = query.ReplaceAllString(s, "?"+gone)
	}
	if strings.ContainsRune(s, '@') {
		s = mailbox.ReplaceAllString(s, gone)
	}
	if strings.ContainsRune(s, '+') {
		s = number.ReplaceAllString(s, gone)
	}
	return s
}
