package proof

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/account"
)

// endAccount ends the second company: asked for by its admin, hastened, the
// server killed in the middle, an older backup put back beside the ledger. The
// control is the same backup where there is no ledger.
func (d *deleting) endAccount(ctx context.Context) error {
	c := d.i.world.Accounts[1]
	theirs := *d
	theirs.a = d.i.api(c.SecretKey)
	h, err := theirs.enquire(ctx, c, "Ending Example", 4)
	if err != nil {
		return err
	}
	theirs.folder += "-accounts"
	if out, err := theirs.command(ctx, "backup", "--backup-to", theirs.folder); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	key, err := d.wrapped(ctx, h.person)
	if err != nil {
		return err
	}
	admin, err := d.i.enter(ctx, c.with("admin")[0])
	if err != nil {
		return err
	}
	var end struct {
		State string
		URL   string `json:"certificate_url"`
	}
	if err := admin.post(ctx, "/v1/account/end", map[string]any{"name": c.Name, "grace_days": 3}, &end); err != nil {
		return err
	}
	_, path, _ := strings.Cut(end.URL, "/v1/ended/")
	path = "/v1/ended/" + path
	statuses, err := d.tried(ctx, c, admin)
	if err != nil {
		return err
	}
	d.t.check(d.label+"control: while the grace time runs its keys and sessions work", statuses == "200 202 202 200", "%s", statuses)
	if out, err := d.command(ctx, "account", "end", c.ID, "--now"); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	began := time.Now()
	d.i.kill()
	if err := d.i.again(ctx); err != nil {
		return err
	}
	certificate, err := d.certificate(ctx, path)
	if err != nil {
		return err
	}
	d.t.figure(d.label+"from the end of the grace time to the certificate, with a kill -9 and a start", time.Since(began).Seconds(), "s")
	if err := d.again(ctx, false); err != nil { // PostgreSQL's tables of keys are written anew
		return err
	}
	admin.base = d.i.url()
	if err := d.isGone(ctx, c, admin, key, "afterwards"); err != nil {
		return err
	}
	if err := d.verified(ctx, certificate); err != nil {
		return err
	}
	if err := theirs.putBack(ctx); err != nil {
		return err
	}
	admin.base = d.i.url()
	if err := d.isGone(ctx, c, admin, key, "after a backup from before it was restored whole"); err != nil {
		return err
	}
	if again, err := d.certificate(ctx, path); err != nil || again != certificate {
		d.t.check(d.label+"the certificate is the same after it", false, "%v", err)
	}
	a := d.i.api(d.i.world.Accounts[0].SecretKey)
	err = a.get(ctx, "/v1/leads", nil)
	d.t.check(d.label+"control: the other account works on", err == nil, "%v", err)
	return theirs.withoutLedger(ctx, c, h)
}

// tried says what the account's secret key, its publishable key and a session
// get: reading, handing in by each, and who one is.
func (d *deleting) tried(ctx context.Context, c company, admin *api) (string, error) {
	lead := []byte(`{"source":"` + c.Sources[0].ID + `","test":true,"person":{"email":"end@example.com"}}`)
	var out []string
	for _, r := range []struct {
		a            *api
		method, path string
		body         []byte
	}{
		{d.i.api(c.SecretKey), http.MethodGet, "/v1/leads", nil},
		{d.i.api(c.SecretKey), http.MethodPost, "/v1/leads", lead},
		{d.i.api(c.PublishableKey), http.MethodPost, "/v1/leads", lead},
		{admin, http.MethodGet, "/v1/me", nil},
	} {
		got, err := r.a.do(ctx, r.method, r.path, nil, r.body)
		if err != nil {
			return "", err
		}
		out = append(out, fmt.Sprint(got.status))
	}
	return strings.Join(out, " "), nil
}

func (d *deleting) isGone(ctx context.Context, c company, admin *api, key []byte, when string) error {
	statuses, err := d.tried(ctx, c, admin)
	if err != nil {
		return err
	}
	d.t.check(d.label+"its keys and sessions get 401 "+when, statuses == "401 401 401 401", "%s", statuses)
	if err := d.nowhere(ctx, key, "of one of the account's persons, "+when); err != nil {
		return err
	}
	db, err := d.i.database()
	if err != nil {
		return err
	}
	defer db.Close()
	id, err := account.ParseID(c.ID)
	if err != nil {
		return err
	}
	mark, arg := "?", any(id.Bytes())
	if d.i.cluster != nil {
		mark, arg = "$1", id.UUID().String()
	}
	var left []string
	for _, table := range []string{"account", "account_keyset", "api_key", "member", "person", "lead", "enquiry", "submission", "audit_event", "audit_leaf", "event_batch", "job"} {
		n := 0
		if err := db.QueryRowContext(ctx, "SELECT count(*) FROM "+table+" WHERE account_id = "+mark, arg).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			left = append(left, fmt.Sprintf("%s %d", table, n))
		}
	}
	d.t.check(d.label+"no table has a row of it "+when, len(left) == 0, "%s", strings.Join(left, ", "))
	return nil
}

// certificate waits for it at its address, with nobody signed in.
func (d *deleting) certificate(ctx context.Context, path string) (string, error) {
	var got struct{ State, Certificate string }
	nobody := d.i.api("")
	err := d.i.wait(ctx, 60*time.Second, "the certificate", func() bool {
		return nobody.get(ctx, path, &got) == nil && got.State == "ended"
	})
	return got.Certificate, err
}

// verified has the command look at the certificate, and at one with a count
// changed.
func (d *deleting) verified(ctx context.Context, certificate string) error {
	r, err := d.i.api("").do(ctx, http.MethodGet, "/.well-known/catchment-record-keys.json", nil, nil)
	if err != nil {
		return err
	}
	keys, file := filepath.Join(d.t.dir, "record-keys.json"), filepath.Join(d.t.dir, "certificate.txt")
	verify := func(text string) (string, error) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		return d.t.command(ctx, nil, "account", "certificate", "verify", file, "--keys", keys)
	}
	if err := os.WriteFile(keys, r.body, 0o600); err != nil {
		return err
	}
	out, err := verify(certificate)
	d.t.check(d.label+"its certificate verifies, offline", err == nil, "%s", firstLine(out))
	_, err = verify(strings.Replace(certificate, `"rows":`, `"rows":1`, 2))
	d.t.check(d.label+"control: one with a count changed does not", err != nil, "")
	return nil
}

// putBack restores the backup while the ledger's file is out of the way, as a
// provider would that knows nothing of it, and starts beside the ledger.
func (d *deleting) putBack(ctx context.Context) error {
	if err := d.i.stop(); err != nil {
		return err
	}
	file := filepath.Join(d.i.dir, "deleted.log")
	if err := os.Rename(file, file+".away"); err != nil {
		return err
	}
	if err := d.loseSQL(ctx); err != nil {
		return err
	}
	out, err := d.command(ctx, "restore", "--from", d.folder)
	d.t.check(d.label+"an older backup is restored whole", err == nil && strings.Contains(out, "; 0 of what is deleted"), "%s", firstLine(out))
	if err := os.Rename(file+".away", file); err != nil {
		return err
	}
	return d.i.again(ctx)
}

// withoutLedger restores the same backup elsewhere: without the ledger the
// account would be back.
func (d *deleting) withoutLedger(ctx context.Context, c company, h human) error {
	i, err := d.t.seat(ctx, d.i.engine, "")
	if err != nil {
		return err
	}
	for _, name := range []string{"keyring.age", "identity.txt"} {
		text, err := os.ReadFile(filepath.Join(d.i.dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(i.dir, name), text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	other := &deleting{t: d.t, i: i, label: d.label, folder: d.folder}
	if out, err := other.command(ctx, "restore", "--from", d.folder); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if err := i.again(ctx); err != nil {
		return err
	}
	defer i.kill()
	r, err := i.api(c.SecretKey).do(ctx, http.MethodGet, "/v1/leads/"+h.lead, http.Header{"Catchment-Purpose": {"proof"}}, nil)
	if err != nil {
		return err
	}
	d.t.check(d.label+"control: where there is no ledger the same backup brings the account back", r.status == http.StatusOK && bytes.Contains(r.body, []byte("Ending Example")), "%d", r.status)
	return nil
}
