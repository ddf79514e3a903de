package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"catchment/internal/account"
	"catchment/internal/firewall"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// InspectJob asks the whole set of the firewall's rules about what it holds
// back, and lets through what is clean. Its key is inspectKey: an account has
// one, however many enquiries wait.
const (
	InspectJob jobs.Kind = "inspect"
	inspectKey string    = "account"

	inspectAtOnce = 20 // enquiries of a turn, and of an entry on the record
)

// Inspector is the job's name in the record.
const Inspector = "system:inspect"

// Texts opens sealed values on the record. keyring.Opener does.
type Texts interface {
	Open(ctx context.Context, scope account.Scope, actor string, purpose vault.Purpose, sealed ...vault.Sealed) (keyring.Opened, error)
}

// share keeps inspections to a fifth of one processor, of all accounts
// together: an attack costs time here, and nothing else waits for it.
type share struct{ mu sync.Mutex }

const restFor = 4 // times what the work took

func (s *share) do(ctx context.Context, work func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began := time.Now()
	work()
	rest := time.NewTimer(restFor * time.Since(began))
	defer rest.Stop()
	select {
	case <-ctx.Done():
	case <-rest.C:
	}
}

// waiting is one held enquiry with what was received for it.
type waiting struct {
	held   leads.Held
	source account.SourceID
	parts  []leads.Submission
}

// HandleInspect does the job for some of those that wait, and has itself called
// again for the others.
func (in *Intake) HandleInspect(ctx context.Context, j jobs.Job) error {
	if in.o.Firewall == nil || in.o.Texts == nil {
		return in.o.DB.Write(ctx, j.Scope, j.Done)
	}
	facts, err := in.facts.get(ctx, j.Scope, false)
	if err != nil {
		return err
	}
	some, err := in.uninspected(ctx, j.Scope)
	if err != nil {
		return err
	}
	if len(some) == 0 || facts == nil {
		return in.o.DB.Write(ctx, j.Scope, j.Done)
	}
	values, err := in.open(ctx, j.Scope, facts, some)
	if err != nil {
		return err
	}
	for i, w := range some {
		var rules []int
		in.share.do(ctx, func() { rules = in.o.Firewall.Whole(values[i]) })
		if slices.Contains(rules, firewall.Unjudged) {
			return errors.New("intake: the firewall's rules could not be asked")
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := in.inspected(ctx, j.Scope, w.held.Enquiry, rules, facts.Quarantine); err != nil {
			return err
		}
	}
	return in.o.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
		more, err := leads.Uninspected(tx, 1)
		if err != nil {
			return err
		}
		if len(more) == 0 {
			return j.Done(tx)
		}
		return j.Later(tx, time.Now())
	})
}

func (in *Intake) uninspected(ctx context.Context, s account.Scope) (out []waiting, err error) {
	err = in.o.DB.Read(ctx, s, func(tx *store.Tx) error {
		out = nil
		all, err := leads.Uninspected(tx, inspectAtOnce)
		if err != nil {
			return err
		}
		for _, h := range all {
			e, err := leads.EnquiryByID(tx, h.Enquiry)
			if err != nil {
				return err
			}
			parts, err := leads.Submissions(tx, h.Enquiry)
			if err != nil {
				return err
			}
			out = append(out, waiting{h, e.Source, parts})
		}
		return nil
	})
	return out, err
}

// open opens what was received, with one entry on the record, and returns each
// enquiry's texts. What does not open says nothing.
func (in *Intake) open(ctx context.Context, s account.Scope, facts *setup.Facts, some []waiting) ([][]string, error) {
	var sealed []vault.Sealed
	for _, w := range some {
		for _, p := range w.parts {
			sealed = append(sealed, p.Raw, p.Trace)
		}
	}
	opened, err := in.o.Texts.Open(ctx, s, Inspector, vault.ForIntake, sealed...)
	if err != nil {
		return nil, err
	}
	out := make([][]string, len(some))
	at := 0
	for i, w := range some {
		for _, p := range w.parts {
			raw, trace := reveal.Text(opened.Values[at]), reveal.Text(opened.Values[at+1])
			at += 2
			out[i] = append(out[i], said(p, raw, facts.Sources[w.source].Mapping)...)
			out[i] = append(out[i], sender(trace)...)
		}
	}
	return out, nil
}

// said are the texts of a raw body; all of it when it cannot be read any more.
func said(p leads.Submission, raw string, mapping map[string]string) []string {
	if raw == "" {
		return nil
	}
	body, format, contentType := []byte(raw), submission.Kind(p.Format), ""
	if format == submission.AsForm {
		contentType = formType(body)
	}
	sub, err := submission.Decode(format, contentType, body, mapping)
	if err != nil {
		return []string{raw}
	}
	return firewall.Values(sub)
}

// formType tells the two kinds of forms apart, whose Content-Type is not kept:
// one begins with its boundary.
func formType(body []byte) string {
	line, _, _ := bytes.Cut(body, []byte("\r\n"))
	if boundary, ok := bytes.CutPrefix(line, []byte("--")); ok && len(boundary) > 0 && len(boundary) <= 70 {
		return `multipart/form-data; boundary="` + string(boundary) + `"`
	}
	return "application/x-www-form-urlencoded"
}

func sender(trace string) []string {
	var t struct {
		UserAgent string `json:"user_agent"`
		Referer   string `json:"referer"`
	}
	_ = json.Unmarshal([]byte(trace), &t) // nothing was seen of the sender
	return []string{t.UserAgent, t.Referer}
}

// inspected notes what the rules say of one, and lets it through when that is
// nothing, or nothing that the account holds enquiries for.
func (in *Intake) inspected(ctx context.Context, s account.Scope, id lead.EnquiryID, rules []int, own lead.QuarantineRules) error {
	clean := !slices.ContainsFunc(rules, func(r int) bool { return !slices.Contains(own.FirewallPass, r) })
	return in.o.DB.Write(ctx, s, func(tx *store.Tx) error {
		if err := leads.Inspected(tx, id, rules, store.Clock(time.Now())); err != nil || !clean {
			return err
		}
		err := in.Release(tx, id, Inspector)
		if p, ok := problem.Of(err); ok && p.Status < 500 {
			return nil // a human was faster, or the person is gone
		}
		return err
	})
}
