package firewall

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
)

// Many rules read text as t:utf8toUnicode,t:urlDecodeUni make it: each
// character one byte, by a table for what looks like ASCII (a typographic
// apostrophe is an apostrophe), else its low byte (the Cyrillic м is a "<"). The gate
// has to look at the same text, so it asks the engine itself for its table.

// folded has the byte of each character of the basic plane.
type folded [1 << 16]byte

var foldTable = sync.OnceValues(func() (*folded, error) {
	seen := ""
	plugins.RegisterOperator("catchmentSees", func(plugintypes.OperatorOptions) (plugintypes.Operator, error) {
		return operatorFunc(func(v string) bool { seen = v; return false }), nil
	})
	waf, err := build("SecRuleEngine On", `SecRule ARGS "@catchmentSees" "id:1,phase:2,pass,nolog,t:none,t:utf8toUnicode,t:urlDecodeUni"`)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	for r := rune(utf8.RuneSelf); r < 1<<16; r++ {
		if r < 0xd800 || r > 0xdfff {
			text.WriteRune(r)
		}
	}
	tx := waf.NewTransaction()
	defer tx.Close()
	tx.AddPostRequestArgument("v", text.String())
	tx.ProcessRequestHeaders()
	if _, err := tx.ProcessRequestBody(); err != nil {
		return nil, fmt.Errorf("firewall: %w", err)
	}
	t := new(folded)
	i := 0
	for r := rune(utf8.RuneSelf); r < 1<<16; r++ {
		if r >= 0xd800 && r <= 0xdfff {
			continue
		}
		if i >= len(seen) {
			break
		}
		t[r] = seen[i]
		i++
	}
	if i != len(seen) || i != 1<<16-utf8.RuneSelf-2048 {
		return nil, fmt.Errorf("firewall: the engine folds characters otherwise than it did: %d", len(seen))
	}
	return t, nil
})

type operatorFunc func(string) bool

// Evaluate implements plugintypes.Operator.
func (f operatorFunc) Evaluate(_ plugintypes.TransactionState, v string) bool { return f(v) }

// append appends the text as the rules see it, without the bytes of value 0,
// which they drop; whole says that there were none. Beyond the basic plane four digits of five make the byte,
// and the rest stands as it is.
func (t *folded) append(dst []byte, s string) (out []byte, whole bool) {
	const digits = "0123456789abcdef"
	whole = true
	for _, r := range s {
		rest := ""
		switch {
		case r < utf8.RuneSelf:
			if r == '+' {
				r = ' '
			}
			if r != 0 {
				dst = append(dst, byte(r))
			} else {
				whole = false
			}
			continue
		case r >= 1<<20:
			rest, r = string(digits[r>>4&15])+string(digits[r&15]), r>>8
		case r >= 1<<16:
			rest, r = string(digits[r&15]), r>>4
		}
		b := t[r]
		if r < utf8.RuneSelf {
			b = byte(r)
		}
		if b != 0 {
			dst = append(dst, b)
		} else {
			whole = false // rule 942100 speaks of the text before they are dropped, too
		}
		dst = append(dst, rest...)
	}
	return dst, whole
}
