package console

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"catchment/internal/problem"
)

const (
	mostSpendRows = 10_000
	mostSpend     = 1_000_000_000_000 // minor units of one row
)

var spendColumns = []string{"day", "source", "campaign", "currency", "amount", "amount_minor"}

// readSpend reads a file of what was spent: a first line with names of columns
// in any order, then rows, parted by commas or semicolons. Every fault names
// its row, counted from 1 after the first line. A source may be a slug.
func readSpend(text []byte) (items []SpendItem, faults []problem.Field) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, []problem.Field{{Field: "file", Code: "not_utf8", Detail: "Save the file as UTF-8."}}
	}
	r := csv.NewReader(bytes.NewReader(text))
	if first, _, _ := bytes.Cut(text, []byte("\n")); bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		r.Comma = ';'
	}
	head, err := r.Read()
	if err != nil {
		return nil, []problem.Field{{Field: "file", Code: "unreadable", Detail: "Begin with a line that names the columns: day, source or campaign, currency, amount."}}
	}
	place, faults := spendHead(head)
	if len(faults) > 0 {
		return nil, faults
	}
	for n := 1; len(faults) < mostFaults; n++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		fault := func(field, code, detail string) {
			faults = append(faults, problem.Field{Field: fmt.Sprintf("row %d: %s", n, field), Code: code, Detail: detail})
		}
		switch {
		case err != nil:
			fault("line", "unreadable", "It has other columns than the first line, or a quotation mark too many.")
			return nil, faults
		case n > mostSpendRows:
			fault("line", "too_many", fmt.Sprintf("Send at most %d rows at a time.", mostSpendRows))
			return nil, faults
		}
		items = append(items, spendRow(row, place, fault))
	}
	if len(items) == 0 && len(faults) == 0 {
		faults = []problem.Field{{Field: "file", Code: "empty", Detail: "There is no row."}}
	}
	return items, faults
}

// spendHead says where each column is.
func spendHead(head []string) (place map[string]int, faults []problem.Field) {
	place = map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := place[name]; twice || !slices.Contains(spendColumns, name) {
			faults = append(faults, problem.Field{Field: "column " + strconv.Itoa(i+1), Code: "unknown_column",
				Detail: "Name each column once: day, source, campaign, currency, amount or amount_minor."})
		}
		place[name] = i
	}
	has := func(name string) bool { _, ok := place[name]; return ok }
	if !has("day") || !has("currency") || has("amount") == has("amount_minor") || !(has("source") || has("campaign")) {
		faults = append(faults, problem.Field{Field: "file", Code: "missing_column", Detail: "It needs day, currency, source or campaign, and either amount or amount_minor."})
	}
	return place, faults
}

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

func spendRow(row []string, place map[string]int, fault func(field, code, detail string)) (it SpendItem) {
	cell := func(name string) string {
		if i, ok := place[name]; ok {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	it.Day, it.Currency = cell("day"), strings.ToUpper(cell("currency"))
	if s := cell("source"); s != "" {
		it.SourceID = &s
	}
	if s := cell("campaign"); s != "" {
		it.Campaign = &s
		if len(s) > 100 {
			fault("campaign", "too_long", "A campaign has up to 100 bytes.")
		}
	}
	if !currencyCode.MatchString(it.Currency) {
		fault("currency", "invalid", "Give an ISO 4217 code such as EUR.")
	}
	digits := 0
	name := "amount_minor"
	if _, ok := place["amount"]; ok {
		name, digits = "amount", minorDigits(it.Currency)
	}
	var ok bool
	if it.Minor, ok = minorUnits(cell(name), digits); !ok {
		fault(name, "invalid", "Give a number such as 125.50, without a currency or separators of thousands, and with no more decimals than the currency has.")
	}
	return it
}

// minorUnits reads a decimal number as whole units of the last of the digits:
// "125.5" with two of them is 12550.
func minorUnits(text string, digits int) (int64, bool) {
	whole, part, dot := strings.Cut(text, ".")
	if whole == "" || dot && part == "" || len(part) > digits {
		return 0, false
	}
	all := whole + part + strings.Repeat("0", digits-len(part))
	if strings.ContainsFunc(all, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	n, err := strconv.ParseInt(all, 10, 64)
	return n, err == nil && n <= mostSpend
}

// minorDigits is how many decimals a currency has (ISO 4217, list one).
func minorDigits(currency string) int {
	switch currency {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3
	}
	return 2
}
