package privacy

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/alarm"
	"catchment/internal/checkpoint"
	"catchment/internal/checkpoint/checkpointtest"
	"catchment/internal/jobs"
	"catchment/internal/jobs/jobstest"
	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/store"
	"catchment/internal/store/ending"
	"catchment/internal/store/keys"
)

var certifies = checkpointtest.Own()

// ends gives the world what an end needs: its keyset, an own key to sign with,
// and who empties the record on PostgreSQL.
func (w *world) ends() *jobs.Runner {
	w.p.o.Key, w.p.o.JournalSeq = func() checkpoint.Key { return certifies }, func() uint64 { return 7 }
	if w.db.Engine() == store.Postgres {
		w.p.o.RemoveKept = func(ctx context.Context, id account.ID) error { return store.RemoveKept(ctx, w.o, id) }
	}
	w.write(func(tx *store.Tx) error { return keys.Add(tx, 1, []byte("wrapped"), w.at) })
	r := jobs.NewRunner(w.db, jobs.NewList(&jobstest.Waker{}), slog.New(slog.DiscardHandler), jobs.RunnerOptions{})
	w.p.Register(r)
	r.Handle(alarm.MailJob, func(context.Context, jobs.Job) error { return nil }) // notify's
	return r
}

func (w *world) left() (table string) {
	w.Helper()
	w.ok(w.db.Read(w.Context(), w.scope, func(tx *store.Tx) (err error) { table, err = ending.Left(tx); return err }))
	return table
}

// alarms are those that wait to be seen.
func (w *world) alarms() (out []alarm.Alarm) {
	w.Helper()
	w.write(func(tx *store.Tx) (err error) {
		out, err = alarm.Page(tx, false, time.Time{}, lead.AlarmID{}, 10)
		return err
	})
	return out
}

func (w *world) askEnd(grace time.Duration, now time.Time) {
	w.Helper()
	w.write(func(tx *store.Tx) error { _, err := w.p.AskEnd(tx, grace, "user_x", now); return err })
}

// Until the grace time is over nothing happens and it can be taken back; then
// everything goes, and the certificate says what.
func TestAnAccountEnds(t *testing.T) {
	each(t, func(w *world) {
		r, now := w.ends(), store.Clock(time.Now())
		w.human("+442079460101")
		w.human("+442079460102")
		w.ok(w.db.Write(t.Context(), w.scope, func(tx *store.Tx) error {
			_, err := w.p.AskEnd(tx, ShortestGrace-time.Second, "user_x", now)
			if err == nil {
				t.Error("a shorter grace time was taken")
			}
			return nil
		}))
		w.askEnd(ShortestGrace, now)
		if a := w.alarms(); len(a) != 1 || a[0].Kind != "ending" || a[0].Detail["by"] != "user_x" || !a[0].EndedAt.IsZero() {
			t.Errorf("the admins hear %+v", a)
		}
		if n, err := r.Drain(t.Context(), now.Add(ShortestGrace-time.Minute)); n != 1 || err != nil || w.left() == "" {
			t.Fatalf("before its time: %d jobs, %v", n, err)
		}
		w.write(w.p.CancelEnd)
		if a := w.alarms(); len(a) != 1 || a[0].EndedAt.IsZero() {
			t.Errorf("it was taken back, and the admins hear %+v", a)
		}
		if _, err := r.Drain(t.Context(), now.Add(2*ShortestGrace)); err != nil || w.ledger.Account(w.scope.Account()) {
			t.Fatalf("it was taken back, and came: %v", err)
		}
		w.askEnd(ShortestGrace, now)
		later := now.Add(2 * ShortestGrace)
		w.p.o.Now = func() time.Time { return later }
		if _, err := r.Drain(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		if table := w.left(); table != "" {
			t.Errorf("%s has rows of the account", table)
		}
		e, ok := w.ledger.Of(w.scope.Account())
		if !ok {
			t.Fatal("the ledger does not name the account")
		}
		c, err := checkpoint.OpenCertificate(string(e.Certificate), certifies.Published(w.at))
		if err != nil {
			t.Fatal(err)
		}
		if c.Account != w.scope.Account().String() || c.Keys.Persons != 2 || !slices.Equal(c.Keys.Generations, []uint32{1}) || c.AskedBy != "user_x" || c.Journal.UpTo != 7 {
			t.Errorf("%+v", c)
		}
		for _, want := range []checkpoint.RowCount{{Table: "person", Rows: 2}, {Table: "person_key", Rows: 2}, {Table: "note", Rows: 2}, {Table: "account_keyset", Rows: 1}, {Table: "stage", Rows: 2}} {
			if !slices.Contains(c.Rows, want) {
				t.Errorf("the certificate lacks %v: %v", want, c.Rows)
			}
		}
		if strings.Contains(string(e.Certificate), "+44") {
			t.Error("the certificate has a number")
		}
		if n, _, err := w.p.Replay(t.Context()); err != nil || n != 0 {
			t.Errorf("replay found %d accounts (%v)", n, err)
		}
	})
}

// Killed at any transaction the removal goes on, and counts each row once.
func TestAnEndGoesOnWhereItWas(t *testing.T) {
	each(t, func(w *world) {
		r, now := w.ends(), store.Clock(time.Now().Add(time.Hour))
		w.p.o.Now = func() time.Time { return now.Add(2 * ShortestGrace) }
		for i := range 3 {
			w.human("+44207946010" + string(rune('1'+i)))
		}
		w.askEnd(ShortestGrace, now)
		stopped, step := errors.New("stopped"), 0
		scrub := w.p.o.Scrub
		for try := range 40 {
			step = 0
			w.p.o.Scrub = func(ctx context.Context) error { // after the keys, and after all
				if step++; step > try {
					return stopped
				}
				return scrub(ctx)
			}
			w.p.o.Withdraw = func(context.Context, account.ID) error {
				if step++; step > try {
					return stopped
				}
				return nil
			}
			if _, err := r.Drain(t.Context(), now.Add(2*ShortestGrace+time.Duration(try)*time.Hour)); err == nil {
				break
			}
		}
		if table := w.left(); table != "" {
			t.Fatalf("%s has rows", table)
		}
		e, _ := w.ledger.Of(w.scope.Account())
		if n := bytes.Count(e.Certificate, []byte(`{"table":"person","rows":3}`)); n != 1 {
			t.Errorf("%s", e.Certificate)
		}
	})
}

// An account that comes back with an older database is gone again after Replay;
// one that the ledger does not name stays.
func TestReplayEndsAnAccountAgain(t *testing.T) {
	each(t, func(w *world) {
		w.ends()
		w.human("+442079460101")
		if n, _, err := w.p.Replay(t.Context()); err != nil || n != 0 || w.left() == "" {
			t.Fatalf("the control: %d %v", n, err)
		}
		w.ok(w.ledger.Add(t.Context(), ledger.Entry{At: w.at, Account: w.scope.Account(), Certificate: []byte("c")}))
		if n, _, err := w.p.Replay(t.Context()); err != nil || n != 1 {
			t.Errorf("%d %v", n, err)
		}
		if table := w.left(); table != "" {
			t.Errorf("%s has rows of the account", table)
		}
	})
}

// Where no certificate was written yet the keys go before anything is answered,
// and a job does the rest.
func TestReplayResumesAnEnd(t *testing.T) {
	each(t, func(w *world) {
		r := w.ends()
		w.human("+442079460101")
		w.ok(w.ledger.Add(t.Context(), ledger.Entry{At: w.at, Account: w.scope.Account()}))
		if n, _, err := w.p.Replay(t.Context()); err != nil || n != 1 {
			t.Fatalf("%d %v", n, err)
		}
		var err error
		w.write(func(tx *store.Tx) error { _, err = keys.Get(tx); return nil })
		if !errors.Is(err, store.ErrNone) {
			t.Error("the keyset is still there")
		}
		if _, err := r.Drain(t.Context(), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if e, _ := w.ledger.Of(w.scope.Account()); len(e.Certificate) == 0 || w.left() != "" {
			t.Errorf("%q has rows; certificate: %s", w.left(), e.Certificate)
		}
	})
}
