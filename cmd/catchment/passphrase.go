package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"catchment/internal/caller"
	"catchment/internal/edge"
	"catchment/internal/keyring"
	"catchment/internal/problem"

	"golang.org/x/term"
)

// leastPassphrase is how many bytes a passphrase has at least; four words of a
// list have more.
const leastPassphrase = 16

// secret reads a passphrase: at a terminal without showing it, else the next
// line of standard input. It is never an argument: others see those.
func (w *world) secret(prompt string) (string, error) {
	if f, ok := w.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(w.err, prompt+": ")
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(w.err)
		return string(text), err
	}
	if w.lines == nil {
		if w.in == nil {
			return "", errors.New("there is no terminal to ask at")
		}
		w.lines = bufio.NewReader(io.LimitReader(w.in, 8*maxPassphrase))
	}
	line, err := w.lines.ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.Join(fmt.Errorf("%s: give it at the terminal or as a line of standard input", prompt), eofIsNone(err))
	}
	return line, nil
}

func eofIsNone(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// askAtTerminal is the passphrase for verbs other than these, where a human
// sits there.
func askAtTerminal() (ask func() (string, error), ok bool) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, false
	}
	w := &world{in: os.Stdin, err: os.Stderr}
	return func() (string, error) { return w.secret("Passphrase of the keyring") }, true
}

type keysUnlockCmd struct {
	config `embed:""`
}

// Run gives the passphrase to the server at --inner.
func (c keysUnlockCmd) Run(w *world) error {
	phrase, err := w.secret("Passphrase of the keyring")
	if err != nil {
		return err
	}
	if err := c.act(w, "keys.unlock", "", nil); err != nil {
		return err
	}
	if err := c.unlock(w.ctx, phrase); err != nil {
		return err
	}
	fmt.Fprintln(w.out, "The server has its keys.")
	return nil
}

// errNoServer says that nobody answers at --inner.
var errNoServer = errors.New("no server answers at --inner")

// unlock sends the passphrase to the server of these settings.
func (c config) unlock(ctx context.Context, phrase string) error {
	client, base, err := c.innerClient()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // the ledger may be long
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+unlockPath, strings.NewReader(phrase))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", unlockType)
	resp, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("%w (%s): %w", errNoServer, c.Inner, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	p := problem.Problem{Title: resp.Status}
	_ = json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&p)
	if wait := resp.Header.Get("Retry-After"); wait != "" {
		p.Detail += " (again in " + wait + " s)"
	}
	return plainly(&p)
}

// innerClient speaks to the inner listener, which has TLS off loopback.
func (c config) innerClient() (client *http.Client, base string, err error) {
	if c.Inner == "" {
		return nil, "", usage("give --inner, the address of the server's health and metrics")
	}
	way := &http.Transport{Proxy: nil, DisableKeepAlives: true}
	client = &http.Client{Transport: way, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if caller.Here(hostOf(c.Inner)) || c.scheme() == "http" {
		return client, "http://" + c.Inner, nil
	}
	way.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS13}
	if c.TLS == "acme" {
		way.TLSClientConfig.ServerName = c.domains()[0]
		return client, "https://" + c.Inner, nil
	}
	certs, err := c.certificates(c.logger(&world{err: io.Discard}))
	if err != nil {
		return nil, "", err
	}
	way.TLSClientConfig = edge.Local(certs)
	return client, "https://" + c.Inner, nil
}

type keysPassphraseCmd struct {
	config      `embed:""`
	Remove      bool `help:"Take the passphrase off: an identity file opens the keyring again, and a start needs nobody."`
	WithoutDoor bool `name:"without-door" help:"Leave no keys of a door beside the keyring: a sealed server takes no leads then."`
}

// Run puts the keyring under a passphrase, another one, or an identity again.
func (c keysPassphraseCmd) Run(w *world) error {
	if c.kms() != "" {
		return usage("the keyring is opened by a key service: take it off first, by catchment keys lock --from %s", c.kms())
	}
	c.Ask = func() (string, error) { return w.secret("Present passphrase") }
	ring, err := c.openRing()
	if err != nil {
		return err
	}
	to := keyring.Options{Dir: c.Data, IdentityFile: c.Identity, Connect: c.connect, MustExist: true}
	phrase := ""
	if !c.Remove {
		if phrase, err = w.newPassphrase(); err != nil {
			return err
		}
		to.Passphrase = func() (string, error) { return phrase, nil }
	}
	if err := c.act(w, "keys.passphrase", "", map[string]any{"removed": c.Remove}); err != nil {
		return err
	}
	if err := resealBeside(ring, to, !c.Remove && !c.WithoutDoor); err != nil {
		return err
	}
	return c.resealed(w, phrase)
}

// newPassphrase asks for one, at a terminal twice.
func (w *world) newPassphrase() (string, error) {
	phrase, err := w.secret("New passphrase")
	if err != nil {
		return "", err
	}
	if len(phrase) < leastPassphrase || len(phrase) > maxPassphrase {
		return "", fmt.Errorf("a passphrase has %d bytes at least and %d at most: four or more words that nobody would guess", leastPassphrase, maxPassphrase)
	}
	if w.lines != nil {
		return phrase, nil
	}
	again, err := w.secret("The same again")
	if err == nil && again != phrase {
		err = errors.New("these are two passphrases; nothing was changed")
	}
	return phrase, err
}

// resealed tells the running server, and what else is to be done.
func (c keysPassphraseCmd) resealed(w *world, phrase string) error {
	if c.Remove {
		fmt.Fprintf(w.out, "%s is under an identity file again. Start without --passphrase-file.\n", keyring.KeyringFile)
		return nil
	}
	fmt.Fprintf(w.out, "%s is under the passphrase. A start is sealed until catchment keys unlock, unless --passphrase-file gives it. Without the passphrase or a recovery identity nothing opens ever again.\n", keyring.KeyringFile)
	fmt.Fprintf(w.out, "Older copies of %s still open as they did: destroy them.\n", keyring.KeyringFile)
	switch err := c.unlock(w.ctx, phrase); {
	case err == nil:
		fmt.Fprintln(w.out, "The running server knows it.")
	case errors.Is(err, errNoServer) || c.Inner == "":
		fmt.Fprintln(w.out, "A server that runs elsewhere on this keyring has to be told before the next change of keys: catchment keys unlock.")
	default:
		return fmt.Errorf("the keyring is changed, and the running server was not told; run catchment keys unlock: %w", err)
	}
	return nil
}
