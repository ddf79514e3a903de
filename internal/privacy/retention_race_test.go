package privacy

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"catchment/internal/lead"
	"catchment/internal/ledger"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/retention"
	"catchment/internal/vault"
)

var errGone = errors.New("the person was erased")

// writeNote keeps a note as followup does, which holds the person first.
func (w *world) writeNote(h human) error {
	return w.db.Write(w.Context(), w.scope, func(tx *store.Tx) error {
		alive, err := people.Hold(tx, h.id)
		if err == nil && !alive {
			err = errGone
		}
		if err != nil {
			return err
		}
		return leads.WorkAddNote(tx, leads.Note{ID: lead.NewNoteID(), Lead: h.lead, Person: h.id, By: "user_x", Text: vault.Sealed{Data: []byte{1}}, CreatedAt: w.now})
	})
}

// slowBucket runs f while an entry of the ledger is being stored.
type slowBucket struct{ f func() }

func (b *slowBucket) Put(context.Context, string, []byte) error { b.f(); return nil }

func (b *slowBucket) Watch(ctx context.Context, _ func(string, []byte), ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

// From the moment at which a look judges that nothing was done until the person
// is destroyed nobody can do anything with them: who tries waits, and is told.
func TestNobodyWritesBetweenJudgingAndDestroying(t *testing.T) {
	each(t, func(w *world) {
		h := w.old("+442079460101", 61)
		w.rules(retention.Rules{Leads: 60})
		w.now = w.now.Add(RetentionGrace)
		wrote := make(chan error, 1)
		early := false
		bucket := &slowBucket{func() {
			go func() { wrote <- w.writeNote(h) }()
			select {
			case err := <-wrote:
				early = err == nil
				wrote <- err
			case <-time.After(300 * time.Millisecond):
			}
		}}
		listed, err := ledger.Open(ledger.Options{Path: filepath.Join(t.TempDir(), "deleted.log"), Bucket: bucket,
			Seal: func(_ string, plain []byte) []byte { return plain }, Open: func(_ string, sealed []byte) ([]byte, error) { return sealed, nil }})
		w.ok(err)
		w.ok(listed.Start(t.Context()))
		defer listed.Close()
		o := w.p.o
		o.Ledger = listed
		w.p = New(o)
		if ran := w.look(); ran.Persons != 1 || !w.erased(h) {
			t.Fatalf("it took %+v", ran)
		}
		if err := <-wrote; !errors.Is(err, errGone) || early {
			t.Errorf("a note was taken of a person who was being destroyed: %v", err)
		}
		if n := w.count(countNotes); n != 0 {
			t.Errorf("%d notes are left that nobody can read", n)
		}
	})
}

// Of a note and a look at the same moment one wins, and the other knows.
func TestALookAndANoteAtOnce(t *testing.T) {
	each(t, func(w *world) {
		const rounds = 24
		w.rules(retention.Rules{Leads: 60})
		start := w.now
		kept, gone := 0, 0
		for i := range rounds {
			w.now = start
			h := w.old("+4420794601"+string(rune('0'+i/10))+string(rune('0'+i%10)), 61)
			w.now = start.Add(RetentionGrace)
			cut := retention.Rules{Leads: 60}.Cut(w.now)
			var due []verdict
			w.write(func(tx *store.Tx) (err error) { due, err = judge(tx, cut, []lead.PersonID{h.id}); return err })
			if len(due) != 1 {
				t.Fatal("who is due is not seen")
			}
			var work sync.WaitGroup
			var note, look error
			work.Go(func() {
				time.Sleep(time.Duration(i) * 200 * time.Microsecond)
				note = w.writeNote(h)
			})
			_, look = w.p.retire(t.Context(), w.scope, cut, due)
			work.Wait()
			w.ok(look)
			if erased := w.erased(h); erased != errors.Is(note, errGone) || !erased && note != nil {
				t.Fatalf("round %d: erased %v, the note: %v", i, erased, note)
			} else if erased {
				gone++
			} else {
				kept++
			}
		}
		t.Logf("%d kept by their note, %d gone", kept, gone)
	})
}
