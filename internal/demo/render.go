package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// size of the terminal in characters.
type size struct{ wide, high int }

// style of a piece of text. The zero style is the terminal's own.
type style byte

const (
	normal style = iota
	dim
	bold
	green
	yellow
	red
	cyan
)

var codes = [...]string{normal: "", dim: "\x1b[2m", bold: "\x1b[1m", green: "\x1b[32m", yellow: "\x1b[33m", red: "\x1b[31m", cyan: "\x1b[36m"}

// line is a line of the screen under construction; it never grows over its
// width.
type line struct {
	b     strings.Builder
	used  int
	wide  int
	plain bool // without colours
}

func (l *line) put(s style, text string) *line {
	room := l.wide - l.used
	if room <= 0 || text == "" {
		return l
	}
	text = cut(text, room)
	l.used += width(text)
	if s == normal || l.plain {
		l.b.WriteString(text)
		return l
	}
	l.b.WriteString(codes[s] + text + "\x1b[0m")
	return l
}

// to fills with blanks up to the column.
func (l *line) to(column int) *line {
	return l.put(normal, strings.Repeat(" ", max(0, column-l.used)))
}

// width is how many columns the text takes: wide characters of East Asia take
// two, marks none. The names on this screen are the set-up's, so a rough table
// is enough.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana), r >= 0x1f300 && r < 0x1fb00, r >= 0xff01 && r <= 0xff60:
		return 2
	}
	return 1
}

// cut shortens the text to the columns, with an ellipsis.
func cut(s string, wide int) string {
	if width(s) <= wide {
		return s
	}
	n := 0
	for i, r := range s {
		if n+runeWidth(r) > wide-1 {
			return s[:i] + "…"
		}
		n += runeWidth(r)
	}
	return s
}

// The figures, three rows high.
var figures = map[rune][3]string{
	'0': {"█▀█", "█ █", "▀▀▀"}, '1': {"▀█ ", " █ ", "▀▀▀"}, '2': {"▀▀█", "█▀▀", "▀▀▀"}, '3': {"▀▀█", " ▀█", "▀▀▀"},
	'4': {"█ █", "▀▀█", "  ▀"}, '5': {"█▀▀", "▀▀█", "▀▀▀"}, '6': {"█▀▀", "█▀█", "▀▀▀"}, '7': {"▀▀█", "  █", "  ▀"},
	'8': {"█▀█", "█▀█", "▀▀▀"}, '9': {"█▀█", "▀▀█", "▀▀▀"}, ':': {" ", "▪", "▪"}, '.': {" ", " ", "▄"}, '-': {"   ", "▀▀▀", "   "},
}

// big writes a text of figures as three rows.
func big(s string) (rows [3]string) {
	for _, r := range s {
		f, ok := figures[r]
		if !ok {
			continue
		}
		for i := range rows {
			if rows[i] != "" {
				rows[i] += " "
			}
			rows[i] += f[i]
		}
	}
	return rows
}

// age writes the oldest lead's age as figures and their unit, and how bad that
// is: past an offer's time it is worth a look, past the alarm it is wrong.
func age(d time.Duration) (text, unit string, s style) {
	s = green
	switch {
	case d >= 90*time.Second:
		s = red
	case d >= 20*time.Second:
		s = yellow
	}
	switch {
	case d < 0:
		return "0", "nobody waits", green
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f", d.Seconds()), "s", s
	case d < time.Minute:
		return fmt.Sprintf("%d", int(d.Seconds())), "s", s
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60), "min", s
	}
	return fmt.Sprintf("%d:%02d", int(d.Hours()), int(d.Minutes())%60), "h", s
}

// page is what does not change while the demo runs.
type header struct {
	url     string
	signIns []string // one a line
	curl    []string
	foot    string
}

// render draws the whole screen, a string a line, none wider than the
// terminal, and not more lines than it is high.
func render(h header, s sight, at size, colours bool) []string {
	wide := max(40, at.wide)
	var out []string
	add := func() *line {
		l := &line{wide: wide, plain: !colours}
		out = append(out, "")
		return l
	}
	end := func(l *line) { out[len(out)-1] = l.b.String() }
	end(add().put(normal, " ").put(bold, "Catchment demo").put(normal, "  ").put(cyan, h.url).put(dim, "  API ").put(cyan, h.url+"/docs"))
	for _, t := range h.signIns {
		end(add().put(dim, " "+t))
	}
	if at.high >= 24 {
		for _, t := range h.curl {
			end(add().put(normal, " "+t))
		}
	}
	end(add())
	figuresBlock(s, add, end)
	end(add())
	foot := 2
	for _, l := range s.lines {
		if len(out) >= at.high-foot {
			break
		}
		row := add()
		leadLine(row, l, s)
		end(row)
	}
	for len(out) < at.high-foot {
		end(add())
	}
	end(add())
	end(add().put(dim, " "+h.foot))
	if len(out) > at.high && at.high > 0 {
		out = out[:at.high]
	}
	return out
}

func figuresBlock(s sight, add func() *line, end func(*line)) {
	text, unit, mood := age(s.oldest)
	rows := big(text)
	const second, third = 30, 54
	end(add().put(dim, " oldest waiting lead").to(second).put(dim, "last minute").to(third).put(dim, "median time"))
	labels := [3][2]string{{"captured", fmt.Sprint(s.captured)}, {"offered", fmt.Sprint(s.offers)}, {"accepted", fmt.Sprint(s.accepted)}}
	speeds := [3][2]string{{"to offer", measured(s.toOffer)}, {"to accept", measured(s.toAccept)},
		{"people", fmt.Sprintf("%d available, %d away", s.available, s.away)}}
	for i := range 3 {
		l := add().put(normal, " ").put(mood, rows[i])
		if i == 2 {
			l.put(dim, " "+unit)
		}
		l.to(second).put(normal, fmt.Sprintf("%-10s", labels[i][0])).put(bold, fmt.Sprintf("%5s", labels[i][1]))
		end(l.to(third).put(normal, fmt.Sprintf("%-10s", speeds[i][0])).put(bold, speeds[i][1]))
	}
	end(add().put(dim, fmt.Sprintf(" %d waiting, %d on offer", s.waiting, s.offered)).to(30).
		put(dim, fmt.Sprintf("%d leads since the start, ", s.total)).put(green, fmt.Sprintf("%d won", s.won)).put(dim, fmt.Sprintf(", %d dropped", s.dropped)))
}

func measured(d time.Duration) string {
	if d < 0 {
		return "–"
	}
	return short(d)
}

const arrow = " → "

// leadLine draws one lead's course. When it is too long, its middle is left
// out: who has it now and what happened last is at the end.
func leadLine(l *line, s sightLine, all sight) {
	l.put(dim, " "+s.at.Local().Format(time.TimeOnly)+" ")
	l.put(normal, pad(s.project, min(18, all.projectWide))+"  ").put(dim, pad(s.source, min(18, all.sourceWide)))
	room := l.wide - l.used
	skipped, parts := "", s.parts
	for len(parts) > 1 && width(skipped)+courseWidth(parts) > room {
		parts, skipped = parts[1:], " …"
		if s.who != "" && !slices.ContainsFunc(parts, func(p part) bool { return strings.Contains(p.text, s.who) }) {
			skipped += " " + s.who // whose it is stood in what is left out
		}
	}
	l.put(dim, skipped)
	for _, p := range parts {
		l.put(dim, arrow).put(moodStyle(p, s.finished), p.text)
	}
}

func courseWidth(parts []part) int {
	n := 0
	for _, p := range parts {
		n += utf8.RuneCountInString(arrow) + width(p.text)
	}
	return n
}

func moodStyle(p part, finished bool) style {
	switch p.mood {
	case good:
		return green
	case bad:
		return red
	case odd:
		return yellow
	}
	if finished {
		return dim
	}
	return normal
}

func pad(s string, wide int) string {
	s = cut(s, wide)
	return s + strings.Repeat(" ", max(0, wide-width(s)))
}
