package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"catchment/internal/store"
	"catchment/internal/store/webhooks"
)

// hooks are the figures of accounts' webhooks.
type hooks struct{ h *house }

var (
	hookTries = prometheus.NewDesc("catchment_webhook_messages_total", "Messages to accounts' webhooks, tries of this process by what came of them; dead: those that it gave up.", []string{"outcome"}, nil)
	hookState = prometheus.NewDesc("catchment_webhooks", "Webhooks of all accounts. failing and waiting are among the active ones.", []string{"state"}, nil)
	hookSince = prometheus.NewDesc("catchment_webhook_failing_seconds", "For how long the webhook that has failed for longest has taken nothing; 0: none fails.", nil, nil)
)

// Describe implements prometheus.Collector.
func (hooks) Describe(c chan<- *prometheus.Desc) { c <- hookTries; c <- hookState; c <- hookSince }

// Collect implements prometheus.Collector. While SQL is away there are the
// outcomes alone.
func (k hooks) Collect(c chan<- prometheus.Metric) {
	for outcome, n := range k.h.webhooks.Outcomes() {
		c <- prometheus.MustNewConstMetric(hookTries, prometheus.CounterValue, float64(n), outcome)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	f, err := k.h.webhooks.Figures(ctx)
	if err != nil {
		return
	}
	for state, n := range map[string]int64{"active": f.Active, "paused": f.Paused, "gone": f.Gone, "failing": f.Failing, "waiting": f.Waiting} {
		c <- prometheus.MustNewConstMetric(hookState, prometheus.GaugeValue, float64(n), state)
	}
	since := 0.0
	if !f.Since.IsZero() {
		since = max(0, time.Since(f.Since).Seconds())
	}
	c <- prometheus.MustNewConstMetric(hookSince, prometheus.GaugeValue, since)
}

// failsLong is how long a webhook may fail before the doctor tells of it: an
// account's own receiver may be down for a day.
const failsLong = 24 * time.Hour

// hooks tells of webhooks that take nothing.
func (d *doctor) hooks() {
	var f webhooks.Figures
	err := d.h.db.ReadDirectory(d.w.ctx, func(dir *store.Dir) (err error) { f, err = webhooks.CountAll(dir); return err })
	switch {
	case err != nil:
		d.bad("webhooks: %v", err)
	case f.Gone > 0 || !f.Since.IsZero() && time.Since(f.Since) > failsLong:
		d.warn("webhooks: %d active, %d of them take nothing (the first since %s), %d have said that they are gone; their accounts have alarms", f.Active, f.Failing, dated(f.Since), f.Gone)
	default:
		d.ok("webhooks: %d active, %d of them fail, none for a day", f.Active, f.Failing)
	}
}
