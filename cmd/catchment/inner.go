package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/courier"
	"catchment/internal/events"
	"catchment/internal/insight"
	"catchment/internal/journal"
	"catchment/internal/logbook"
	"catchment/internal/operate"
	"catchment/internal/privacy"
	"catchment/internal/store"
	"catchment/internal/store/answers"
	"catchment/internal/store/devices"
	"catchment/internal/store/setup"
	"catchment/internal/web"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// innerRoutes are health and metrics, for those who run the machine; more is
// counted by others than the house.
func (h *house) innerRoutes(more ...prometheus.Collector) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeState(w, http.StatusOK, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := h.notReady(); why != "" {
			writeState(w, http.StatusServiceUnavailable, map[string]string{"reason": why})
			return
		}
		writeState(w, http.StatusOK, nil)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(h.metrics(more), promhttp.HandlerOpts{}))
	return mux
}

func writeState(w http.ResponseWriter, status int, more map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	out := map[string]string{"status": http.StatusText(status)}
	for k, v := range more {
		out[k] = v
	}
	_ = json.NewEncoder(w).Encode(out)
}

// notReady says why no traffic should come; "" when it may. With SQL away a
// house that has a snapshot still takes leads, so it is ready.
func (h *house) notReady() string {
	switch {
	case h.draining.Load():
		return "draining"
	case h.sealed:
		return "sealed"
	case h.journal.Admit() != nil:
		return "the journal takes no leads"
	case h.ready.Load():
		return ""
	case h.capture != nil && h.snapshot.Ready():
		return ""
	}
	return "the database was never reached"
}

// metrics counts; no metric carries a person, a key or a path.
func (h *house) metrics(more []prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(more...)
	if h.c.Services != nil {
		r.MustRegister(h.c.Services)
	}
	r.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsGC, collectors.MetricsMemory)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "catchment", Name: name, Help: help}, f))
	}
	gauge := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "catchment", Name: name, Help: help}, f))
	}
	gauge("sealed", "1 while the keyring waits for its passphrase or its key service.", func() float64 {
		if h.sealed {
			return 1
		}
		return 0
	})
	if b := h.c.Book; b != nil {
		counter("log_dropped_total", "Lines of the log that were not kept: too many, or their bucket is away.", func() float64 { return float64(b.Dropped()) })
	}
	if h.journal == nil {
		return r
	}
	counter("journal_entries_total", "Leads that are durable in the journal.", func() float64 { return float64(h.journal.Stats().Appended) })
	counter("journal_commits_total", "Group commits.", func() float64 { return float64(h.journal.Stats().Commits) })
	counter("journal_refused_total", "Entries refused because the journal could not take more.", func() float64 { return float64(h.journal.Stats().Refused) })
	gauge("journal_queued_entries", "Entries waiting for their commit.", func() float64 { return float64(h.journal.Stats().QueuedEntries) })
	gauge("journal_gaps", "Messages found missing when the journal was opened.", func() float64 { return float64(h.journal.Stats().Gaps + h.journal.Stats().WentBack) })
	if h.capture != nil {
		s := h.capture.Stats()
		counter("capture_leads_total", "Leads answered with 202 or 303.", func() float64 { return float64(s.Leads.Load()) })
		counter("capture_shed_total", "Requests refused before they were read.", func() float64 { return float64(s.Shed.Load()) })
		r.MustRegister(refusals{h}, walls{h})
		gauge("door_untrusted_entries", "Accounts and revocations of which this door cannot open what was published last: it goes on by what it knew before. With the keys of a door (door.age) that are too old, all of them.", func() float64 { return float64(h.snapshot.Untrusted()) })
	}
	if h.intake != nil {
		s := h.intake.Stats()
		counter("intake_taken_total", "Submissions that became enquiries.", func() float64 { return float64(s.Taken.Load()) })
		counter("intake_duplicates_total", "Submissions that had been taken before.", func() float64 { return float64(s.Duplicates.Load()) })
		counter("intake_again_total", "Transactions of intake that began anew.", func() float64 { return float64(s.Again.Load()) })
		counter("intake_dead_total", "Submissions set aside as dead letters.", func() float64 { return float64(s.Dead.Load()) })
		counter("intake_erased_total", "Journal entries dropped because the deletion ledger names them.", func() float64 { return float64(s.Erased.Load()) })
		counter("intake_lost_total", "Damaged journal entries of which not even the account is known.", func() float64 { return float64(s.Lost.Load()) })
		counter("jobs_run_total", "Jobs run.", func() float64 { ran, _ := h.runner.Stats(); return float64(ran) })
		counter("jobs_failed_total", "Jobs that failed and are tried again.", func() float64 { _, failed := h.runner.Stats(); return float64(failed) })
	}
	for name, c := range map[string]*courier.Courier{"sms": h.phones, "mail": h.mail} {
		if c != nil {
			s := c.Stats()
			counter(name+"_delivered_total", "Messages that a carrier took.", func() float64 { return float64(s.Delivered.Load()) })
			counter(name+"_failed_total", "Messages that no carrier took in time.", func() float64 { return float64(s.Failed.Load()) })
			counter(name+"_tries_total", "Times that a message was offered to a carrier.", func() float64 { return float64(s.Tries.Load()) })
		}
	}
	if h.notify != nil {
		r.MustRegister(pushes{h})
	}
	if h.webhooks != nil {
		r.MustRegister(hooks{h})
	}
	if h.page != nil {
		r.MustRegister(pictures{h})
	}
	return r
}

var pushDesc = prometheus.NewDesc("catchment_pushes_total", "Pushes, by push service and what came of them.", []string{"service", "outcome"}, nil)

// pushes counts what became of pushes.
type pushes struct{ h *house }

// Describe implements prometheus.Collector.
func (pushes) Describe(c chan<- *prometheus.Desc) { c <- pushDesc }

// Collect implements prometheus.Collector.
func (p pushes) Collect(c chan<- prometheus.Metric) {
	for service, s := range p.h.notify.Stats() {
		c <- prometheus.MustNewConstMetric(pushDesc, prometheus.CounterValue, float64(s.Delivered.Load()), service, "taken")
		c <- prometheus.MustNewConstMetric(pushDesc, prometheus.CounterValue, float64(s.Failed.Load()), service, "failed")
	}
}

// refusals counts the door's refusals by their problem's code.
type refusals struct{ h *house }

var refusedDesc = prometheus.NewDesc("catchment_capture_refused_total", "Requests refused at the capture door.", []string{"code"}, nil)

// Describe implements prometheus.Collector.
func (refusals) Describe(c chan<- *prometheus.Desc) { c <- refusedDesc }

// Collect implements prometheus.Collector.
func (r refusals) Collect(c chan<- prometheus.Metric) {
	for code, n := range r.h.capture.Stats().Refused() {
		c <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(n), code)
	}
}

// operate wires the operator's door from figures, without any account's keys.
func (h *house) operate(api *web.API) {
	approvals := h.approvals()
	operate.New(operate.Parts{
		API: api, Version: version, Started: h.started, Engine: string(h.db.Engine()),
		Accounts: h.operatorAccounts, Journal: h.operatorJournal, Jobs: h.operatorJobs, Events: h.operatorEvents, Database: h.db.Ping, Keys: h.operatorKeys, Firewall: h.operatorFirewall,
		Limits: h.readLimits, SetLimits: h.setLimits, Counts: h.limits,
		Record: audit.NewPlatform(h.db), Support: privacy.NewSupport(h.db, h.events, h.grants, nil), Approvals: approvals, Logs: h.readLogs(approvals),
		Concerns: h.concerns, PublicURL: h.c.publicURL(),
	})
}

// approvals are wired without the accounts' keys: the job that makes a grant has
// them.
func (h *house) approvals() *privacy.Approvals {
	return privacy.NewApprovals(h.db, h.jobs, h.events, cmp.Or(h.c.Approvals, 2), nil)
}

// readLogs is nil when no log is kept.
func (h *house) readLogs(by *privacy.Approvals) *privacy.Logs {
	if h.logs == nil {
		return nil
	}
	return privacy.NewLogs(by, logbook.NewReader(h.logs, h.ring.LogIdentity()))
}

func (h *house) operatorAccounts(ctx context.Context, after web.Place, limit int) ([]operate.Account, error) {
	var from *setup.Account
	if !after.At.IsZero() {
		from = &setup.Account{ID: account.IDFrom(after.ID), CreatedAt: after.At}
	}
	list, err := h.directory.Census(ctx, from, limit)
	out := make([]operate.Account, len(list))
	for i, a := range list {
		out[i] = operate.Account{ID: a.ID, Name: a.Name, DefaultRegion: a.DefaultRegion, CreatedAt: a.CreatedAt,
			Users: a.Users, Projects: a.Projects, Sources: a.Sources}
	}
	return out, err
}

func (h *house) operatorJournal(ctx context.Context) (operate.Journal, error) {
	s, err := h.journal.State(ctx)
	if err != nil {
		return operate.Journal{}, err
	}
	out := operate.Journal{LastSeq: s.Last, Backlog: s.Pending, Oldest: s.OldestUnacked, FreeDisk: uint64(max(0, s.FreeDisk))}
	if err := h.journal.Admit(); err != nil {
		out.Closed, out.Why = true, busyReason(err)
	}
	out.Cursor, err = h.directory.Cursor(ctx, h.journal.Stream())
	return out, err
}

func (h *house) operatorJobs(ctx context.Context) (operate.Jobs, error) {
	n, oldest, err := h.runner.Overdue(ctx)
	if err != nil {
		return operate.Jobs{}, err
	}
	failed, err := h.runner.Failing(ctx)
	out := operate.Jobs{Due: int64(n), Failed: failed}
	if !oldest.IsZero() {
		out.Oldest = time.Since(oldest)
	}
	return out, err
}

func (h *house) operatorEvents(ctx context.Context) (operate.Events, error) {
	s, err := h.feed.Health(ctx, insight.Follower)
	out := operate.Events{Unplaced: s.Unplaced, Behind: s.Behind}
	if !s.Oldest.IsZero() {
		out.Oldest = time.Since(s.Oldest)
	}
	return out, err
}

// The journal stays behind SQL for so long or so many bytes, whichever is
// less. Answers are kept under their idempotency keys as long, and as long as a
// device of the account may work without us besides.
const (
	keepJournal      = 24 * time.Hour
	keepJournalBytes = 4 << 30
	keepAnswers      = 24 * time.Hour
)

// analyze has PostgreSQL count tables that grow fast: often while a new house
// fills, then now and then, for a new account of an old one.
func (h *house) analyze(run context.Context) {
	if h.db.Engine() != store.Postgres {
		return
	}
	for n := 0; ; n++ {
		wait := 2 * time.Second
		if n > 60 {
			wait = 30 * time.Second
		}
		select {
		case <-run.Done():
			return
		case <-time.After(wait):
		}
		if _, err := store.Analyze(run, h.storeOptions()); err != nil && run.Err() == nil {
			h.log.Debug("the database could not be analyzed; its own housekeeping will", "error", err)
		}
	}
}

// tidy removes what has served its time. What operators approved just before a
// stop is taken up at once.
func (h *house) tidy(run context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for n := 0; ; n++ {
		err := h.approvals().Resume(run)
		if n > 0 {
			err = errors.Join(err, h.tidyOnce(run, n%60 == 1))
		}
		if err != nil && run.Err() == nil {
			h.log.Warn("tidying did not finish; it is tried again", "error", err)
		}
		select {
		case <-run.Done():
			return
		case <-minute.C:
		}
	}
}

func (h *house) tidyOnce(ctx context.Context, hourly bool) error {
	seq, err := h.directory.Cursor(ctx, h.journal.Stream())
	if err != nil {
		return err
	}
	if n, err := h.journal.Trim(ctx, seq, keepJournal, keepJournalBytes); err != nil {
		return err
	} else if n > 0 {
		h.log.Info("journal trimmed", "messages", n)
	}
	if err := h.concerns.Tell(ctx); err != nil {
		return err
	}
	if !hourly {
		return nil
	}
	if n, err := h.concerns.Forget(ctx); err != nil {
		return err
	} else if n > 0 {
		if err := h.scrub(ctx); err != nil {
			return err
		}
	}
	if _, err := h.privacy.SweepGrants(ctx); err != nil {
		return err
	}
	scopes, err := h.scopes(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(h.signin.Tidy(ctx, scopes), h.signin.RecheckDomains(ctx), h.turnKeys(ctx, scopes)); err != nil {
		return err
	}
	for _, scope := range scopes {
		err := h.db.Write(ctx, scope, func(tx *store.Tx) error {
			rule, err := devices.GetRule(tx)
			if err != nil {
				return err
			}
			if _, err := answers.Forget(tx, time.Now().Add(-rule.Lease-keepAnswers)); err != nil {
				return err
			}
			return h.tellEnding(tx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tellEnding has those who follow the account's events know of keys that end
// soon.
func (h *house) tellEnding(tx *store.Tx) error {
	ending, err := h.directory.EndingKeys(tx)
	for _, k := range ending {
		h.events.Emit(tx, events.Event{Kind: events.KeyEnding, At: time.Now(), Data: map[string]any{"key_id": k.ID, "expires_at": k.ExpiresAt}})
	}
	return err
}

// indexPhones finishes what an older version left: users are found by their
// phones, for codes.
func (h *house) indexPhones(ctx context.Context) {
	err := h.eachAccount(ctx, func(id account.ID) error { return h.signin.IndexPhones(ctx, id) })
	if err != nil && ctx.Err() == nil {
		h.log.Warn("some users cannot sign in by code until the next start", "error", err)
	}
}

func busyReason(err error) string {
	var b journal.ErrBusy
	if errors.As(err, &b) {
		return b.Reason
	}
	return "unknown"
}
