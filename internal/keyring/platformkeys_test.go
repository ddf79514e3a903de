package keyring

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// aged takes the keyring back to what programs wrote before record, limits and
// codes had keys of their own.
func aged(t *testing.T, k *Keyring) {
	t.Helper()
	err := k.change(func(p *platformKeys) error {
		p.Record, p.Flows = nil, nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// passed moves the times at which keys begin into the past.
func passed(t *testing.T, k *Keyring, by time.Duration) {
	t.Helper()
	err := k.change(func(p *platformKeys) error {
		for _, list := range [][]receiptKey{p.Receipt, p.Record} {
			for i := range list {
				list[i].NotBefore = list[i].NotBefore.Add(-by)
			}
		}
		for i := range p.LaterSnapshots {
			p.LaterSnapshots[i].NotBefore = p.LaterSnapshots[i].NotBefore.Add(-by)
		}
		for i := range p.Flows {
			p.Flows[i].NotBefore = p.Flows[i].NotBefore.Add(-by)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Another snapshot key takes over at its time, in a keyring of today and in one
// from before the record had a key of its own: what was made of the first one
// stays, what it sealed opens, and a thief of the older keyring signs nothing
// for doors once it has ended.
func TestSnapshotKeysTakeTurns(t *testing.T) {
	for _, old := range []bool{false, true} {
		k := testKeyring(t)
		if old {
			aged(t, k)
		}
		thief, err := Open(*k.from.Load())
		if err != nil {
			t.Fatal(err)
		}
		door := k.Door()
		entry, ledger := k.SealSnapshot("account/1", []byte("x")), k.SealSnapshot("ledger", []byte("y"))
		record, limits, first := k.RecordKey().Public(), door.LimitsSecret(), k.SnapshotKeyID()
		if _, err := k.RotateSnapshot(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := k.RotateSnapshot(time.Now().Add(2 * time.Hour)); !errors.Is(err, ErrWaits) {
			t.Errorf("two wait at once: %v", err)
		}
		if k.SnapshotKeyID() != first {
			t.Error("it signs before its time")
		}
		if ended, err := k.EndSnapshots(0); ended || err != nil {
			t.Errorf("the one that signs was ended: %v", err)
		}
		passed(t, k, 90*time.Minute)
		if k.SnapshotKeyID() == first {
			t.Fatal("its time came, and it does not sign")
		}
		after := k.SealSnapshot("account/1", []byte("z"))
		if _, err := thief.OpenSnapshot("account/1", after); !errors.Is(err, ErrDamaged) {
			t.Errorf("control: the older keyring opens what came after: %v", err)
		}
		for name, sealed := range map[string][]byte{"account/1": after, "ledger": ledger} {
			if _, err := door.OpenSnapshot(name, sealed); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if plain, err := door.OpenSnapshot("account/1", entry); err != nil || string(plain) != "x" {
			t.Errorf("an entry from before, until the keys end: %q, %v", plain, err)
		}
		if ended, _ := k.EndSnapshots(time.Hour); ended {
			t.Error("they ended too soon")
		}
		if ended, err := k.EndSnapshots(time.Minute); !ended || err != nil {
			t.Fatalf("they did not end: %v", err)
		}
		again, err := Open(*k.from.Load())
		if err != nil {
			t.Fatal(err)
		}
		for _, forged := range [][]byte{entry, thief.SealSnapshot("account/1", []byte("forged"))} {
			if _, err := again.OpenSnapshot("account/1", forged); !errors.Is(err, ErrDamaged) {
				t.Errorf("an ended key's entry: %v", err)
			}
		}
		if plain, err := again.OpenSnapshot("ledger", ledger); err != nil || string(plain) != "y" {
			t.Errorf("the ledger from before: %q, %v", plain, err)
		}
		if plain, err := again.OpenSnapshot("account/1", after); err != nil || string(plain) != "z" {
			t.Errorf("the present key's entry: %q, %v", plain, err)
		}
		if len(again.keys().SnapshotSeed) != 0 {
			t.Error("the older private half is still there")
		}
		if !bytes.Equal(again.RecordKey().Public(), record) || !bytes.Equal(again.Door().LimitsSecret(), limits) {
			t.Error("what was made of the first key is another one")
		}
		if _, err := again.RotateSnapshot(time.Now()); err != nil {
			t.Errorf("a third: %v", err)
		}
	}
}

// The record's keys take turns: the older one stays published, and the newest
// signs when its time has come.
func TestRecordKeysTakeTurns(t *testing.T) {
	k := testKeyring(t)
	aged(t, k)
	first := k.RecordKey()
	id, err := k.RotateRecord(time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if all := k.RecordPublicKeys(); len(all) != 2 || all[1].KeyID != id || all[0].KeyID != first.KeyID || k.RecordKey().KeyID != first.KeyID {
		t.Fatalf("before its time: %v", all)
	}
	passed(t, k, 2*time.Hour)
	s := k.RecordKey()
	if s.KeyID != id || !ed25519.Verify(k.RecordPublicKeys()[1].Key, []byte("m"), s.Sign([]byte("m"))) || !bytes.Equal(s.Public(), k.RecordPublicKeys()[1].Key) {
		t.Error("its time came, and it does not sign")
	}
}

// A code is checked by the key of when it was made, whatever has come since.
func TestCodesHaveTheKeyOfTheirTime(t *testing.T) {
	k := testKeyring(t)
	begun := time.Now()
	before := k.FlowMAC(begun, "code", "x")
	if before == k.FlowMAC(begun, "nonce", "x") || before == k.TokenMAC("code", "x") {
		t.Error("kinds are not apart")
	}
	if err := k.RotateTokens(begun.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := k.RotateTokens(begun.Add(time.Minute)); !errors.Is(err, ErrWaits) {
		t.Errorf("two wait: %v", err)
	}
	if k.FlowMAC(begun, "code", "x") != before {
		t.Error("a code that was sent does not hold")
	}
	if k.FlowMAC(begun.Add(time.Hour+time.Second), "code", "x") == before {
		t.Error("what begins later has the old key")
	}
	lasting := k.TokenMAC("totp", "x")
	passed(t, k, flowsLast+2*time.Hour)
	if err := k.RotateTokens(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := len(k.keys().Flows); n != 2 {
		t.Errorf("%d keys of codes are kept", n)
	}
	if k.TokenMAC("totp", "x") != lasting {
		t.Error("what stays in people's apps has changed")
	}
	aged(t, k)
	if k.FlowMAC(begun, "code", "x") != k.TokenMAC("code", "x") {
		t.Error("a keyring from before has no key of codes")
	}
}

// Each key that Held names has a date after which it is warned of.
func TestEveryKeyHasADate(t *testing.T) {
	k := testKeyring(t)
	seen := map[Kind]bool{}
	for _, h := range k.Held() {
		seen[h.Kind] = true
		if h.Born.IsZero() || h.Due.IsZero() || !h.Uses {
			t.Errorf("%s %s: made %s, due %s", h.Kind, h.ID, h.Born, h.Due)
		}
		if due, _ := h.Late(h.Due.Add(time.Second)); !due {
			t.Errorf("%s is not warned of", h.Kind)
		}
	}
	if len(seen) != 7 {
		t.Errorf("kinds: %v", seen)
	}
}

// docs/keys.md says of each kind what the program does.
func TestThePageOfKeysIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/keys.md")
	if err != nil {
		t.Fatal(err)
	}
	days := func(cell string) (d time.Duration) {
		var n int
		if _, err := fmt.Sscanf(strings.TrimSpace(cell), "%d days", &n); err == nil {
			d = time.Duration(n) * day
		}
		return d
	}
	rows := map[Kind][]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) == 8 && strings.HasPrefix(cells[1], " `") {
			rows[Kind(strings.Trim(cells[1], " `"))] = cells
		}
	}
	for _, k := range Kinds() {
		row, life := rows[k], LifeOf(k)
		if row == nil || life.Due == 0 || days(row[3]) != life.Due || days(row[4]) != life.End || strings.Contains(row[5], "keys rotate "+string(k)) != k.Rotates() {
			t.Errorf("%s: the program says %v, the page %q", k, life, row)
		}
	}
	if len(rows) != len(Kinds()) {
		t.Errorf("the page has %d kinds, the program %d", len(rows), len(Kinds()))
	}
}

// What does not fit together is not taken from a file.
func TestPlatformKeysThatDoNotFit(t *testing.T) {
	good, err := newPlatform()
	if err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func(*platformKeys){
		"nothing":                func(*platformKeys) {},
		"a seed too many":        func(p *platformKeys) { p.LaterSeeds = [][]byte{newKey()} },
		"no seed of the newest":  func(p *platformKeys) { p.SnapshotSeed = nil },
		"a short key of codes":   func(p *platformKeys) { p.Flows[0].Key = p.Flows[0].Key[:31] },
		"a short key of records": func(p *platformKeys) { p.Record[0].Seed = p.Record[0].Seed[:31] },
		"doors from beyond":      func(p *platformKeys) { p.DoorsFrom = 1 },
		"another pair": func(p *platformKeys) {
			p.LaterSnapshots, p.LaterSeeds = []snapshotKey{{Seal: newKey(), Public: publicOf(newKey())}}, [][]byte{newKey()}
		},
		"no key of the record": func(p *platformKeys) {
			seed := newKey()
			p.LaterSnapshots, p.LaterSeeds = []snapshotKey{{Seal: newKey(), Public: publicOf(seed)}}, [][]byte{seed}
			p.SnapshotSeed, p.Record = nil, nil
		},
	} {
		var p platformKeys
		if err := json.Unmarshal(good, &p); err != nil {
			t.Fatal(err)
		}
		spoil(&p)
		b, err := json.Marshal(&p)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := parsePlatform(b); (err == nil) != (what == "nothing") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
