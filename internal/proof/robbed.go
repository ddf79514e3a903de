package proof

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
)

// robbed copies every file of an installation and tries to open its accounts'
// keys with what a thief may have beside them: nothing, another installation's
// keys, another account's keys.
func (t *trial) robbed(ctx context.Context) error {
	home, other := filepath.Join(t.dir, "robbed"), filepath.Join(t.dir, "thief")
	for dir, names := range map[string][]string{home: {"Example Homes", "Other Homes"}, other: {"Thief"}} {
		for n, name := range names {
			email := string(rune('a'+n)) + "@example.com"
			if out, err := t.command(ctx, nil, "account", "create", "--data", dir, "--name", name, "--admin-email", email); err != nil {
				t.say("%s", out)
				return err
			}
		}
	}
	if out, err := t.command(ctx, nil, "backup", "--data", home, "--backup-to", filepath.Join(home, "backups")); err != nil {
		t.say("%s", out)
		return err
	}
	for _, c := range []struct {
		name  string
		loot  func(dir string) error
		opens bool
		says  string
	}{
		{"control: with its own identity it opens", func(string) error { return nil }, true, "generation 1"},
		{"without the identity it does not", func(dir string) error { return os.Remove(filepath.Join(dir, "identity.txt")) }, false, "is missing"},
		{"with another installation's identity it does not", func(dir string) error { return t.take(other, dir, "identity.txt") }, false, "was sealed for another one"},
		{"with another installation's whole keyring it does not", func(dir string) error { return t.take(other, dir, "identity.txt", "keyring.age") }, false, "was changed, or wrapped by another keyring"},
		{"an account's keys do not open as another's", swapKeysets, false, "was changed, or wrapped by another keyring"},
	} {
		dir, err := os.MkdirTemp(t.dir, "copy-")
		if err != nil {
			return err
		}
		if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(home)); err != nil {
			return err
		}
		dir = filepath.Join(dir, "data")
		if err := os.Chmod(filepath.Join(dir, "identity.txt"), 0o600); err != nil {
			return err
		}
		if err := c.loot(dir); err != nil {
			return err
		}
		out, err := t.command(ctx, nil, "keys", "status", "--data", dir)
		t.check("a copy of every file: "+c.name, (err == nil) == c.opens && strings.Contains(out, c.says), "%s", lastLine(out))
		if err := t.restored(ctx, dir, c.name, c.opens); err != nil {
			return err
		}
	}
	return nil
}

// restored tries the copy's backup in the place of its database.
func (t *trial) restored(ctx context.Context, dir, name string, opens bool) error {
	files, err := filepath.Glob(filepath.Join(dir, "catchment.db*"))
	for _, f := range files {
		if err == nil {
			err = os.Remove(f)
		}
	}
	if err != nil {
		return err
	}
	if strings.Contains(name, "as another's") {
		return nil // that was done to the database
	}
	out, err := t.command(ctx, nil, "restore", "--data", dir, "--from", filepath.Join(dir, "backups"))
	t.check("a copy of every backup: "+name, (err == nil) == opens, "%s", lastLine(out))
	return nil
}

// take puts another installation's files into the copy.
func (t *trial) take(from, to string, names ...string) error {
	for _, name := range names {
		if err := os.Remove(filepath.Join(to, name)); err != nil {
			return err
		}
		if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return err
		}
	}
	return nil
}

// swapKeysets gives each of two accounts the other's keys.
func swapKeysets(dir string) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "catchment.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(`UPDATE account_keyset SET wrapped = (SELECT o.wrapped FROM account_keyset o WHERE o.account_id <> account_keyset.account_id)`)
	return err
}
