package signin

import (
	"strings"
	"unicode"
)

// usual are words that passwords are made of by those who make one of a single
// word, a year and a mark; among them those of this program's own world. A
// phrase that has one of them among others is none of these.
var usual = strings.Fields(`
	password passwort passcode letmein welcome iloveyou loveyou sunshine princess football baseball basketball superman batman spiderman starwars
	dragon monkey shadow master michael jennifer jordan charlie ashley daniel jessica michelle nicole anthony matthew andrew joshua thomas robert
	liverpool arsenal chelsea manchester manchesterunited barcelona realmadrid cricket india pakistan bismillah allahuakbar muhammad mohammed ahmed
	secret trustno computer internet samsung google facebook whatsapp android iphone microsoft windows office company business
	administrator admin administration root user username guest test testing tester default changeme change demo sample example hello helloworld
	spring summer autumn winter monday friday january february march april august september october november december
	catchment lead leads leadgen crm sales salesperson salesforce manager marketer marketing auditor operator support realestate property properties
	house home homes mypassword newpassword oldpassword thepassword passwordpassword yourpassword nopassword iloveyousomuch
	unbelievable blessed jesuschrist godisgood freedom forever whatever nothing butterfly chocolate elephant pokemon naruto minecraft fortnite`)

// rows are keys that lie beside each other, and what one counts by.
var rows = []string{"qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "1234567890", "abcdefghijklmnopqrstuvwxyz", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "q1w2e3r4t5y6u7i8o9p0", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujm"}

// easy reports whether a password is one of those that are tried first: digits
// alone, a few signs again and again, rows of keys, or a single usual word with
// whatever stands before and behind it.
func easy(s string) bool {
	s = strings.ToLower(s)
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
	return letters == "" || again(s) || inRows(s) || isUsual(letters) || isUsual(unleet.Replace(strings.Trim(s, around)))
}

const around = "0123456789 !?.,#*+&%-_"

var unleet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t", " ", "", "-", "", "_", "", ".", "")

// again: at most four different signs, or the same few again and again.
func again(s string) bool {
	different := map[rune]bool{}
	for _, r := range s {
		different[r] = true
	}
	if len(different) < 5 {
		return true
	}
	for n := 1; n <= len(s)/2; n++ {
		if strings.HasPrefix(strings.Repeat(s[:n], len(s)/n+1), s) && n <= 6 {
			return true
		}
	}
	return false
}

// inRows: nothing but pieces of rows, of four signs or more each way.
func inRows(s string) bool {
	for len(s) > 0 {
		n := 0
		for _, row := range rows {
			n = max(n, along(s, row), along(s, backwards(row)))
		}
		if n < min(4, len(s)) {
			return false
		}
		s = s[n:]
	}
	return true
}

// along is how far the text goes along the row, from wherever it begins there.
func along(s, row string) (n int) {
	at := strings.IndexByte(row, s[0])
	for at >= 0 && n < len(s) && s[n] == row[(at+n)%len(row)] {
		n++
	}
	return n
}

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

func isUsual(letters string) bool {
	for _, w := range usual {
		if letters != "" && strings.ReplaceAll(letters, w, "") == "" {
			return true
		}
	}
	return inRows(letters)
}
