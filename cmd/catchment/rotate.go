package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/keyring"
	"catchment/internal/locksmith"
	"catchment/internal/operate"
	"catchment/internal/publish"
	"catchment/internal/store"
)

// smith makes the locksmith of this house. Whether drop boxes are empty can be
// told where the journal is.
func (h *house) smith() *locksmith.Locksmith {
	o := locksmith.Options{DB: h.db, Ring: h.ring, Changed: func(tx *store.Tx) error { return h.jobs.Add(tx, publish.Kind, publish.Snapshot, time.Now()) }}
	if h.journal != nil {
		o.BoxesClear = h.boxesClear
	}
	return locksmith.New(o)
}

// boxesClear reports whether everything in the journal came when all doors had
// sealed to the present drop box for an epoch: what was sealed to an older one
// was taken in and trimmed.
func (h *house) boxesClear(ctx context.Context, since time.Time) (bool, error) {
	s, err := h.journal.State(ctx)
	if err != nil {
		return false, err
	}
	known := since.Add(keyring.EpochAge + time.Minute) // clocks differ
	return time.Now().After(known) && (s.Since.IsZero() || s.Since.After(known)), nil
}

// turnKeys does each hour what is due: accounts get another generation of
// keys before the old one is overdue, and what nothing needs is destroyed.
func (h *house) turnKeys(ctx context.Context, scopes []account.Scope) error {
	l := h.smith()
	for _, s := range scopes {
		a, err := l.Status(ctx, s)
		if err != nil {
			return err
		}
		if newest := a.Generations[len(a.Generations)-1]; !newest.Due.IsZero() && time.Now().After(newest.Due) {
			if _, err := l.Rotate(ctx, s, turner); err != nil && !errors.Is(err, locksmith.ErrRaced) {
				return err
			}
		} else if len(a.Generations) == 1 {
			continue
		}
		if _, err := l.Rewrap(ctx, s, turner, nil); err != nil {
			return err
		}
		if _, err := l.Expire(ctx, s, turner, locksmith.Settled); err != nil && !errors.Is(err, locksmith.ErrRaced) {
			return err
		}
	}
	return nil
}

const turner = "system:locksmith"

// keepReading has the keyring see what a command changed in its file.
func (h *house) keepReading(run context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	signs := h.ring.SnapshotKeyID()
	for failed := false; ; {
		select {
		case <-run.Done():
			return
		case <-tick.C:
		}
		changed, err := h.ring.Reload()
		if changed {
			h.log.Info("the keyring was changed, and is read anew")
			if err := h.ring.RenewDoor(); err != nil {
				h.log.Warn("the keys of the door beside the keyring are older than it", "error", err)
			}
		}
		if now := h.ring.SnapshotKeyID(); now != signs && h.publisher != nil {
			if err := h.publisher.PublishAll(run); err != nil {
				h.log.Warn("the doors' snapshot could not be asked for under its new key; it is tried again", "error", err)
			} else {
				signs = now
			}
		}
		if err != nil && !failed {
			h.log.Error("the keyring was changed and does not open; the keys from before serve on", "error", err)
		}
		failed = err != nil
	}
}

// operatorKeys is what the operator's door shows of the platform's keys.
func (h *house) operatorKeys() operate.PlatformKeys {
	out, now := operate.PlatformKeys{Recipients: len(h.ring.Recovery())}, time.Now()
	for _, k := range h.held() {
		late, refused := k.Late(now)
		out.Keys = append(out.Keys, operate.Key{Kind: string(k.Kind), ID: k.ID, Born: k.Born, Due: k.Due, Ends: k.Ends, Uses: k.Uses, Late: late, Refused: refused})
	}
	return out
}

type keysStatusCmd struct {
	config  `embed:""`
	Account string `help:"One account's id; all when empty."`
}

// Run tells what keys there are, since when, until when, and what is under them.
func (c keysStatusCmd) Run(w *world) error {
	return c.each(w, c.Account, func(h *house) error {
		now := time.Now()
		fmt.Fprintf(w.out, "%-10s %-18s %-11s %-11s %s\n", "kind", "id", "made", "due", "")
		for _, k := range h.held() {
			fmt.Fprintf(w.out, "%-10s %-18s %-11s %-11s %s\n", k.Kind, k.ID, dated(k.Born), dated(k.Due), heldState(k, now))
		}
		if len(h.ring.Recovery()) == 0 {
			fmt.Fprintln(w.out, "\nNO RECOVERY: when identity, passphrase or key service are lost, every lead is. Name an age recipient: catchment keys recovery age1…")
		}
		return nil
	}, func(h *house, s account.Scope) error {
		a, err := h.smith().Status(w.ctx, s)
		if err != nil {
			return err
		}
		fmt.Fprintf(w.out, "\n%s  made %s, wrapped by %s\n", a.ID, dated(a.Born), keyring.RootKey(a.Root))
		fmt.Fprintf(w.out, "  index         made %s  due %s\n", dated(a.Born), dated(indexDue(a)))
		for _, g := range a.Generations {
			fmt.Fprintf(w.out, "  generation %d  made %s  due %s  %s\n", g.Number, dated(g.Born), dated(g.Due), generationState(g))
		}
		return nil
	})
}

// indexDue is when an account's index keys are warned of; zero when their age is
// not known.
func indexDue(a locksmith.Account) time.Time {
	if a.Born.IsZero() {
		return a.Born
	}
	return a.Born.Add(keyring.LifeOf(keyring.IndexKind).Due)
}

func dated(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}

func heldState(k keyring.Held, now time.Time) string {
	due, refused := k.Late(now)
	switch {
	case k.Service != "":
		return "at " + k.Service + inUse(k)
	case refused:
		return "ENDED: " + ended(k.Kind) + "; " + instead(k.Kind)
	case undated(k):
		return "in the environment, without a date"
	case due:
		return "overdue: " + instead(k.Kind)
	case k.Until.After(now):
		return "begins on " + k.Until.Format(time.RFC3339)
	case !k.Uses:
		return "opens what it sealed; seals nothing new"
	case !k.Kind.Rotates():
		return "in use; what it hashed is in the tables"
	}
	return "in use"
}

func inUse(k keyring.Held) string {
	if k.Uses {
		return ", in use"
	}
	return "; opens what it wrapped"
}

func generationState(g locksmith.Generation) string {
	text := fmt.Sprintf("%d keys", g.Keys)
	if !g.Wraps {
		text = "wrapping key destroyed"
	}
	if !g.Opens {
		text += ", drop box destroyed"
	}
	return text
}

// each opens the keys and the database, and calls f for the accounts.
func (c config) each(w *world, only string, first func(*house) error, f func(*house, account.Scope) error) error {
	h, err := offline(w.ctx, w, c)
	if err != nil {
		return err
	}
	defer h.closeOffline()
	if first != nil {
		if err := first(h); err != nil {
			return err
		}
	}
	if only != "" {
		id, err := account.ParseID(only)
		if err != nil {
			return usage("--account: %v", err)
		}
		return f(h, admit.To(id))
	}
	return h.eachAccount(w.ctx, func(id account.ID) error { return f(h, admit.To(id)) })
}

type keysRotateCmd struct {
	config  `embed:""`
	What    string        `arg:"" help:"${enum}: root wraps accounts' keys; account is a new generation of their keys with its drop box; receipt signs receipts; record signs accounts' records; snapshot signs and seals what doors know; tokens makes codes of sign-in." enum:"root,account,receipt,record,snapshot,tokens"`
	Account string        `help:"One account's id; all when empty."`
	To      string        `help:"Of the root: the URI of a key service (see --kms-uri) that wraps accounts' keys from now on; the keyring itself is sealed by it with catchment keys lock." placeholder:"URI"`
	From    time.Duration `help:"How long a key of receipt, record, snapshot or tokens is known before it is used: as long as those who check receipts keep the list." default:"10m"`
}

// Run makes new keys. What they replace goes on opening; rewrap and expire end it.
func (c keysRotateCmd) Run(w *world) error {
	if c.From < 0 {
		return usage("--from %s: want a time from now", c.From)
	}
	if c.To != "" && c.What != "root" {
		return usage("--to is for the root")
	}
	if err := c.act(w, "keys.rotate", c.Account, map[string]any{"what": c.What, "to": c.To}); err != nil {
		return err
	}
	if c.What == "account" {
		return c.each(w, c.Account, nil, func(h *house, s account.Scope) error {
			g, err := h.smith().Rotate(w.ctx, s, commandLine)
			if err != nil {
				return err
			}
			fmt.Fprintf(w.out, "%s  generation %d seals from now on; catchment keys rewrap moves the rest\n", s.Account(), g)
			return nil
		})
	}
	ring, err := c.openRing()
	if err != nil {
		return err
	}
	if c.What != "root" {
		if err := c.rotateInTurn(w, ring, time.Now().Add(c.From)); err != nil {
			return err
		}
		return c.copies(w)
	}
	id, err := c.rotateRoot(w, ring)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s wraps from now on; catchment keys rewrap moves the accounts' keysets\n", keyring.RootKey(id))
	return c.copies(w)
}

// rotateInTurn makes a key that takes over at a time.
func (c keysRotateCmd) rotateInTurn(w *world, ring *keyring.Keyring, from time.Time) (err error) {
	var id, then string
	switch c.What {
	case "receipt":
		id, err = ring.RotateReceipt(from)
		then = "signs from %s; it is published now, and the older ones stay published"
	case "record":
		id, err = ring.RotateRecord(from)
		then = "signs from %s; it is published now, and the older ones stay published"
	case "snapshot":
		id, err = ring.RotateSnapshot(from)
		then = "signs and seals from %s, and the servers publish everything anew then; catchment keys expire ends the older ones"
	case "tokens":
		err = ring.RotateTokens(from)
		then = "makes the codes of what begins from %s; what began before goes on"
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s key %s "+then+"\n", c.What, id, from.Format(time.RFC3339))
	return nil
}

func (c keysRotateCmd) rotateRoot(w *world, ring *keyring.Keyring) (uint32, error) {
	if c.To == "" {
		return ring.RotateRoot()
	}
	return ring.RotateRootTo(w.ctx, c.To)
}

// copies says what other machines need.
func (c config) copies(w *world) error {
	if c.NATSURL != "" || c.DatabaseURL != "" {
		fmt.Fprintf(w.out, "Other machines: copy %s to each before anything else is done with keys, and write door.age anew for doors apart (catchment keys door).\n", keyring.KeyringFile)
	}
	return nil
}

// openRing opens the keyring that is there, for a command that needs no SQL.
func (c config) openRing() (*keyring.Keyring, error) {
	o := c.keyringOptions()
	o.MustExist = true
	return keyring.Open(o)
}

type keysRewrapCmd struct {
	config  `embed:""`
	Account string `help:"One account's id; all when empty."`
}

// Run wraps keysets by the present root and persons' keys by the newest
// generation, beside a working server. Stopped, it goes on where it was.
func (c keysRewrapCmd) Run(w *world) error {
	if err := c.act(w, "keys.rewrap", c.Account, nil); err != nil {
		return err
	}
	began, total := time.Now(), locksmith.Progress{}
	err := c.each(w, c.Account, nil, func(h *house, s account.Scope) error {
		changed, n, err := h.smith().RewrapRoot(w.ctx, s, commandLine)
		if err != nil {
			return err
		}
		if changed {
			total.Keys, total.Bytes = total.Keys+1, total.Bytes+int64(n)
		}
		said := time.Now()
		p, err := h.smith().Rewrap(w.ctx, s, commandLine, func(p locksmith.Progress) {
			if time.Since(said) > time.Second {
				said = time.Now()
				fmt.Fprintf(w.err, "%s  %s: %d keys\n", s.Account(), p.Table, p.Keys)
			}
		})
		total.Keys, total.Bytes, total.Bad = total.Keys+p.Keys, total.Bytes+p.Bytes, total.Bad+p.Bad
		if p.Bad > 0 {
			fmt.Fprintf(w.err, "%s: %d keys do not open and stay as they are; their generation is kept\n", s.Account(), p.Bad)
		}
		return err
	})
	if err == nil && c.Account == "" {
		var n int
		n, err = c.rewrapLog(w)
		total.Keys += int64(n)
	}
	fmt.Fprintf(w.out, "%d keys wrapped anew, %d bytes, in %s\n", total.Keys, total.Bytes, time.Since(began).Round(time.Millisecond))
	return err
}

type keysExpireCmd struct {
	config  `embed:""`
	Account string        `help:"One account's id; all when empty."`
	Settled time.Duration `help:"How long after a rotation processes may still use the older keys; a minute at least." default:"1h"`
	Lose    bool          `help:"Destroy old root keys although backups, or what is kept of the log, are sealed under them: those never open again."`
}

// Run destroys old keys under which nothing is left.
func (c keysExpireCmd) Run(w *world) error {
	if err := c.act(w, "keys.expire", c.Account, nil); err != nil {
		return err
	}
	used := map[uint32]bool{}
	var ring *keyring.Keyring
	err := c.each(w, c.Account, nil, func(h *house, s account.Scope) error {
		ring = h.ring
		out, err := h.smith().Expire(w.ctx, s, commandLine, c.Settled)
		if err != nil {
			return err
		}
		for _, g := range out.Wraps {
			fmt.Fprintf(w.out, "%s  generation %d: its wrapping key is destroyed\n", s.Account(), g)
		}
		for _, g := range out.Boxes {
			fmt.Fprintf(w.out, "%s  generation %d: its drop box is destroyed\n", s.Account(), g)
		}
		for _, why := range out.Kept {
			fmt.Fprintf(w.out, "%s  kept: %s\n", s.Account(), why)
		}
		a, err := h.smith().Status(w.ctx, s)
		used[a.Root] = true
		return err
	})
	if err != nil || c.Account != "" || ring == nil {
		return err
	}
	ended, err := ring.EndSnapshots(max(c.Settled, locksmith.LeastSettled))
	if err != nil {
		return err
	}
	if ended {
		fmt.Fprintln(w.out, "snapshot: the older keys sign nothing any more, and doors refuse what they signed")
	}
	return c.dropRoots(w, ring, used)
}

type keysRecoveryCmd struct {
	config     `embed:""`
	Recipients []string `arg:"" help:"age recipients (age1…) who can open the keyring when all else is lost."`
}

// Run writes recovery.age beside the keyring, now and at each change.
func (c keysRecoveryCmd) Run(w *world) error {
	if err := c.act(w, "keys.recovery", "", map[string]any{"recipients": c.Recipients}); err != nil {
		return err
	}
	ring, err := c.openRing()
	if err != nil {
		return err
	}
	if err := ring.SetRecovery(c.Recipients...); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s is written for %d recipients, now and whenever the keyring changes. Keep their identities away from this machine.\n", keyring.RecoveryFile, len(c.Recipients))
	return nil
}

type keysRecoverCmd struct {
	config   `embed:""`
	Recovery string `help:"The age identity file of a recovery recipient." required:"" type:"existingfile" placeholder:"FILE"`
}

// Run makes the keyring anew from recovery.age, under the lock that the
// settings name now.
func (c keysRecoverCmd) Run(w *world) error {
	if err := c.act(w, "keys.recover", "", nil); err != nil {
		return err
	}
	f, err := os.Open(c.Recovery)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := keyring.Recover(c.keyringOptions(), f); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "%s is written anew. Start the server; then rotate the root (catchment keys rotate root, rewrap, expire), because somebody may have the lost one.\n", keyring.KeyringFile)
	return nil
}
