package capture

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/journal"
	"catchment/internal/lead"
	"catchment/internal/limits"
	"catchment/internal/problem"
	"catchment/internal/receipt"
	"catchment/internal/snapshot"
	"catchment/internal/submission"
)

// visitor is who hands in, and in whose name.
type visitor struct {
	account *snapshot.Account
	key     *snapshot.Key // nil for a form: its source's address is enough
}

// postLead takes one lead as JSON.
func (d *Door) postLead(w http.ResponseWriter, r *http.Request) error {
	s := scratches.Get().(*scratch)
	defer s.release()
	v, key, err := d.receive(w, r, s, submission.MaxBody, 1)
	if err != nil {
		return err
	}
	sub, err := submission.DecodeJSON(s.body)
	if err != nil {
		return err
	}
	it, err := d.item(v, sub, s.body, key)
	if err != nil {
		return err
	}
	d.judge(r, &it, sub)
	items := [1]item{it}
	if err := d.keep(r, s, items[:]); err != nil {
		return err
	}
	s.reply = appendAccepted(s.reply[:0], &items[0])
	writeAccepted(w, s.reply)
	return nil
}

// postBatch takes up to a thousand leads as a JSON array, all or none.
func (d *Door) postBatch(w http.ResponseWriter, r *http.Request) error {
	s := scratches.Get().(*scratch)
	defer s.release()
	v, key, err := d.receive(w, r, s, submission.MaxBatchBody, 0) // how many is not known yet
	if err != nil {
		return err
	}
	leave, err := d.turn(r, d.batches, v.account.ID, 1)
	if err != nil {
		return err
	}
	defer leave()
	items, err := d.batch(r, v, s.body, key)
	if err != nil {
		return err
	}
	if err := d.count(v.account, len(items)); err != nil {
		return err
	}
	if err := d.keep(r, s, items); err != nil {
		return err
	}
	s.reply = append(s.reply[:0], '[')
	for i := range items {
		if i > 0 {
			s.reply = append(s.reply, ',')
		}
		s.reply = appendAccepted(s.reply, &items[i])
	}
	s.reply = append(s.reply, ']')
	writeAccepted(w, s.reply)
	return nil
}

// receive lets a JSON request in, counts its leads, and reads its body into the
// scratch.
func (d *Door) receive(w http.ResponseWriter, r *http.Request, s *scratch, limit int64, leads int) (v visitor, key string, err error) {
	d.limitTime(w)
	d.cors(w, r)
	if err = checkJSON(r, limit); err != nil {
		return v, "", err
	}
	if v, err = d.admit(r); err != nil {
		return v, "", err
	}
	if err = d.count(v.account, leads); err != nil {
		return v, "", err
	}
	if s.body, err = d.readBody(w, r, s.body, limit); err != nil {
		return v, "", err
	}
	key, err = idempotencyKey(r)
	return v, key, err
}

// turn waits for the account's turn to have n places, for a moment.
func (d *Door) turn(r *http.Request, of *limits.Turns[account.ID], v account.ID, n int) (leave func(), err error) {
	if of.Enter(r.Context(), v, n) {
		return func() { of.Leave(v, n) }, nil
	}
	d.stats.Shed.Add(1)
	return nil, problem.Busy("busy", 2*time.Second, "The account hands in more at once than its share. Nothing was stored.")
}

// batch checks every element and gives every fault its index. A key that may
// not be used for an element's source is a fault of that element.
func (d *Door) batch(r *http.Request, v visitor, body []byte, key string) ([]item, error) {
	subs, raw, err := submission.DecodeBatch(body)
	if err != nil {
		return nil, err
	}
	items := make([]item, len(subs))
	var faults []problem.Field
	for i, sub := range subs {
		own := ""
		if key != "" {
			own = key + "/" + strconv.Itoa(i)
		}
		items[i], err = d.item(v, sub, raw[i], own)
		if p, ok := problem.Of(err); ok {
			faults = append(faults, indexed(i, p)...)
		} else if err != nil {
			return nil, err
		}
	}
	if len(faults) > 0 {
		return nil, problem.Invalid(faults...)
	}
	for i, sub := range subs {
		d.judge(r, &items[i], sub)
	}
	return items, nil
}

func indexed(i int, p *problem.Problem) []problem.Field {
	if len(p.Errors) == 0 {
		return []problem.Field{{Index: &i, Field: "source", Code: p.Code, Detail: p.Detail}}
	}
	out := make([]problem.Field, len(p.Errors))
	for n, f := range p.Errors {
		f.Index = &i
		out[n] = f
	}
	return out
}

// admit lets the request in: the journal has room, the snapshot is there, the
// key is good, and so is the page that uses it.
func (d *Door) admit(r *http.Request) (visitor, error) {
	if err := d.open(); err != nil {
		return visitor{}, err
	}
	text, err := bearer(r)
	if err != nil {
		return visitor{}, err
	}
	a, k := d.o.Snapshot.ByKey(sha256.Sum256([]byte(text)))
	switch {
	case k == nil:
		d.o.Unknown("unknown-key")
		return visitor{}, problem.Unauthenticated("This key is not known. It may have been revoked.")
	case k.Expired(d.o.Now()):
		return visitor{}, problem.Unauthenticated("This key has expired. Make a new one.")
	case a.Off:
		return visitor{}, accountOff()
	case !a.From(k, caller.Of(r)):
		return visitor{}, problem.Forbidden("network", "This key may not be used from your network. An admin can allow it.")
	case k.Kind == snapshot.Secret && !k.MayCapture():
		return visitor{}, problem.Forbidden("not_permitted", "This key's role may not hand in leads.")
	case k.Kind == snapshot.Publishable && !k.Allows(r.Header.Get("Origin")):
		return visitor{}, problem.Forbidden("origin_not_allowed", "This key may not be used from this page. Add the page's origin to the key, or use a secret key from a server.")
	case k.Kind != snapshot.Secret && k.Kind != snapshot.Publishable:
		return visitor{}, problem.Forbidden("not_permitted", "This kind of key does not hand in leads.")
	}
	d.uses.note(k.Hash, d.o.Now())
	return visitor{a, k}, nil
}

// count counts leads to the account; with 0 it only asks for room.
func (d *Door) count(a *snapshot.Account, leads int) error {
	id := a.ID.UUID()
	return d.o.Limits.Leads(id[:], leads)
}

func accountOff() *problem.Problem {
	return problem.Forbidden("account_off", "This account takes no leads at the moment.")
}

// open sheds before work is put into a request.
func (d *Door) open() error {
	if err := d.o.Journal.Admit(); err != nil {
		d.stats.Shed.Add(1)
		return err
	}
	if !d.o.Snapshot.Ready() {
		return problem.Busy("not_ready", 2*time.Second, "This door has not been told yet which keys are valid. Nothing was stored.")
	}
	return nil
}

func bearer(r *http.Request) (string, error) {
	a := r.Header["Authorization"]
	if len(a) != 1 {
		return "", problem.Unauthenticated("Send Authorization: Bearer with a key that begins with cpk_ or csk_.")
	}
	scheme, text, _ := strings.Cut(a[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || len(text) > 200 || !strings.HasPrefix(text, "cpk_") && !strings.HasPrefix(text, "csk_") {
		return "", problem.Unauthenticated("Send Authorization: Bearer with a key that begins with cpk_ or csk_.")
	}
	return text, nil
}

// idempotencyKey gives "" when there is none.
func idempotencyKey(r *http.Request) (string, error) {
	k := r.Header["Idempotency-Key"]
	switch {
	case len(k) == 0:
		return "", nil
	case len(k) > 1:
		return "", problem.InvalidField("Idempotency-Key", "invalid_key", "Send this header once.")
	}
	return k[0], submission.Key(k[0])
}

// item is one lead on its way through the door.
type item struct {
	header  submission.Header
	body    []byte
	key     string // its idempotency key
	receipt receipt.Receipt
}

// item finds out where a lead belongs and what its enquiry's id is.
func (d *Door) item(v visitor, sub *submission.Submission, body []byte, key string) (item, error) {
	source, err := v.source(sub.Source)
	if err != nil {
		return item{}, err
	}
	project := source.Project
	if sub.Project != "" {
		p := v.account.Project(sub.Project)
		if p == nil {
			return item{}, problem.InvalidField("project", "unknown_project", "The account has no project of this id or slug. Leave it out for the source's own.")
		}
		project = p.ID
	}
	return d.itemFor(v, source, project, sub.Test, submission.AsJSON, "", body, key), nil
}

func (d *Door) itemFor(v visitor, s *snapshot.Source, project account.ProjectID, test bool,
	format submission.Kind, contentType string, body []byte, key string) item {
	it := item{body: body, key: key, header: submission.Header{
		Account: v.account.ID, Source: s.ID, Project: project, ReceivedAt: d.o.Now().UTC().Truncate(time.Microsecond),
		Format: format, ContentType: contentType, Test: test,
		BodyMAC: submission.MACBody(v.account.CaptureIDKey, body),
	}}
	scope := s.ID.String()
	if v.key != nil {
		it.header.Key = v.key.ID
		if v.key.Kind == snapshot.Secret {
			scope = v.account.ID.String()
		}
	}
	if key == "" {
		it.header.Enquiry = lead.NewEnquiryID()
	} else {
		it.header.Enquiry = lead.KeyedEnquiryID(v.account.CaptureIDKey, scope, key)
	}
	return it
}

// judge has the firewall look at what the lead says; its verdict goes with the
// lead, in clear, and only what is behind the door acts on it.
func (d *Door) judge(r *http.Request, it *item, sub *submission.Submission) {
	if d.o.Firewall == nil {
		return
	}
	h := &it.header
	if h.Verdict = submission.VerdictOf(d.o.Firewall.Lead(r.Context(), h.Account, h.Source, sub, r.UserAgent(), r.Referer())); h.Verdict != "" {
		d.stats.Suspicious.Add(1)
	}
}

// source finds the source that a lead names, and checks the key against it.
func (v visitor) source(ref string) (*snapshot.Source, error) {
	if ref == "" {
		return nil, problem.InvalidField("source", "source_missing", "Name the source by its id or slug.")
	}
	s := v.account.Source(ref)
	if s == nil {
		return nil, problem.InvalidField("source", "unknown_source", "The account has no source of this id or slug.")
	}
	if !v.key.Serves(s.ID) {
		return nil, problem.Forbidden("source_not_allowed", "This key may not be used for this source.")
	}
	if !s.Active {
		return nil, sourceOff()
	}
	return s, nil
}

func sourceOff() *problem.Problem {
	return problem.InvalidField("source", "source_off", "This source is switched off.")
}

// keep stores the items, all or none, and gives each its receipt. With an
// error nothing was acknowledged.
//
// What was begun is finished even if the caller hangs up: the visitor has done
// their part, and the journal answers within its own time.
func (d *Door) keep(r *http.Request, s *scratch, items []item) error {
	leave, err := d.turn(r, d.leads, items[0].header.Account, len(items))
	if err != nil {
		return err
	}
	defer leave()
	reserved, err := d.reserve(items)
	if err != nil {
		return err
	}
	acks, err := d.store(r, s, items)
	d.settle(items[:reserved], err == nil || !notStored(err))
	if err != nil {
		return err
	}
	bytes := 0
	for i := range items {
		items[i].prove(acks[i])
		bytes += len(items[i].body)
	}
	d.stats.Requests.Add(1)
	d.stats.Leads.Add(uint64(len(items)))
	d.stats.Bytes.Add(uint64(bytes))
	return nil
}

// reserve claims the idempotency keys; a conflict gives back those it had.
func (d *Door) reserve(items []item) (int, error) {
	for i := range items {
		it := &items[i]
		if it.key == "" || d.window.reserve(it.header.Enquiry, it.header.BodyMAC, it.header.ReceivedAt) {
			continue
		}
		d.settle(items[:i], false)
		p := problem.Conflict("idempotency_conflict", "This Idempotency-Key was used with another body. Send the same body, or another key for another lead.")
		if len(items) > 1 {
			p.Errors = []problem.Field{{Index: &i, Code: p.Code, Detail: "This lead differs from the one that was sent before."}}
		}
		return 0, p
	}
	return len(items), nil
}

func (d *Door) settle(items []item, stored bool) {
	for i := range items {
		if items[i].key != "" {
			d.window.settle(items[i].header.Enquiry, stored)
		}
	}
}

// errSeal is before the journal: nothing can have been stored.
var errSeal = errors.New("capture: cannot seal")

// notStored reports whether an error says for certain that nothing is stored.
func notStored(err error) bool {
	var busy journal.ErrBusy
	if errors.As(err, &busy) {
		return busy.Reason != journal.BusyUnknown
	}
	return errors.Is(err, errSeal) || errors.Is(err, journal.ErrTooLarge)
}

func (d *Door) store(r *http.Request, s *scratch, items []item) ([]journal.Ack, error) {
	entries := make([]journal.Entry, len(items))
	for i := range items {
		var err error
		if entries[i], err = d.seal(r, s, &items[i]); err != nil {
			return nil, fmt.Errorf("%w: %w", errSeal, err)
		}
	}
	if len(entries) > 1 {
		return d.o.Journal.AppendAll(context.Background(), entries)
	}
	ack, err := d.o.Journal.Append(context.Background(), entries[0])
	if err != nil {
		return nil, err
	}
	return []journal.Ack{ack}, nil
}

// seal makes the journal's entry of an item, and the part of its receipt that
// is known before the commit.
func (d *Door) seal(r *http.Request, s *scratch, it *item) (journal.Entry, error) {
	it.receipt = receipt.Receipt{
		V: receipt.Version, ID: it.header.Enquiry,
		ReceivedAt: receipt.FormatTime(it.header.ReceivedAt), SHA256: sha256.Sum256(it.body),
	}
	rand.Read(it.receipt.Salt[:])
	s.payload = submission.AppendPayload(s.payload[:0], it.receipt.Salt, it.body, address(r), r.UserAgent(), r.Referer(), it.key)
	head := it.header.Append(make([]byte, 0, 128+len(it.header.ContentType)+len(s.payload)+32))
	box, sealed, err := d.o.Sealer.Seal(it.header.Account, s.payload, head)
	if err != nil {
		return journal.Entry{}, err
	}
	leaf := receipt.Leaf(it.receipt.Salt, it.receipt.ID, it.receipt.SHA256, it.receipt.ReceivedAt)
	return journal.Entry{Box: box, Data: append(head, sealed...), Leaf: leaf}, nil
}

// prove completes the receipt with what the commit gave.
func (it *item) prove(ack journal.Ack) {
	p := &it.receipt
	p.Stream, p.Seq, p.Index, p.Size = ack.Stream, ack.Seq, uint64(ack.Index), uint64(ack.Size)
	p.Path, p.Root, p.KeyID = receipt.Hashes(ack.Path), ack.Root, ack.KeyID
	copy(p.Signature[:], ack.Signature)
}

// address is the caller's as the gate house has it; "" when it has none.
func address(r *http.Request) string {
	a := caller.Of(r)
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
