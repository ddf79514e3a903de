package firewall

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// long has tests run for as long as said, in the place of their few tries.
var long = flag.Duration("firewall.long", 0, "how long to draw texts for the gate")

// FuzzInert holds the gate to its promise.
func FuzzInert(f *testing.F) {
	for i, v := range attackTexts(f) {
		if i%8 == 0 {
			f.Add(v)
		}
	}
	j := newJudge(f)
	f.Fuzz(func(t *testing.T, s string) { promise(t, j, s) })
}

// attackTexts are what the suite sends for both families.
func attackTexts(t testing.TB) (out []string) {
	for _, c := range crsCases(t) {
		if values, ok := c.values(); ok && (c.Rule/1000 == 941 || c.Rule/1000 == 942) {
			out = append(out, values...)
		}
	}
	return out
}

// The gate's promise with texts that are drawn of pieces of attacks, of what
// people write, and of characters that become others on the way.
func TestInertIsNotBlocked(t *testing.T) {
	j := newJudge(t)
	pieces := []string{"I", "am", "interested", "in", "the", "flat", "or", "and", "not", "like", "between", "is", "null", "1", "2", "0", "as", "from", "where",
		"order by", "having", "case", "when", "then", "end", "if", "limit", "char", "create", "load", "date", "now", "user", "into", "on", "by", "group", "all", "true",
		" ", " ", " ", " ", " ", " ", ",", ".", "-", "/", "?", "!", "&", ":", "\n", "\t", "\r\n", "+", "%", "@", "_", "(", ")",
		"é", "ü", "о", "м", "Ч", "ш", "ħ", "ļ", "и", "अ", "भ", "私", "の", "。", "你好", "مرحبا", "’", "“", "–", "…", "😀", "🏡", "ſ", "ﬀ", "！", "＜", "\u200b", "\u00a0", "\u0400"}
	for _, v := range attackTexts(t) {
		pieces = append(pieces, strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune("'\"`<>=;#*|\\${}[]^~", r) })...)
	}
	seed := uint64(1)
	end := time.Now().Add(*long)
	tries, inert := 0, 0
	draw := func(r *rand.Rand) string {
		var b strings.Builder
		for range 1 + r.IntN(9) {
			b.WriteString(pieces[r.IntN(len(pieces))])
			if r.IntN(2) == 0 {
				b.WriteByte(' ')
			}
		}
		return b.String()
	}
	if *long > 0 {
		seed = uint64(end.UnixNano())
		t.Logf("seed %d", seed)
	}
	for r := rand.New(rand.NewPCG(seed, 0)); tries < 2000 || time.Now().Before(end); tries++ {
		s := draw(r)
		if j.inert(s) {
			inert++
		}
		promise(t, j, s)
	}
	t.Logf("%d texts, %d of them inert", tries, inert)
	if inert*5 < tries/5 {
		t.Error("hardly any text was inert: this tried nothing")
	}
}
