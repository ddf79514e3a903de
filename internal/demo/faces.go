package demo

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// face is an invented person. Names are put together at random; numbers are
// those that are kept free for fiction: in North America 555-0100 to 555-0199
// of any area code (ATIS, NANPA 555 guidelines), in Britain Ofcom's numbers for
// drama: 07700 900000–900999, 01632 960000–960999, 020 7946 0000–0999.
// Addresses are under the names that RFC 2606 reserves.
type face struct {
	name, phone, email string
	tongue             string // the language that they write
}

// tongues has first and last names by the language that people write; the last
// entry of names in other scripts is written as their owners do.
var tongues = []struct {
	tongue      string
	share       int
	first, last []string
}{
	{"en", 10,
		[]string{"Oliver", "Amelia", "George", "Isla", "Noah", "Ava", "Arthur", "Grace", "Leo", "Freya", "Jamal", "Zoe", "Hannah", "Marcus", "Ruth", "Siobhan", "D'Andre", "Mary-Jane"},
		[]string{"Fairweather", "Hartnell", "Okoro", "Pemberton", "O'Malley", "Ashworth", "Delacroix", "Blackwood", "McAllister", "Thistlewood", "Underhill", "O'Connor", "Weatherby", "St. Clair", "Van Buren"}},
	{"es", 3,
		[]string{"Mateo", "Valentina", "Joaquín", "Inés", "Álvaro", "Lucía", "Íñigo", "María José"},
		[]string{"Peñalosa", "Ibáñez", "Montoya Ruiz", "Etxeberria", "del Valle", "Zúñiga"}},
	{"de", 2,
		[]string{"Jürgen", "Käthe", "Lukas", "Annelie", "Sören", "Franziska"},
		[]string{"Großmann", "Müller-Lüdenscheid", "Vogelsang", "Schönfeld", "von der Heide"}},
	{"fr", 2,
		[]string{"Élodie", "Jean-Luc", "Maëlle", "Gaël", "Solène", "Anaïs"},
		[]string{"d'Arcy", "Lefèvre", "L'Hermite", "Beauséjour", "Châtelain"}},
	{"pl", 1, []string{"Zofia", "Łukasz", "Małgorzata", "Wojciech"}, []string{"Brzęczyszczykiewicz", "Wiśniewska", "Żółkiewski"}},
	{"hi", 1, []string{"Ananya", "Vikram", "आरव", "Meenakshi"}, []string{"Iyer", "Chatterjee", "शर्मा", "Ramaswamy"}},
	{"zh", 1, []string{"伟", "秀英", "Xiaoming", "Jing"}, []string{"陈", "欧阳", "Zhang", "Liu"}},
	{"ar", 1, []string{"Layla", "Omar", "ليلى", "Nour"}, []string{"al-Masri", "حداد", "Ben Youssef"}},
}

// newFace invents a person of the region, GB or US.
func newFace(r *rand.Rand, region string) face {
	t := tongues[pick(r, len(tongues), func(i int) int { return tongues[i].share })]
	first, last := one(r, t.first), one(r, t.last)
	f := face{name: first + " " + last, tongue: t.tongue}
	switch r.IntN(12) {
	case 0:
		f.name = strings.ToUpper(f.name)
	case 1:
		f.name = strings.ToLower(first)
	}
	switch r.IntN(10) {
	case 0, 1: // a phone alone
		f.phone = phone(r, region)
	case 2: // an e-mail alone
		f.email = email(r, first, last)
	default:
		f.phone, f.email = phone(r, region), email(r, first, last)
	}
	return f
}

// areas are area codes of North America; with 555-01xx behind them they reach
// nobody.
var areas = []string{"303", "720", "970", "505", "801", "307", "212", "415", "512", "206", "602", "702"}

// phone is a reserved number, written as people do.
func phone(r *rand.Rand, region string) string {
	if region == "US" && r.IntN(12) > 0 || region != "US" && r.IntN(12) == 0 {
		a, n := one(r, areas), 100+r.IntN(100)
		return fmt.Sprintf(one(r, []string{"+1%s5550%03d", "+1 %s 555 0%03d", "(+1) %s-555-0%03d", "+1 (%s) 555-0%03d", "001%s5550%03d"}), a, n)
	}
	n := r.IntN(1000)
	return fmt.Sprintf(one(r, []string{
		"+447700900%03d", "+44 7700 900%03d", "+44 (0)7700 900 %03d", "0044 7700 900%03d", "+44-7700-900-%03d",
		"+44 1632 960%03d", "+441632960%03d", "+44 20 7946 0%03d",
	}), n)
}

// oddPhone is what people write into the field instead of a number, or beside
// it. None of it can be dialled but a reserved number.
func oddPhone(r *rand.Rand, region string) string {
	n := r.IntN(1000)
	odd := []string{
		fmt.Sprintf("07700 900%03d (after 6pm)", n),
		fmt.Sprintf("07700 900%03d / 01632 960%03d", n, r.IntN(1000)),
		fmt.Sprintf("+44 7700 900%03d ext. 12", n),
		fmt.Sprintf("tel: 01632-960-%03d", n),
		"07700",
		"+44 77",
	}
	if region == "US" {
		n = 100 + r.IntN(100)
		odd = []string{
			fmt.Sprintf("303-555-0%03d", n),
			fmt.Sprintf("(303) 555 0%03d x4", n),
			fmt.Sprintf("303.555.0%03d - text first pls", n),
			"555-01",
			"+1 303",
		}
	}
	return one(r, append(odd, "n/a", "please e-mail", "-"))
}

var mailHosts = []string{"example.com", "example.org", "example.net", "mail.example", "post.example", "inbox.example"}

// email is an address that nobody has.
func email(r *rand.Rand, first, last string) string {
	f, l := ascii(first), ascii(last)
	if f == "" || l == "" {
		f, l = one(r, []string{"hello", "home", "contact"}), fmt.Sprint(r.IntN(1000))
	}
	local := one(r, []string{f + "." + l, f[:1] + l, f + l, f + "_" + l, l + "." + f}) + one(r, []string{"", "", fmt.Sprint(r.IntN(100)), "+homes"})
	if r.IntN(15) == 0 {
		local = strings.ToUpper(local[:1]) + local[1:]
	}
	return local + "@" + one(r, mailHosts)
}

// oddEmail is an address with a slip of the finger in it.
func oddEmail(r *rand.Rand) string {
	return one(r, []string{"me at example.com", "none@", "ask.me.example.com", "jo@@example.org", "@example.net"})
}

// ascii keeps what stands in addresses.
func ascii(s string) string {
	var b strings.Builder
	for _, c := range norm.NFKD.String(strings.ToLower(s)) {
		if c < 128 && unicode.IsLetter(c) {
			b.WriteRune(c)
		}
	}
	return b.String()
}

func one[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// pick chooses an index by its share.
func pick(r *rand.Rand, n int, share func(int) int) int {
	sum := 0
	for i := range n {
		sum += share(i)
	}
	x := r.IntN(sum)
	for i := range n {
		if x -= share(i); x < 0 {
			return i
		}
	}
	return n - 1
}
