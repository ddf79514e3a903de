package proof

import (
	"bytes"
	"fmt"

	"catchment/internal/lead"
	"catchment/internal/receipt"
)

// inventedEnquiry is an id that nobody was ever given.
func inventedEnquiry() string { return lead.NewEnquiryID().String() }

// changed gives a copy of the text in which byte k (counted around) is another
// character of the same kind, so that what is refused is the value and not
// the form.
func changed(text []byte, k int) []byte {
	out := bytes.Clone(text)
	k %= len(out)
	switch c := out[k]; {
	case c >= '0' && c < '9', c >= 'a' && c < 'z', c >= 'A' && c < 'Z':
		out[k]++
	case c == '9', c == 'z', c == 'Z':
		out[k]--
	default:
		out[k] ^= 1
	}
	return out
}

// everyByte changes each byte of a receipt in turn, and counts how many of the
// changed ones are refused. good says that the unchanged one is accepted.
func everyByte(a ack, body, keyText []byte) (good bool, refused int, first string) {
	keys, err := receipt.ParseKeys(keyText)
	if err != nil {
		return false, 0, because(err)
	}
	good = verifyOne(a, body, keys) == nil
	for k := range a.receipt {
		if verifyOne(ack{a.id, changed(a.receipt, k)}, body, keys) != nil {
			refused++
		} else if first == "" {
			first = fmt.Sprintf("; accepted with byte %d changed", k)
		}
	}
	return good, refused, first
}
