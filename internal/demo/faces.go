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
// drama, a thousand in each of the ranges of dramas. There are enough of both
// that a day's visitors seldom share one.
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
var areas = strings.Fields(`201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 248 251 252
	253 254 256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 321 323 325 330 334 336
	337 339 347 351 352 360 361 386 401 402 404 405 406 407 408 409 410 412 413 414 415 417 419 423 424 425 430 432 434 435 440 443 469 478
	479 480 484 501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 520 530 540 541 551 559 561 562 563 567 570 571 573 574 580 585
	586 601 602 603 605 606 607 608 609 610 612 614 615 616 617 618 619 620 623 626 630 631 636 646 650 651 660 661 662 678 682 701 702 703
	704 706 707 708 712 713 714 715 716 717 718 719 720 724 727 731 732 734 740 754 757 760 763 765 770 772 773 774 775 781 785 786 801 802
	803 804 805 806 808 810 812 813 814 815 816 817 818 828 830 831 832 843 845 847 848 850 856 857 858 859 860 862 863 864 865 870 901 903
	904 906 907 908 909 910 912 913 914 915 916 917 918 919 920 925 928 931 936 937 940 941 947 949 951 952 954 956 970 971 972 973 978 979
	980 985 989`)

// dramas are the beginnings of Ofcom's numbers for drama; three digits follow.
var dramas = []string{"7700 900", "7700 900", "7700 900", "1632 960", "20 7946 0", "113 496 0", "114 496 0", "115 496 0", "116 496 0", "117 496 0",
	"118 496 0", "121 496 0", "131 496 0", "141 496 0", "151 496 0", "161 496 0", "191 498 0", "29 2018 0"}

// phone is a reserved number, written as people do.
func phone(r *rand.Rand, region string) string {
	if region == "US" && r.IntN(12) > 0 || region != "US" && r.IntN(12) == 0 {
		a, n := one(r, areas), 100+r.IntN(100)
		return fmt.Sprintf(one(r, []string{"+1%s5550%03d", "+1 %s 555 0%03d", "(+1) %s-555-0%03d", "+1 (%s) 555-0%03d", "1-%s-555-0%03d"}), a, n)
	}
	n := fmt.Sprintf("%s%03d", one(r, dramas), r.IntN(1000))
	switch r.IntN(6) {
	case 0:
		return "+44" + strings.ReplaceAll(n, " ", "")
	case 1:
		return "+44 (0)" + n
	case 2:
		return "0044 " + n
	case 3:
		return "+44-" + strings.ReplaceAll(n, " ", "-")
	}
	return "+44 " + n
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
