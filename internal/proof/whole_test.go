package proof

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
)

// The proofs that are quick, as `catchment prove` runs them: the program is
// built and run as a process.
func TestProofsHold(t *testing.T) {
	program := build(t)
	for _, name := range []string{"first-lead", "kill", "sealed", "tenants", "tamper", "attack"} {
		t.Run(name, func(t *testing.T) { holds(t, program, name) })
	}
}

// Apart from the others, for whoever changes rights: what each role is let
// through to, and a short walk of whose texts are in the answers, in the same
// instance.
func TestRightsHold(t *testing.T) {
	o := Options{Binary: build(t), Out: t.Output(), Engines: []Engine{SQLite}}
	r := prove(t.Context(), proof{"rights", "rights and a few openings", func(ctx context.Context, t *trial) error {
		return t.on(ctx, func(ctx context.Context, e Engine) error {
			c, err := t.castOf(ctx, e, "")
			if err != nil {
				return err
			}
			if err := t.openings(ctx, c, "", 1, 2, false); err != nil {
				return err
			}
			return t.rights(ctx, c, "")
		})
	}}, o)
	if !r.OK || r.Skipped != "" || len(r.Checks) < 40 {
		_ = Report{Proofs: []Result{r}}.Table(t.Output())
		t.Error("does not hold")
	}
}

func build(t *testing.T) (program string) {
	if testing.Short() {
		t.Skip("builds and runs the program")
	}
	program = filepath.Join(t.TempDir(), "catchment")
	if out, err := exec.Command("go", "build", "-o", program, "catchment/cmd/catchment").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

func holds(t *testing.T, program, name string) {
	r, err := Prove(t.Context(), name, Options{Binary: program, Out: t.Output(), Engines: []Engine{SQLite}, Rounds: 3})
	if err != nil || !r.OK || len(r.Proofs) != 1 || r.Proofs[0].Skipped != "" || len(r.Proofs[0].Checks) < 4 {
		_ = r.Table(t.Output())
		t.Errorf("%s does not hold: %v", name, err)
	}
}

func TestNames(t *testing.T) {
	for _, n := range append(Names(), "all") {
		if !Known(n) {
			t.Errorf("%s is not known", n)
		}
	}
	if Known("bare-server") || Known("") {
		t.Error("what is no proof is known")
	}
}
