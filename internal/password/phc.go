// Package password makes slow hashes of passwords and checks them. A server
// hashes in processes of its own, which run after everything else, so that
// who tries passwords cannot take the processors from leads.
package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a hash: OWASP's second choice for argon2id, about 35 ms and
// 19 MiB.
const (
	argonMemory = 19 * 1024 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltSize    = 16
	hashSize    = 32
)

// task is one hash to be made.
type task struct {
	Password     string
	Salt         []byte
	Memory, Time uint32 // KiB; passes
	Lanes        uint8
	Size         uint32 // bytes
}

// bounded reports whether the task costs no more than any hash of ours would.
func (t task) bounded() bool {
	return len(t.Password) <= Most && len(t.Salt) >= 8 && len(t.Salt) <= 64 && t.Size >= 16 && t.Size <= 64 &&
		t.Memory >= 8 && t.Memory <= 256*1024 && t.Time >= 1 && t.Time <= 16 && t.Lanes >= 1 && t.Lanes <= 16
}

func (t task) hash() []byte {
	return argon2.IDKey([]byte(t.Password), t.Salt, t.Time, t.Memory, t.Lanes, t.Size)
}

// phc writes the PHC string format (github.com/P-H-C/phc-string-format).
func phc(salt, hash []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes, b.EncodeToString(salt), b.EncodeToString(hash))
}

var errPHC = errors.New("password: a stored hash cannot be read")

// parsePHC reads what phc wrote, also with other costs, within bounds: the
// hash, and the task that makes it again but for its password.
func parsePHC(s string) (t task, hash []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return t, nil, errPHC
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &t.Memory, &t.Time, &t.Lanes); n != 3 || err != nil ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", t.Memory, t.Time, t.Lanes) {
		return t, nil, errPHC
	}
	b := base64.RawStdEncoding.Strict()
	var saltErr, hashErr error
	t.Salt, saltErr = b.DecodeString(parts[4])
	hash, hashErr = b.DecodeString(parts[5])
	t.Size = uint32(len(hash))
	if saltErr != nil || hashErr != nil || !t.bounded() {
		return t, nil, errPHC
	}
	return t, hash, nil
}
