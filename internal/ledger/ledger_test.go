package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
)

// bucket is a set of values that several ledgers share.
type bucket struct {
	mu     sync.Mutex
	values map[string][]byte
	watch  []func(string, []byte)
	down   error
}

func (b *bucket) Put(_ context.Context, key string, value []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return b.down
	}
	b.values[key] = value
	for _, set := range b.watch {
		set(key, value)
	}
	return nil
}

func (b *bucket) Watch(ctx context.Context, set func(string, []byte), ready func()) error {
	b.mu.Lock()
	for k, v := range b.values {
		set(k, v)
	}
	ready()
	queue := make(chan func(), 100)
	b.watch = append(b.watch, func(k string, v []byte) { queue <- func() { set(k, v) } })
	b.mu.Unlock()
	for {
		select {
		case f := <-queue:
			f()
		case <-ctx.Done():
			return nil
		}
	}
}

func seal(name string, plain []byte) []byte { return append([]byte(name+"\x00"), plain...) }

func unseal(name string, sealed []byte) ([]byte, error) {
	plain, ok := strings.CutPrefix(string(sealed), name+"\x00")
	if !ok {
		return nil, errors.New("sealed for another name")
	}
	return []byte(plain), nil
}

func open(t *testing.T, path string, b *bucket) *Ledger {
	t.Helper()
	o := Options{Path: path, Seal: seal, Open: unseal}
	if b != nil {
		o.Bucket = b
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func entry() Entry {
	return Entry{At: time.Unix(1_800_000_000, 0).UTC(), Account: account.NewID(), Person: lead.NewPersonID(), Enquiries: []lead.EnquiryID{lead.NewEnquiryID()}}
}

func TestWhatIsAddedIsThereAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deleted.log")
	l := open(t, path, nil)
	e := entry()
	gone := Entry{At: e.At, Account: account.NewID()}
	for _, x := range []Entry{e, gone, e} { // twice is once
		if err := l.Add(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	more := e
	more.Enquiries = []lead.EnquiryID{lead.NewEnquiryID()}
	if err := l.Add(t.Context(), more); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path, nil)
	if n := len(l.Entries()); n != 2 {
		t.Errorf("%d entries, not 2", n)
	}
	for _, id := range append(e.Enquiries, more.Enquiries...) {
		if !l.Enquiry(e.Account, id) {
			t.Error("an enquiry of an erased person is not known")
		}
		if l.Enquiry(account.NewID(), id) {
			t.Error("another account's enquiry of the same id is gone too")
		}
	}
	if l.Account(e.Account) || !l.Account(gone.Account) || !l.Enquiry(gone.Account, lead.NewEnquiryID()) {
		t.Error("which account is gone is not known")
	}
	if text, _ := os.ReadFile(path); strings.Count(string(text), "\n") != 3 {
		t.Errorf("what said nothing new was written:\n%s", text)
	}
}

func TestAHalfLineIsForgottenAndAChangedOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deleted.log")
	l := open(t, path, nil)
	for range 3 {
		if err := l.Add(t.Context(), entry()); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for name, c := range map[string]struct {
		text string
		want int // entries; -1: refused
	}{
		"whole":      {string(text), 3},
		"half":       {string(text[:len(text)-10]), 2},
		"changed":    {strings.Replace(string(text), `"at":"2027`, `"at":"2028`, 1), -1},
		"left out":   {lines[0] + lines[2], -1},
		"turned":     {lines[1] + lines[0] + lines[2], -1},
		"not a line": {string(text) + "something\n", -1},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(Options{Path: path})
		if c.want < 0 {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := len(l.Entries()); n != c.want {
			t.Errorf("%s: %d entries, not %d", name, n, c.want)
		}
		if err := l.Add(t.Context(), entry()); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if l, err = Open(Options{Path: path}); err != nil || len(l.Entries()) != c.want+1 {
			t.Errorf("%s: what was added after it does not read back: %v", name, err)
		}
	}
}

// A node whose folder is new has every entry from the bucket; a bucket that is
// new gets every entry from the file; a node hears what another adds.
func TestFileAndBucketMakeEachOtherWhole(t *testing.T) {
	b := &bucket{values: map[string][]byte{}}
	first := filepath.Join(t.TempDir(), "deleted.log")
	one := open(t, first, b)
	e := entry()
	if err := one.Add(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	two := filepath.Join(t.TempDir(), "deleted.log")
	l, err := Open(Options{Path: two, Bucket: b, Seal: seal, Open: unseal})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan Entry, 1)
	l.Changed(func(e Entry) { heard <- e })
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !l.Enquiry(e.Account, e.Enquiries[0]) {
		t.Error("a new node does not know what the bucket has")
	}
	late := entry()
	if err := one.Add(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got.Person != late.Person {
		t.Error("another entry was heard of")
	}
	_ = l.Close()
	if text, _ := os.ReadFile(two); strings.Count(string(text), "\n") != 2 {
		t.Errorf("its file has not both:\n%s", text)
	}
	fresh := &bucket{values: map[string][]byte{}}
	open(t, two, fresh)
	if len(fresh.values) != 2 {
		t.Errorf("a new bucket got %d entries, not 2", len(fresh.values))
	}
}

func TestAnEntryThatTheBucketDidNotTakeIsAnErrorAndIsMended(t *testing.T) {
	b := &bucket{values: map[string][]byte{}, down: errors.New("away")}
	path := filepath.Join(t.TempDir(), "deleted.log")
	l := open(t, path, b)
	e := entry()
	if err := l.Add(t.Context(), e); !errors.Is(err, b.down) {
		t.Fatalf("%v", err)
	}
	b.down = nil
	if err := l.Add(t.Context(), e); err != nil || len(b.values) != 1 {
		t.Errorf("adding it again did not mend it: %v, %d", err, len(b.values))
	}
}

func TestAForgedEntryIsNotBelieved(t *testing.T) {
	e := entry()
	plain, _ := encode(&e)
	other := entry()
	b := &bucket{values: map[string][]byte{
		e.name():     append([]byte("forged"), plain...),
		other.name(): seal(bucketName(other.name()), plain), // another's, well sealed
	}}
	l := open(t, filepath.Join(t.TempDir(), "deleted.log"), b)
	if len(l.Entries()) != 0 {
		t.Error("it was believed")
	}
}

func FuzzParse(f *testing.F) {
	e := entry()
	plain, _ := encode(&e)
	line := chain("", plain) + " " + string(plain) + "\n"
	f.Add([]byte(line))
	f.Add([]byte(line + "half"))
	f.Add([]byte("x y\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, last, whole, err := parse(text)
		if err != nil {
			return
		}
		if whole > len(text) || whole > 0 && text[whole-1] != '\n' {
			t.Fatalf("whole up to %d of %d", whole, len(text))
		}
		again, sameLast, sameWhole, err := parse(text[:whole])
		if err != nil || len(again) != len(list) || sameLast != last || sameWhole != whole {
			t.Fatalf("what is whole reads otherwise alone: %v", err)
		}
	})
}
