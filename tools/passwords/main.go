// Command passwords makes internal/password/common.bin of a list of common
// passwords: a JSON array of strings on its input, such as passwords.json of the
// npm package @zxcvbn-ts/language-common (MIT), which was gathered from leaks. What is shorter than a password may be is left out.
//
//	go run -C tools ./passwords <passwords.json >internal/password/common.bin
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	least = 10 // characters of a password, as in internal/signin
	size  = 6  // bytes of a hash, as in internal/password
)

func main() {
	var all []string
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil {
		fmt.Fprintln(os.Stderr, "passwords:", err)
		os.Exit(1)
	}
	var hashes [][]byte
	for _, s := range all {
		if utf8.RuneCountInString(s) >= least {
			h := sha256.Sum256([]byte(strings.ToLower(s)))
			hashes = append(hashes, h[:size])
		}
	}
	slices.SortFunc(hashes, bytes.Compare)
	hashes = slices.CompactFunc(hashes, bytes.Equal)
	_, _ = os.Stdout.Write(bytes.Join(hashes, nil))
	fmt.Fprintln(os.Stderr, len(hashes), "passwords")
}
