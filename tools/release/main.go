// Command release packs a committed state of Catchment: the program for each
// platform, built twice in clones apart, which must come out equal; a list of
// what it is made of (CycloneDX); SHA-256 sums, signed in minisign's format.
//
//	go run ./release -version v1.0 [-key FILE] [-to DIR]
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"aead.dev/minisign"
)

// platforms that are packed.
var platforms = []string{"linux/amd64", "linux/arm64"}

type release struct {
	ctx     context.Context
	root    string // the repository
	version string
	to      string // the folder that is filled
	private minisign.PrivateKey
	public  string // minisign's text
}

func main() {
	version := flag.String("version", "", "what it is called")
	key := flag.String("key", os.Getenv("RELEASE_KEY"), "file with minisign's private key, its password in RELEASE_PASSWORD; without one a key is made for this release alone")
	to := flag.String("to", "dist", "the folder that is filled")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := pack(ctx, *version, *key, *to); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func pack(ctx context.Context, version, key, to string) error {
	if version == "" || strings.ContainsAny(version, " /\\") {
		return errors.New("give -version, a name without spaces and slashes")
	}
	r := &release{ctx: ctx, version: version}
	root, err := r.out("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	r.root = strings.TrimSpace(root)
	if dirty, err := r.out(r.root, "git", "status", "--porcelain"); err != nil || dirty != "" {
		return errors.Join(err, fmt.Errorf("a release is of what is committed; not committed are:\n%s", dirty))
	}
	if r.to = to; !filepath.IsAbs(to) {
		r.to = filepath.Join(r.root, to)
	}
	if err := os.MkdirAll(r.to, 0o755); err != nil {
		return err
	}
	if entries, err := os.ReadDir(r.to); err != nil || len(entries) > 0 {
		return errors.Join(err, fmt.Errorf("%s is not empty: what is there would pass for a part of this release", r.to))
	}
	if err := r.takeKey(key); err != nil {
		return err
	}
	return r.make()
}

// takeKey reads the key that signs, or makes one.
func (r *release) takeKey(file string) (err error) {
	if file != "" {
		r.private, err = minisign.PrivateKeyFromFile(os.Getenv("RELEASE_PASSWORD"), file)
	} else {
		_, r.private, err = minisign.GenerateKey(rand.Reader)
		fmt.Println("no -key: a key is made, signs this release, and is forgotten")
	}
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	text, err := r.private.Public().(minisign.PublicKey).MarshalText()
	r.public = string(bytes.TrimSpace(text))
	return err
}

func (r *release) make() error {
	var clones [2]string
	for i := range clones {
		dir, err := os.MkdirTemp("", "catchment-release-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		clones[i] = filepath.Join(dir, strings.Repeat("further/", i), "catchment") // paths of different lengths
		fmt.Printf("clone %d: the web app … ", i+1)
		if _, err := r.out(r.root, "git", "clone", "-q", r.root, clones[i]); err != nil {
			return err
		}
		if _, err := r.out(clones[i], "make", "-s", "app"); err != nil {
			return err
		}
		fmt.Println("built")
	}
	var names []string
	for _, p := range platforms {
		system, processor, _ := strings.Cut(p, "/")
		name := fmt.Sprintf("catchment-%s-%s-%s", r.version, system, processor)
		var sums [2]string
		for i, clone := range clones {
			if err := r.build(clone, system, processor); err != nil {
				return err
			}
			text, err := os.ReadFile(filepath.Join(clone, "bin/catchment"))
			if err != nil {
				return err
			}
			sums[i] = sum(text)
			if i == 0 {
				if err := os.WriteFile(filepath.Join(r.to, name), text, 0o755); err != nil {
					return err
				}
			}
		}
		if sums[0] != sums[1] {
			return fmt.Errorf("%s is not reproducible: %s in one clone, %s in another", p, sums[0], sums[1])
		}
		fmt.Printf("%s: twice the same, sha256 %s\n", name, sums[0])
		names = append(names, name)
	}
	if err := r.partsList(clones[0]); err != nil {
		return err
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		text, err := os.ReadFile(filepath.Join(clones[0], name))
		if err == nil {
			err = os.WriteFile(filepath.Join(r.to, name), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return r.sign(append(names, "sbom.cdx.json", "LICENSE", "README.md", "CHANGELOG.md"))
}

// build is that of the Makefile, for another platform and with the key that the
// program can be checked with. What Git knows of the clone is in it.
func (r *release) build(clone, system, processor string) error {
	cmd := exec.CommandContext(r.ctx, "go", "build", "-trimpath", "-buildvcs=true",
		"-ldflags", "-s -w -X main.version="+r.version+" -X main.releaseKey="+keyLine(r.public), "-o", "bin/catchment", "./cmd/catchment")
	cmd.Dir = clone
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+processor, "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build for %s/%s: %w: %s", system, processor, err, out)
	}
	return nil
}

// keyLine is the key alone, without the comment line above it.
func keyLine(public string) string { return public[strings.LastIndexByte(public, '\n')+1:] }

// sign writes the sums of the files, the signature of that list, and the public
// key.
func (r *release) sign(names []string) error {
	slices.Sort(names)
	var list bytes.Buffer
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(r.to, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%s  %s\n", sum(text), name)
	}
	signature := minisign.SignWithComments(r.private, list.Bytes(), "catchment "+r.version, "signature of SHA256SUMS")
	files := map[string][]byte{"SHA256SUMS": list.Bytes(), "SHA256SUMS.minisig": signature, "catchment.pub": []byte(r.public + "\n")}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.to, name), text, 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%s is packed; check it with: %s/%s version --verify %s/SHA256SUMS --key %s/catchment.pub\n", r.version, r.to, names[slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, "linux-amd64") })], r.to, r.to)
	return nil
}

// out runs a command and gives what it printed.
func (r *release) out(dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(r.ctx, name, args...)
	cmd.Dir = dir
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, errOut.String())
	}
	return string(out), err
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}
