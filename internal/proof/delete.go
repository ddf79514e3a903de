package proof

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"catchment/internal/lead"
)

// proveDelete erases a person, loses the database, and restores a backup from
// before: the person's key is in no file, what it sealed stays unreadable, and
// who came after the backup is back from the journal. Then it ends an account.
func proveDelete(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.fresh(ctx, e)
		if err != nil {
			return err
		}
		d := &deleting{t: t, i: i, label: string(e) + ": ", folder: filepath.Join(t.dir, string(e)+"-backups")}
		return d.prove(ctx)
	})
}

// deleting is the proof on its way.
type deleting struct {
	t      *trial
	i      *instance
	label  string
	folder string
	a      *api
	door   *api // takes leads; nil: a does
	none   bool // nothing was deleted since the backup
}

// human is somebody who enquired.
type human struct{ enquiry, lead, person string }

func (d *deleting) prove(ctx context.Context) error {
	c := d.i.world.Accounts[0]
	d.a = d.i.api(c.SecretKey)
	gone, err := d.enquire(ctx, c, "Gone Example", 1)
	if err != nil {
		return err
	}
	stays, err := d.enquire(ctx, c, "Stays Example", 2)
	if err != nil {
		return err
	}
	began := time.Now()
	if out, err := d.command(ctx, "backup", "--backup-to", d.folder); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	d.t.figure(d.label+"a backup beside the working server", time.Since(began).Seconds(), "s")
	began = time.Now()
	out, err := d.command(ctx, "drill", "--from", d.folder)
	d.t.check(d.label+"a drill restores it and finds it equal", err == nil, "%s", strings.TrimSpace(out))
	d.t.figure(d.label+"a drill", time.Since(began).Seconds(), "s")
	late, err := d.enquire(ctx, c, "Late Example", 3)
	if err != nil {
		return err
	}
	key, err := d.wrapped(ctx, gone.person)
	if err != nil {
		return err
	}
	n, err := d.search(ctx, key)
	if err != nil {
		return err
	}
	d.t.check(d.label+"control: before, a search of every file finds the person's wrapped key", n > 0, "in %d files", n)
	if err := d.erase(ctx, gone); err != nil {
		return err
	}
	if err := d.again(ctx, false); err != nil {
		return err
	}
	if err := d.nowhere(ctx, key, "after the erasure"); err != nil {
		return err
	}
	if err := d.again(ctx, true); err != nil {
		return err
	}
	if err := d.nowhere(ctx, key, "after a backup from before it was restored"); err != nil {
		return err
	}
	if err := d.look(ctx, gone, stays, late); err != nil {
		return err
	}
	return d.endAccount(ctx)
}

func (d *deleting) enquire(ctx context.Context, c company, name string, n int) (h human, err error) {
	var made struct{ ID string }
	body := map[string]any{"source": c.apiSource(), "message": "of " + name, "person": map[string]any{"name": name, "phone": phone(n)}}
	door := d.door
	if door == nil {
		door = d.a
	}
	if err := door.post(ctx, "/v1/leads", body, &made); err != nil {
		return h, err
	}
	if _, err := d.i.drain(ctx, 30*time.Second); err != nil {
		return h, err
	}
	var e struct {
		Lead string `json:"lead_id"`
	}
	if err := d.a.get(ctx, "/v1/enquiries/"+made.ID, &e); err != nil {
		return h, err
	}
	var l struct {
		Person string `json:"person_id"`
	}
	if err := d.a.get(ctx, "/v1/leads/"+e.Lead, &l); err != nil {
		return h, err
	}
	return human{made.ID, e.Lead, l.Person}, nil
}

// command runs a verb on the instance's data.
func (d *deleting) command(ctx context.Context, verb string, args ...string) (string, error) {
	args = append(append([]string{verb}, args...), "--data", d.i.dir)
	if d.i.cluster != nil && verb != "drill" {
		args = append(args, "--database-url", d.i.cluster.URL("catchment"))
	}
	return d.t.command(ctx, nil, args...)
}

func (d *deleting) wrapped(ctx context.Context, person string) (key []byte, err error) {
	id, err := lead.ParsePersonID(person)
	if err != nil {
		return nil, err
	}
	db, err := d.i.database()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	text, arg := `SELECT wrapped FROM person_key WHERE person_id = ?`, any(id.Bytes())
	if d.i.cluster != nil {
		text, arg = `SELECT wrapped FROM person_key WHERE person_id = $1`, id.UUID().String()
	}
	return key, db.QueryRowContext(ctx, text, arg).Scan(&key)
}

// search counts the files that have the bytes: the data folder's, and
// PostgreSQL's but for its own log, which is out of our reach and said so.
func (d *deleting) search(ctx context.Context, what []byte) (n int, err error) {
	roots := []string{d.i.dir}
	if d.i.cluster != nil {
		roots = append(roots, d.i.cluster.Folder())
		db, err := d.i.database()
		if err != nil {
			return 0, err
		}
		defer db.Close()
		if _, err := db.ExecContext(ctx, "CHECKPOINT"); err != nil {
			return 0, err
		}
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || strings.Contains(path, "pg_wal") || !e.Type().IsRegular() {
				return nil // files come and go
			}
			if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, what) {
				n++
			}
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (d *deleting) nowhere(ctx context.Context, key []byte, when string) error {
	began, n, err := time.Now(), 1, error(nil)
	for ; n > 0 && time.Since(began) < 30*time.Second; err = pause(ctx, 200*time.Millisecond) {
		if err != nil {
			return err
		}
		if n, err = d.search(ctx, key); err != nil {
			return err
		}
	}
	d.t.check(d.label+"the wrapped key is in no file "+when, n == 0, "in %d files", n)
	return nil
}

func (d *deleting) erase(ctx context.Context, h human) error {
	var asked struct{ ID, State string }
	began := time.Now()
	if err := d.a.post(ctx, "/v1/subject-requests", map[string]any{"kind": "erase", "person_id": h.person}, &asked); err != nil {
		return err
	}
	path := "/v1/subject-requests/" + asked.ID
	if err := d.a.post(ctx, path+"/fulfil", map[string]any{}, &asked); err != nil {
		return err
	}
	err := d.i.wait(ctx, 30*time.Second, "the erasure", func() bool {
		return d.a.get(ctx, path, &asked) == nil && asked.State == "done"
	})
	d.t.figure(d.label+"from the request to erased", time.Since(began).Seconds(), "s")
	return err
}

// again stops the instance and starts it, with lose on a database that was
// restored. PostgreSQL's tables of keys are written anew at a start, too.
func (d *deleting) again(ctx context.Context, lose bool) error {
	if err := d.i.stop(); err != nil {
		return err
	}
	if lose {
		if err := d.restore(ctx); err != nil {
			return err
		}
	}
	if err := d.i.again(ctx); err != nil {
		return err
	}
	d.a.base = d.i.url()
	_, err := d.i.drain(ctx, 60*time.Second)
	return err
}

// loseSQL leaves the instance without a database.
func (d *deleting) loseSQL(ctx context.Context) error {
	if d.i.cluster != nil {
		return d.emptySchema(ctx)
	}
	for _, name := range []string{"catchment.db", "catchment.db-wal", "catchment.db-shm"} {
		if err := os.Remove(filepath.Join(d.i.dir, name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func (d *deleting) restore(ctx context.Context) error {
	if err := d.loseSQL(ctx); err != nil {
		return err
	}
	out, err := d.command(ctx, "restore", "--from", d.folder)
	d.t.check(d.label+"the backup is restored", err == nil && strings.Contains(out, "; 0 of what is deleted") == d.none, "%s", firstLine(out))
	return err
}

func (d *deleting) emptySchema(ctx context.Context) error {
	db, err := d.i.database()
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	return err
}

// look reads what the API says of the three.
func (d *deleting) look(ctx context.Context, gone, stays, late human) error {
	read := func(path string) (string, error) {
		r, err := d.a.do(ctx, http.MethodGet, path, http.Header{"Catchment-Purpose": {"proof"}}, nil)
		return string(r.body), err
	}
	text, err := read("/v1/leads/" + gone.lead)
	if err != nil {
		return err
	}
	d.t.check(d.label+"the lead is there and its person is erased", strings.Contains(text, `"erased":true`) && !strings.Contains(text, "Gone Example"), "%d bytes", len(text))
	if text, err = read("/v1/enquiries/" + gone.enquiry); err != nil {
		return err
	}
	d.t.check(d.label+"its enquiry says erased", strings.Contains(text, `"state":"erased"`) && !strings.Contains(text, "of Gone"), "%d bytes", len(text))
	if text, err = read("/v1/leads/" + stays.lead); err != nil {
		return err
	}
	d.t.check(d.label+"control: another person is read as before", strings.Contains(text, "Stays Example"), "%d bytes", len(text))
	if text, err = read("/v1/enquiries/" + late.enquiry); err != nil {
		return err
	}
	d.t.check(d.label+"who came after the backup is back from the journal", strings.Contains(text, `"state":"attached"`), "%d bytes", len(text))
	return nil
}
