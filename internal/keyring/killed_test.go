package keyring

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
)

// Whoever rotates writes a file for the recovery and one for the keyring, each
// beside the old one and then over it. Killed after any of these steps, the
// keyring opens with all that it had, the next rotation is made, and the
// recovery never knows less than the keyring.
func TestARotationThatIsKilledAnywhere(t *testing.T) {
	rescue, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	rotate := map[string]func(*Keyring, time.Time) error{
		"record":   func(k *Keyring, at time.Time) error { _, err := k.RotateRecord(at); return err },
		"snapshot": func(k *Keyring, at time.Time) error { _, err := k.RotateSnapshot(at); return err },
		"tokens":   (*Keyring).RotateTokens,
	}
	// What lies on disk after each step, of the files before and after.
	type files struct{ ring, recovery []byte }
	steps := map[string]func(dir string, before, after files) error{
		"a part of the recovery is written": func(dir string, _, after files) error {
			return os.WriteFile(filepath.Join(dir, RecoveryFile+".1.tmp"), after.recovery[:len(after.recovery)/2], 0o600)
		},
		"the recovery is written": func(dir string, _, after files) error {
			return os.WriteFile(filepath.Join(dir, RecoveryFile), after.recovery, 0o600)
		},
		"a part of the keyring is written": func(dir string, _, after files) error {
			if err := os.WriteFile(filepath.Join(dir, RecoveryFile), after.recovery, 0o600); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, KeyringFile+".1.tmp"), after.ring[:len(after.ring)/2], 0o600)
		},
	}
	for what, turn := range rotate {
		for step, killed := range steps {
			t.Run(what+"/"+step, func(t *testing.T) {
				k := testKeyring(t)
				if err := k.SetRecovery(rescue.Recipient().String()); err != nil {
					t.Fatal(err)
				}
				o := *k.from.Load()
				read := func() (f files) {
					var err, also error
					f.ring, err = os.ReadFile(filepath.Join(o.Dir, KeyringFile))
					f.recovery, also = os.ReadFile(filepath.Join(o.Dir, RecoveryFile))
					if err != nil || also != nil {
						t.Fatal(err, also)
					}
					return f
				}
				begun := time.Now()
				code, record, sealed := k.FlowMAC(begun, "code", "x"), k.RecordKey(), k.SealSnapshot("account/a", []byte("keys"))
				before := read()
				if err := turn(k, begun.Add(time.Second)); err != nil {
					t.Fatal(err)
				}
				after := read()
				// as if it had been killed
				if err := os.WriteFile(filepath.Join(o.Dir, KeyringFile), before.ring, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(o.Dir, RecoveryFile), before.recovery, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := killed(o.Dir, before, after); err != nil {
					t.Fatal(err)
				}
				whole := func(k *Keyring) {
					t.Helper()
					if k.FlowMAC(begun, "code", "x") != code {
						t.Error("a code that was sent does not hold")
					}
					if !slices.ContainsFunc(k.RecordPublicKeys(), func(p PublicKey) bool {
						return p.KeyID == record.KeyID && ed25519.Verify(p.Key, []byte("m"), record.Sign([]byte("m")))
					}) {
						t.Error("the record's key is gone")
					}
					if plain, err := k.OpenSnapshot("account/a", sealed); err != nil || !bytes.Equal(plain, []byte("keys")) {
						t.Errorf("what doors have does not open: %v", err)
					}
				}
				again, err := Open(o)
				if err != nil {
					t.Fatal(err)
				}
				whole(again)
				if err := turn(again, time.Now().Add(2*time.Second)); err != nil {
					t.Errorf("the next rotation: %v", err)
				}
				whole(again)
				dir := t.TempDir()
				recovery, err := os.ReadFile(filepath.Join(o.Dir, RecoveryFile))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, RecoveryFile), recovery, 0o600)
				}
				if err == nil {
					err = Recover(Options{Dir: dir}, bytes.NewReader([]byte(rescue.String()+"\n")))
				}
				if err != nil {
					t.Fatal(err)
				}
				back, err := Open(Options{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				whole(back)
				if n, m := len(back.Held()), len(again.Held()); n != m {
					t.Errorf("the recovery has %d keys of %d", n, m)
				}
			})
		}
	}
}
