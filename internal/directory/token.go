package directory

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"catchment/internal/store/access"
)

// The forms of tokens and keys: a prefix that says what it is, for people and
// for scanners of leaked secrets, and 256 random bits.
const (
	sessionPrefix     = "cst_"
	LinkPrefix        = "clk_" // one-time links
	secretPrefix      = "csk_"
	publishablePrefix = "cpk_"
	tokenLength       = 4 + 43
)

// NewToken makes a token; the hash is what may be stored of it.
func NewToken(prefix string) (text string, hash access.Hash) {
	b := make([]byte, 32)
	rand.Read(b)
	text = prefix + base64.RawURLEncoding.EncodeToString(b)
	return text, hashToken(text)
}

func hashToken(text string) access.Hash { return sha256.Sum256([]byte(text)) }

// TokenHash is the hash of a token of that prefix. False: it has not the form.
func TokenHash(text, prefix string) (access.Hash, bool) {
	return hashToken(text), isToken(text, prefix)
}

// isToken reports whether the text has the form of such a token.
func isToken(text, prefix string) bool {
	return len(text) == tokenLength && strings.HasPrefix(text, prefix)
}
