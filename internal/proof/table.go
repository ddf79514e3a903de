package proof

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table writes the report for people.
func (r Report) Table(w io.Writer) error {
	var b strings.Builder
	for _, p := range r.Proofs {
		fmt.Fprintf(&b, "\n%s: %s (%.0f s)\n", p.Name, p.verdict(), p.Seconds)
		var rows [][]string
		for _, c := range p.Checks {
			rows = append(rows, []string{mark(c.OK), c.Name, c.Got})
		}
		for _, f := range p.Figures {
			rows = append(rows, []string{"", f.Name, strings.TrimSpace(number(f.Value)+" "+f.Unit) + f.against()})
		}
		writeRows(&b, rows)
		for _, n := range p.Notes {
			fmt.Fprintf(&b, "        %s\n", n)
		}
		if p.Grid != nil {
			p.Grid.write(&b)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

func (p Result) verdict() string {
	switch {
	case !p.OK:
		return "DOES NOT HOLD"
	case p.Skipped != "":
		return "skipped: " + p.Skipped
	}
	return "holds"
}

func (r Report) verdict() string {
	var failed, skipped []string
	for _, p := range r.Proofs {
		switch {
		case !p.OK:
			failed = append(failed, p.Name)
		case p.Skipped != "":
			skipped = append(skipped, p.Name)
		}
	}
	s := "All hold."
	if len(failed) > 0 {
		s = "Does not hold: " + strings.Join(failed, ", ") + "."
	}
	if len(skipped) > 0 {
		s += " Skipped: " + strings.Join(skipped, ", ") + "."
	}
	return s
}

func (f Figure) against() string {
	if f.Aim == "" {
		return ""
	}
	if f.Met != nil && *f.Met {
		return "  (aim " + f.Aim + ")"
	}
	return "  (aim " + f.Aim + ": MISSED)"
}

func mark(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAIL"
}

// writeRows aligns the columns by characters.
func writeRows(b *strings.Builder, rows [][]string) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := " "
		for i, cell := range row {
			line += " " + cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+1)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// number shows three figures or so, with thousands apart.
func number(v float64) string {
	switch a := math.Abs(v); {
	case v == math.Trunc(v) || a >= 1000:
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func thousands(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
