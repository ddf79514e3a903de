// Package capture is the door through which leads come in from the internet.
// It needs the journal and the snapshot and no SQL. What it answers with 202
// or 303 is on disk, sealed to its account, once; what it refuses has left
// nothing behind, and the answer names the field and the way out.
package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/journal"
	"catchment/internal/limits"
	"catchment/internal/problem"
	"catchment/internal/receipt"
	"catchment/internal/snapshot"
	"catchment/internal/submission"
)

// Journal is where leads go. Append and AppendAll return when the entries are
// durable, all or none; Admit says beforehand whether they would be refused.
// *journal.Journal is one.
type Journal interface {
	Admit() error
	Append(ctx context.Context, e journal.Entry) (journal.Ack, error)
	AppendAll(ctx context.Context, es []journal.Entry) ([]journal.Ack, error)
	Recent(ctx context.Context, maxEntries int, f func(seq uint64, r journal.Record)) error
}

// Sealer seals to an account's drop box, bound to aad, and cannot open.
// *keyring.Sealer is one.
type Sealer interface {
	Seal(id account.ID, plaintext, aad []byte) (box, data []byte, err error)
}

// Judge says which rules of the firewall speak of what a lead says and of the
// headers that are kept with it, a lead of this account and source. It refuses nothing, and answers at once.
// *firewall.Judge is one.
type Judge interface {
	Lead(ctx context.Context, of account.ID, source account.SourceID, sub *submission.Submission, userAgent, referer string) []int
}

// Options is what a Door needs.
type Options struct {
	Journal  Journal
	Snapshot *snapshot.Reader
	Sealer   Sealer
	Keys     func() receipt.Keys // published for those who check receipts; asked each time, as they are rotated; none when nil
	Log      *slog.Logger        // default slog.Default()

	Firewall    Judge            // nil: nothing is judged
	Now         func() time.Time // default time.Now
	Limits      *limits.Limits   // of an account's leads; nil for none
	Unknown     func(why string) // told of a key that nobody has, or has any more; it does not wait
	BodyTimeout time.Duration    // for the whole of a body, default 10 s
	Window      int              // idempotency keys remembered, default 200,000
}

// Door answers the capture routes. It is safe for concurrent use.
type Door struct {
	o      Options
	window *window
	stats  Stats
	uses   uses

	leads   *limits.Turns[account.ID] // places of leads that are sealed and wait for their commit
	batches *limits.Turns[account.ID] // of batches that are decoded
}

// When the house is busy its accounts have their turns, and one account can
// have some of the places only. There are as many places as fill the commit
// that is under way and the next one. batchesAtOnce bounds the memory that
// batches need.
const (
	leadsAtOnce, leadsEach     = 1024, 768
	batchesAtOnce, batchesEach = 4, 3
	patience                   = 500 * time.Millisecond
)

// New returns a Door. Call Rebuild before it takes traffic.
func New(o Options) (*Door, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Unknown == nil {
		o.Unknown = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.BodyTimeout == 0 {
		o.BodyTimeout = 10 * time.Second
	}
	if o.Window == 0 {
		o.Window = 200_000
	}
	if o.Keys == nil {
		o.Keys = func() receipt.Keys { return nil }
	}
	if _, err := receipt.MarshalKeys(o.Keys()); err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return &Door{o: o, window: newWindow(o.Window),
		leads:   limits.NewTurns[account.ID](leadsAtOnce, leadsEach, patience),
		batches: limits.NewTurns[account.ID](batchesAtOnce, batchesEach, patience)}, nil
}

// Rebuild fills the window of recent idempotency keys from the journal, whose
// headers can be read without a key.
func (d *Door) Rebuild(ctx context.Context) error {
	now := d.o.Now()
	defer d.window.learned()
	return d.o.Journal.Recent(ctx, d.o.Window, func(_ uint64, r journal.Record) {
		if r.Err != nil {
			return
		}
		if e, err := submission.ParseEnvelope(r.Data); err == nil && e.Enquiry.UUID().Version() == keyedVersion {
			d.window.learn(e.Enquiry, e.BodyMAC, e.ReceivedAt, now)
		}
	})
}

// keyedVersion is the UUID version of an enquiry under an idempotency key.
const keyedVersion = 8

// Stats gives the door's counters.
func (d *Door) Stats() *Stats { return &d.stats }

// Register puts the door's routes on a mux that it shares with others. It
// leaves other methods of /v1/leads to them.
func (d *Door) Register(mux *http.ServeMux) {
	mux.Handle("POST /v1/leads", d.handler(d.postLead))
	mux.Handle("OPTIONS /v1/leads", d.handler(d.preflight))
	mux.Handle("POST /v1/leads:batch", d.handler(d.postBatch))
	mux.Handle("OPTIONS /v1/leads:batch", d.handler(d.preflight))
	mux.Handle("/v1/leads:batch", d.handler(only("POST, OPTIONS")))
	mux.Handle("POST /f/{source}", d.handler(d.postForm))
	mux.Handle("OPTIONS /f/{source}", d.handler(d.preflightForm))
	mux.Handle("/f/{source}", d.handler(only("POST, OPTIONS")))
	mux.Handle("GET /f/{source}/thanks", d.handler(d.thanks))
	mux.Handle("/f/{source}/thanks", d.handler(only("GET, HEAD")))
	mux.Handle("GET /.well-known/catchment-receipt-keys.json", d.handler(d.receiptKeys))
	mux.Handle("/.well-known/catchment-receipt-keys.json", d.handler(only("GET, HEAD")))
}

// Handler answers the door's routes alone, for a process that only captures.
func (d *Door) Handler() http.Handler {
	mux := http.NewServeMux()
	d.Register(mux)
	mux.Handle("/v1/leads", d.handler(only("POST, OPTIONS")))
	mux.Handle("/", d.handler(func(http.ResponseWriter, *http.Request) error { return problem.NotFound() }))
	return mux
}

// only refuses every method: those that are taken have their own patterns.
func only(allow string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header()["Allow"] = []string{allow}
		return &problem.Problem{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Title: "This method is not taken here",
			Detail: "Use one of: " + allow + ".",
		}
	}
}

// handler turns an error into the answer, in one place.
func (d *Door) handler(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if h["X-Request-Id"] == nil { // a door alone; else web has given one
			h["X-Request-Id"] = []string{requestID()}
		}
		h["X-Content-Type-Options"] = nosniff
		if err := f(w, r); err != nil {
			d.refuse(w, r, err)
		}
	})
}

// problem says what an error means for the caller.
func (d *Door) problem(err error) *problem.Problem {
	if p, ok := problem.Of(err); ok {
		return p
	}
	var busy journal.ErrBusy
	switch {
	case errors.As(err, &busy) && busy.Reason == journal.BusyUnknown:
		return problem.Busy("unconfirmed", busy.RetryAfter, "It is not known whether the lead was stored. Repeat the request with the same Idempotency-Key and body.").Because(err)
	case errors.As(err, &busy):
		return problem.Busy("busy", busy.RetryAfter, "Nothing was stored. Repeat the request after the seconds in Retry-After.").Because(err)
	case errors.Is(err, journal.ErrTooLarge):
		return problem.TooLarge("body_too_large", "The batch does not fit into one commit. Send it in two parts.").Because(err)
	}
	return problem.Busy("unavailable", 5*time.Second, "Nothing was acknowledged. Repeat the request with the same Idempotency-Key and body.").Because(err)
}

func (d *Door) receiptKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := receipt.MarshalKeys(d.o.Keys())
	if err != nil {
		return err
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Access-Control-Allow-Origin"] = []string{"*"}
	h["Cache-Control"] = []string{"public, max-age=300"}
	_, _ = w.Write(keys) // the caller has gone
	return nil
}
