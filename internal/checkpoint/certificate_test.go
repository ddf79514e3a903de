package checkpoint_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"catchment/internal/checkpoint"
	"catchment/internal/checkpoint/checkpointtest"
)

func certificate(t testing.TB, k checkpointtest.Key) (checkpoint.Certificate, string) {
	t.Helper()
	c := checkpoint.Certificate{Account: acct, AskedAt: began, AskedBy: "user_x", KeysDestroyed: began.Add(time.Hour), RemovedAt: began.Add(2 * time.Hour),
		Keys: checkpoint.CertificateKeys{Generations: []uint32{1, 2}, API: []string{"key_x"}, Persons: 3, Members: 4},
		Rows: []checkpoint.RowCount{{Table: "lead", Rows: 5}}, Journal: checkpoint.JournalRest{UpTo: 6, GoneBy: began}, Backups: checkpoint.BackupRest{KeysGoneBy: began}}
	text, err := c.Sign(k)
	if err != nil {
		t.Fatal(err)
	}
	return c, text
}

func TestCertificate(t *testing.T) {
	want, text := certificate(t, key)
	if got, err := checkpoint.OpenCertificate(text, keys); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\n%+v", err, got, want)
	}
	_, others := certificate(t, foreign)
	note := sign(t, key, 1, checkpoint.Hash{})
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"changed":          {strings.Replace(text, `"rows":5`, `"rows":6`, 1), checkpoint.ErrCertificate},
		"another account":  {strings.Replace(text, "acct_01", "acct_02", 1), checkpoint.ErrCertificate},
		"by somebody else": {others, checkpoint.ErrKey},
		"a checkpoint":     {note, checkpoint.ErrCertificate},
		"nothing":          {"", checkpoint.ErrCertificate},
	} {
		if _, err := checkpoint.OpenCertificate(c.text, keys); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := checkpoint.Open(text, keys); !errors.Is(err, checkpoint.ErrForm) {
		t.Errorf("as a checkpoint: %v", err)
	}
}

func FuzzOpenCertificate(f *testing.F) {
	_, text := certificate(f, key)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := checkpoint.OpenCertificate(text, keys)
		if err == nil && c.Account == "" {
			t.Error("a certificate of nobody")
		}
	})
}
