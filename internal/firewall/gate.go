package firewall

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"

	libinjection "github.com/corazawaf/libinjection-go"
)

// The value gate. Most of what people write cannot open a context of SQL or
// HTML at all; for such values the rules are not asked. It promises one thing,
// which a test with drawn texts holds it to: where it says that a value is inert, no rule of
// 941 and 942 of paranoia level 1 speaks. What it does not know is not inert.

// gate judges values by the engine's table of characters.
type gate struct{ table *folded }

// inert reports whether no rule would speak of the value.
func (g gate) inert(s string) bool {
	if s == "" {
		return true
	}
	if len(s) > maxValue || !utf8.ValidString(s) {
		return false
	}
	var room [512]byte
	raw := append(room[:0], s...)
	ascii := isASCII(s)
	if link := linkSigns(s); link != "" {
		return ascii && inertLink(link) && words(raw, false) && !injection(s)
	}
	if !ascii && slashAfterQuarter(raw) {
		return false
	}
	if !signs(raw) || !words(raw, !ascii) || injection(s) {
		return false
	}
	if ascii && !strings.Contains(s, "+") {
		return true
	}
	var more [512]byte
	seen, whole := g.table.append(more[:0], s)
	if !whole || !signs(seen) || !words(seen, false) || injection(string(seen)) {
		return false
	}
	if ascii { // nothing lies between
		return true
	}
	between, _ := libinjection.IsSQLi(escaped(s))
	return !between
}

// escaped is the text between two transformations, of which rule 942100 speaks as
// well (multiMatch): %u and the hexadecimal number for what is not ASCII. "1" before such a letter
// is a number and a remainder then.
func escaped(s string) string {
	b := make([]byte, 0, 4*len(s))
	for _, r := range s {
		if r < utf8.RuneSelf {
			b = utf8.AppendRune(b, r)
		} else {
			b = fmt.Appendf(b, "%%u%04x", r)
		}
	}
	return string(b)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// injection asks the two tokenizers that rules 941100 and 942100 ask.
func injection(s string) bool {
	if found, _ := libinjection.IsSQLi(s); found {
		return true
	}
	return libinjection.IsXSS(s)
}

// signs reports whether the text has only signs by which nothing begins.
func signs(s []byte) bool {
	letters := false
	brackets := false
	for i, c := range s {
		next := byte(' ')
		if i+1 < len(s) {
			next = s[i+1]
		}
		switch {
		case isLetter(c):
			letters = true
		case isDigit(c), c == ' ', c == '\t', c == '\n', c == '\r', c >= utf8.RuneSelf:
		case c == ',', c == ':', c == '_', c == '@', c == '?', c == '/', c == '!', c == '+':
		case c == '.' || c == '-':
			if next == c {
				return false
			}
		case c == '&':
			if !space(next) {
				return false
			}
		case c == '%': // of a number, and of no escape
			if i == 0 || !isDigit(s[i-1]) || isHex(next) || next|0x20 == 'u' {
				return false
			}
		case c == '(' || c == ')':
			brackets = true
		default:
			return false
		}
	}
	return !brackets || !letters
}

// strong are words that a rule looks for, wherever they stand.
var strong = [][]byte{
	[]byte("select"), []byte("union"), []byte("alter"), []byte("javascript"), []byte("vbscript"), []byte("data:"), []byte("function"),
	[]byte("information_schema"), []byte("sysdatabases"), []byte("msdb"), []byte("msys"), []byte("mysql"), []byte("northwind"), []byte("pg_"),
	[]byte("tempdb"), []byte("schema"), []byte("sqlite_"), []byte("sysaux"), []byte("sys.database"), []byte("xp_cmdshell"), []byte("master"),
	[]byte("xlink"), []byte("xhtml"), []byte("xmlns"), []byte("formaction"), []byte("document."), []byte(".parentnode"), []byte(".innerhtml"), []byte("window.location"),
	[]byte("-moz-binding"), []byte("pg_sleep"), []byte("waitfor"), []byte("+adw-"), []byte("1.e"), []byte("base64"), []byte("@import"), []byte("::"), []byte("declare"),
}

// verbs begin a statement when something other than a letter stands before.
var verbs = [][]byte{[]byte("create"), []byte("truncate"), []byte("rename"), []byte("delete"), []byte("desc"), []byte("drop"), []byte("insert"), []byte("load"), []byte("update")}

// words reports whether the text has no word that a rule looks for. Rules
// allow tabs and the ends of lines within some words.
func words(s []byte, other bool) bool {
	var room [512]byte
	low := room[:0]
	for _, c := range s {
		switch {
		case c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f':
		case c >= 'A' && c <= 'Z':
			low = append(low, c|0x20)
		default:
			low = append(low, c)
		}
	}
	for _, w := range strong {
		if bytes.Contains(low, w) {
			return false
		}
	}
	return phrases(bytes.ToLower(s))
}

// phrases looks at words that mean something beside others.
func phrases(s []byte) bool {
	first := bytes.IndexFunc(s, func(r rune) bool { return r >= 'a' && r <= 'z' || r == '_' })
	for _, v := range verbs {
		if first > 0 && bytes.HasPrefix(s[first:], v) {
			return false
		}
	}
	var before, last []byte
	for at := 0; ; {
		word, end := nextWord(s, at)
		if word == nil {
			break
		}
		at = end
		switch {
		case bytes.Equal(last, []byte("case")) && bytes.HasPrefix(word, []byte("when")),
			bytes.Equal(before, []byte("as")) && bytes.HasPrefix(word, []byte("from")),
			bytes.HasPrefix(word, []byte("char")) && hasVerb(last),
			bytes.HasPrefix(word, []byte("load_file")), bytes.HasPrefix(word, []byte("group_concat")):
			return false
		}
		before, last = last, word
	}
	return !integerEdge(s)
}

func hasVerb(w []byte) bool {
	for _, v := range verbs {
		if bytes.HasSuffix(w, v) {
			return true
		}
	}
	return false
}

func nextWord(s []byte, at int) (word []byte, end int) {
	for at < len(s) && !wordByte(s[at]) {
		at++
	}
	end = at
	for end < len(s) && wordByte(s[end]) {
		end++
	}
	if end == at {
		return nil, end
	}
	return s[at:end], end
}

// integerEdge reports the numbers at the edges of types, which stand alone
// (rule 942220).
func integerEdge(s []byte) bool {
	switch string(s) {
	case "4294967295", "4294967296", "2147483647", "2147483648", "-2147483648", "-2147483649", "-0000023456", "0000012345", "0000023456", "1e309":
		return true
	}
	return bytes.Contains(s, []byte("2250738585072"))
}

// slashAfterQuarter reports the byte 0xbc before a slash, which a browser with
// an old character set may take for "<" (rule 941310).
func slashAfterQuarter(s []byte) bool {
	for i, c := range s {
		if c != 0xbc {
			continue
		}
		if rest := bytes.TrimLeft(s[i+1:], " \t\n\v\f\r"); len(rest) > 0 && rest[0] == '/' {
			return true
		}
	}
	return false
}

// linkSigns returns what follows the scheme when the value is one web address
// with a query; "" when it is not: without a query it is judged like all else.
func linkSigns(s string) string {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(s, "http://"); !ok {
			return ""
		}
	}
	if !strings.Contains(rest, "?") || strings.ContainsAny(rest, " \t\r\n") {
		return ""
	}
	return rest
}

// inertLink reports whether the address is one as pages are given in
// campaigns: a host, a path, plain pairs.
func inertLink(s string) bool {
	path, query, _ := strings.Cut(s, "?")
	for i := range len(path) {
		if c := path[i]; !isLetter(c) && !isDigit(c) && c != '.' && c != '-' && c != '/' && c != '_' && c != ':' {
			return false
		}
	}
	if strings.Contains(path, "..") || strings.Contains(path, "--") || strings.Contains(query, "--") || strings.Contains(query, "..") || html.UnescapeString(s) != s {
		return false
	}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		for i := range len(name) {
			if c := name[i]; !isLetter(c) && !isDigit(c) && c != '_' {
				return false
			}
		}
		if strings.HasPrefix(strings.ToLower(name), "on") {
			return false
		}
		for i := range len(value) {
			if c := value[i]; !isLetter(c) && !isDigit(c) && c != '_' && c != '-' && c != '.' {
				return false
			}
		}
	}
	return true
}

func isLetter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func space(c byte) bool    { return c == ' ' || c >= '\t' && c <= '\r' }
func wordByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }
