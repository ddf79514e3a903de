package proof

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"catchment/docs"

	"github.com/google/uuid"
)

// proveTamper changes a record by SQL in many ways, and has each judged by both
// verifiers. The untouched record is the control, and so is a verifier that
// looks at the chains alone, which must miss some.
func proveTamper(ctx context.Context, t *trial) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return errSkipped{"Node is not installed: the second verifier cannot be tried"}
	}
	return t.on(ctx, func(ctx context.Context, e Engine) error { return t.tamperWith(ctx, e, node) })
}

// tampering is one way. $1 is the account, $2 another one.
type tampering struct {
	name string
	sql  []string
}

const (
	ofPlace = `account_id = $1 AND event_id = (SELECT l.event_id FROM audit_leaf l WHERE l.account_id = $1 AND l.position = `
	anew    = `INSERT INTO audit_waiting (account_id, writer_id, n, count) SELECT account_id, writer_id, n, 1 FROM audit_event WHERE account_id = $1`
)

// forget has the program build and sign the tree anew.
var forget = []string{`DELETE FROM audit_leaf WHERE account_id = $1`, `DELETE FROM audit_head WHERE account_id = $1`, `DELETE FROM audit_checkpoint WHERE account_id = $1`, anew}

func tamperings(kept int) []tampering {
	return []tampering{
		{"who did it", []string{`UPDATE audit_event SET actor = 'user_somebody' WHERE ` + ofPlace + `5)`}},
		{"when", []string{`UPDATE audit_event SET at = at - 86400000000 WHERE ` + ofPlace + `6)`}},
		{"why", []string{`UPDATE audit_event SET purpose = 'contact' WHERE ` + ofPlace + `7)`}},
		{"what was done to what", []string{`UPDATE audit_event SET detail = '{}', about = '' WHERE ` + ofPlace + `8)`}},
		{"an entry deleted", []string{`DELETE FROM audit_event WHERE ` + ofPlace + `5)`}},
		{"an entry and its place deleted", []string{`DELETE FROM audit_event WHERE ` + ofPlace + `5)`, `DELETE FROM audit_leaf WHERE account_id = $1 AND position = 5`}},
		{"two places swapped", []string{`UPDATE audit_leaf SET position = -1 WHERE account_id = $1 AND position = 5`,
			`UPDATE audit_leaf SET position = 5 WHERE account_id = $1 AND position = 6`, `UPDATE audit_leaf SET position = 6 WHERE account_id = $1 AND position = -1`}},
		{"an entry added in the past", []string{`INSERT INTO audit_event (account_id, event_id, at, actor, action, purpose, about, detail, writer_id, n, prev, salt)
			SELECT account_id, account_id, at, 'user_somebody', action, purpose, about, detail, writer_id, n + 100000, prev, salt FROM audit_event WHERE ` + ofPlace + `5)`}},
		{"an entry given to another account", []string{`UPDATE audit_event SET account_id = $2 WHERE ` + ofPlace + `5)`}},
		{"cut back to an older checkpoint", []string{
			`DELETE FROM audit_event WHERE account_id = $1 AND event_id IN (SELECT l.event_id FROM audit_leaf l WHERE l.account_id = $1 AND l.position >= ` + fmt.Sprint(kept) + `)`,
			`DELETE FROM audit_leaf WHERE account_id = $1 AND position >= ` + fmt.Sprint(kept), `DELETE FROM audit_checkpoint WHERE account_id = $1 AND size > ` + fmt.Sprint(kept),
			`UPDATE audit_head SET size = ` + fmt.Sprint(kept) + `, peaks = (SELECT c.peaks FROM audit_checkpoint c WHERE c.account_id = $1 AND c.size = ` + fmt.Sprint(kept) + `) WHERE account_id = $1`}},
		{"a checkpoint's time", []string{`UPDATE audit_checkpoint SET note = replace(note, 'time 20', 'time 19') WHERE account_id = $1`}},
		{"an entry changed, all hashes and signatures made anew", append([]string{`UPDATE audit_event SET actor = 'user_somebody' WHERE ` + ofPlace + `5)`}, forget...)},
		{"the last entry of each chain deleted, all signed anew", append([]string{
			`DELETE FROM audit_event WHERE account_id = $1 AND n = (SELECT max(o.n) FROM audit_event o WHERE o.account_id = $1 AND o.writer_id = audit_event.writer_id)`}, forget...)},
	}
}

// recordTables are put back after each.
var recordTables = []string{"audit_event", "audit_leaf", "audit_head", "audit_checkpoint", "audit_waiting"}

func (t *trial) tamperWith(ctx context.Context, e Engine, node string) error {
	label := string(e) + ": "
	i, err := t.fresh(ctx, e)
	if err != nil {
		return err
	}
	v := &verifiers{t: t, i: i, node: node, keys: filepath.Join(t.dir, label[:1]+"-keys.json"), script: filepath.Join(t.dir, "audit-verify.mjs"), account: i.world.Accounts[0].ID}
	kept, err := v.prepare(ctx)
	if err != nil {
		return err
	}
	db, err := i.writable()
	if err != nil {
		return err
	}
	defer db.Close()
	mine, err := v.argument(ctx, db, i.world.Accounts[0].Name)
	if err != nil {
		return err
	}
	other, err := v.argument(ctx, db, i.world.Accounts[1].Name)
	if err != nil {
		return err
	}
	if err := inOne(ctx, db, func(tx *sql.Tx) error {
		return inTurn(recordTables, func(n string) error { return execute(ctx, tx, "CREATE TABLE kept_"+n+" AS SELECT * FROM "+n) })
	}); err != nil {
		return err
	}
	first, second, _, err := v.judge(ctx)
	if err != nil {
		return err
	}
	t.check(label+"control: the untouched record verifies, by both verifiers", first == "" && second == "", "%q, %q", first, second)
	missed, all := 0, tamperings(kept)
	for _, w := range all {
		err := inOne(ctx, db, func(tx *sql.Tx) error {
			return inTurn(w.sql, func(s string) error { return execute(ctx, tx, s, given(s, mine, other)...) })
		})
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		first, second, chains, err := v.judge(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		t.check(label+w.name+": found by both", first != "" && second != "", "%s", first)
		if !chains {
			missed++
		}
		if err := inOne(ctx, db, func(tx *sql.Tx) error {
			return inTurn(recordTables, func(n string) error {
				return errors.Join(execute(ctx, tx, "DELETE FROM "+n), execute(ctx, tx, "INSERT INTO "+n+" SELECT * FROM kept_"+n))
			})
		}); err != nil {
			return err
		}
	}
	first, second, _, err = v.judge(ctx)
	if err != nil {
		return err
	}
	t.check(label+"control: put back, it verifies again", first == "" && second == "", "%q, %q", first, second)
	t.check(label+"control: a verifier of the chains alone misses some", missed > 0 && missed < len(all), "%d of %d", missed, len(all))
	t.figure(label+"ways tried", float64(len(all)), "")
	return nil
}

func inTurn(list []string, f func(string) error) error {
	for _, s := range list {
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

func execute(ctx context.Context, tx *sql.Tx, text string, args ...any) error {
	if _, err := tx.ExecContext(ctx, text, args...); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

// given are the arguments that a text asks for.
func given(text string, mine, other any) []any {
	if bytes.Contains([]byte(text), []byte("$2")) {
		return []any{mine, other}
	}
	return []any{mine}
}

func inOne(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// verifiers judge one account's record of a stopped instance.
type verifiers struct {
	t                   *trial
	i                   *instance
	node, script        string
	keys, note, account string
	count               int
}

// argument is an account's id as the engine takes it.
func (v *verifiers) argument(ctx context.Context, db *sql.DB, name string) (any, error) {
	if v.i.engine == SQLite {
		var id []byte
		err := db.QueryRowContext(ctx, `SELECT account_id FROM account WHERE name = $1`, name).Scan(&id)
		return id, err
	}
	var id uuid.UUID
	err := db.QueryRowContext(ctx, `SELECT account_id FROM account WHERE name = $1`, name).Scan(&id)
	return id.String(), err
}

// prepare has things done, keeps a checkpoint of before and one of after, and
// stops the instance. It returns the size of the older one.
func (v *verifiers) prepare(ctx context.Context) (kept int, err error) {
	if err := os.WriteFile(v.script, docs.AuditVerify, 0o600); err != nil {
		return 0, err
	}
	r, err := v.i.api("").do(ctx, "GET", "/.well-known/catchment-record-keys.json", nil, nil)
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(v.keys, r.body, 0o600); err != nil {
		return 0, err
	}
	admin := v.i.api(v.i.world.Accounts[0].SecretKey)
	for half := range 2 {
		for n := range 12 {
			if err := admin.post(ctx, "/v1/projects", map[string]any{"name": fmt.Sprintf("Tower %d.%d", half, n)}, nil); err != nil {
				return 0, err
			}
		}
		var state struct {
			Waiting, Signed, Entries int
			Checkpoint               string
		}
		err := v.i.wait(ctx, 30*time.Second, "a checkpoint", func() bool {
			return admin.get(ctx, "/v1/record/state", &state) == nil && state.Waiting == 0 && state.Signed > 0 && state.Signed == state.Entries && state.Signed >= kept+12
		})
		if err != nil {
			return 0, err
		}
		if half == 0 {
			kept = state.Signed
		}
		v.note = filepath.Join(v.t.dir, string(v.i.engine)+"-kept.txt")
		if err := os.WriteFile(v.note, []byte(state.Checkpoint), 0o600); err != nil {
			return 0, err
		}
	}
	return kept, v.i.stop()
}

// judge exports the record and gives the first fault that each verifier
// finds, and whether one of the chains alone finds any.
func (v *verifiers) judge(ctx context.Context) (first, second string, chains bool, err error) {
	v.count++
	file := filepath.Join(v.t.dir, fmt.Sprintf("%s-record-%d.jsonl", v.i.engine, v.count))
	args := []string{"audit", "export", "--data", v.i.dir, "--account", v.account, "--out", file}
	if v.i.cluster != nil {
		args = append(args, "--database-url", v.i.cluster.URL("catchment"))
	}
	if out, err := v.t.command(ctx, nil, args...); err != nil {
		return "", "", false, fmt.Errorf("export: %w: %s", err, out)
	}
	if out, err := v.t.command(ctx, nil, "audit", "verify", file, "--keys", v.keys, "--checkpoint", v.note); err != nil {
		first = opening(out)
	}
	if out, err := exec.CommandContext(ctx, v.node, v.script, file, v.keys, v.note).CombinedOutput(); err != nil {
		second = opening(string(out))
	}
	text, err := os.ReadFile(file)
	return first, second, chainsAlone(text), err
}

func opening(s string) string {
	line, _, _ := bytes.Cut([]byte(s), []byte("\n"))
	return string(line)
}

// chainsAlone is the control: it follows each writer's chain by the hashes that
// the file says its entries have, and looks neither at the tree nor at strays.
func chainsAlone(text []byte) (found bool) {
	type at struct {
		n    int
		leaf string
	}
	last := map[string]at{}
	in := bufio.NewScanner(bytes.NewReader(text))
	in.Buffer(nil, 8<<20)
	for in.Scan() {
		var e struct {
			Kind, Writer, Prev, Leaf string
			N                        int
		}
		if json.Unmarshal(in.Bytes(), &e) != nil || e.Kind != "entry" || e.Writer == "" {
			continue
		}
		before := last[e.Writer]
		found = found || e.N != before.n+1 || before.n > 0 && e.Prev != before.leaf
		last[e.Writer] = at{e.N, e.Leaf}
	}
	return found
}
