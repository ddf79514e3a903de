package main

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"catchment/internal/firewall"
	"catchment/internal/operate"
	"catchment/internal/web"
)

// firewallConfig is what can be set of the firewall.
type firewallConfig struct {
	Firewall         string `help:"What is done with attack text: ${enum}. on: leads are held back, other requests refused; watch: leads are held back, other requests counted." enum:"on,watch,off" default:"on" env:"CATCHMENT_FIREWALL"`
	FirewallParanoia int    `name:"firewall-paranoia" help:"Level of the Core Rule Set, from 1 to 4: a higher one asks more rules and holds back more that is none." default:"1" env:"CATCHMENT_FIREWALL_PARANOIA"`
	FirewallExclude  string `name:"firewall-exclude" help:"Rules that are not asked, by number, apart by commas." env:"CATCHMENT_FIREWALL_EXCLUDE"`
}

func (c config) checkFirewall() error {
	if c.FirewallParanoia < 0 || c.FirewallParanoia > 4 {
		return usage("--firewall-paranoia is from 1 to 4")
	}
	for _, s := range c.excluded() {
		if n, err := strconv.Atoi(s); err != nil || n < 900_000 || n > 999_999 {
			return usage("--firewall-exclude %q: want numbers of rules, as 942100", s)
		}
	}
	return nil
}

func (c config) excluded() []string {
	return strings.FieldsFunc(c.FirewallExclude, func(r rune) bool { return r == ',' || r == ' ' })
}

// firewallSettings are what check has read.
func (c config) firewallSettings() firewall.Settings {
	s := firewall.Settings{Paranoia: c.FirewallParanoia}
	for _, id := range c.excluded() {
		n, _ := strconv.Atoi(id)
		s.Exclude = append(s.Exclude, n)
	}
	return s
}

// openFirewall makes what judges text. Its engines are made beside the start:
// who asks before waits for them.
func (h *house) openFirewall() {
	if h.c.Firewall == "off" {
		return
	}
	s := h.c.firewallSettings()
	h.firewall, h.guard = firewall.NewJudge(s), firewall.NewGuard(s)
	h.guard.Lookout = firewall.NewLookout(time.Now, func(a firewall.Alarm) {
		h.log.Warn("the firewall has cause for alarm", "alarm", string(a.Kind), "door", string(a.Door), "rule", a.Rule, "account_id", a.Account.String())
	})
	h.firewall.Lookout = h.guard.Lookout
	h.work.Go(func() {
		for _, warm := range []func() error{h.firewall.Warm, h.guard.Warm} {
			if err := warm(); err != nil {
				h.log.Error("the firewall's rules cannot be asked: leads that are not inert are held back, other requests answered with 503", "error", err)
			}
		}
	})
}

// guards are what every request passes before it is a door's.
func (h *house) guards() []web.Guard {
	out := []web.Guard{web.ByAddress(h.limits)}
	if h.guard != nil { // behind the limits of addresses
		out = append([]web.Guard{web.Firewalled(h.guard, h.c.Firewall == "watch", h.log, func(r *http.Request) bool { return captured(r) || picture(r) })}, out...)
	}
	return out
}

// captured are the requests that the capture door judges by itself, and reports
// to the operators, which speak of attacks and show them.
func captured(r *http.Request) bool {
	return r.Method == http.MethodPost && (openToPages(r) || r.URL.Path == operate.ReportPath)
}

// alarms are the firewall's, of this process.
func (h *house) alarms() []firewall.Alarm {
	if h.guard == nil {
		return nil
	}
	all, _ := h.guard.Lookout.Alarms()
	return all
}

// operatorFirewall is what operators see of it; nil with --firewall off.
func (h *house) operatorFirewall() *operate.Firewall {
	if h.guard == nil {
		return nil
	}
	var out operate.Firewall
	out.Alarms, out.Last = h.guard.Lookout.Alarms()
	return &out
}

// walls counts what came of the firewall.
type walls struct{ h *house }

var (
	wallLeads    = prometheus.NewDesc("catchment_firewall_leads_total", "Leads at the capture door, by what the firewall did: inert (its rules were not asked), judged, spoke (its rules spoke: held back), unjudged (no turn was had: held back).", []string{"outcome"}, nil)
	wallRequests = prometheus.NewDesc("catchment_firewall_requests_total", "Requests at the other doors: plain (the rules were not asked), looked, spoke (refused, or counted with watch), failed (503).", []string{"outcome"}, nil)
	wallAlarms   = prometheus.NewDesc("catchment_firewall_alarms", "What the firewall has cause to alarm about now, by kind: burst, new_rule, one_account.", []string{"kind"}, nil)
	wallRules    = prometheus.NewDesc("catchment_firewall_rules_total", "How often each rule spoke.", []string{"door", "rule"}, nil)
)

// Describe implements prometheus.Collector.
func (walls) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{wallLeads, wallRequests, wallRules, wallAlarms} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (w walls) Collect(c chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	now := map[firewall.AlarmKind]int{firewall.Burst: 0, firewall.NewRule: 0, firewall.OneAccount: 0}
	for _, a := range w.h.alarms() {
		if a.EndedAt.IsZero() {
			now[a.Kind]++
		}
	}
	for kind, n := range now {
		c <- prometheus.MustNewConstMetric(wallAlarms, prometheus.GaugeValue, float64(n), string(kind))
	}
	leads, requests := w.h.firewall.Stats(), w.h.guard.Stats()
	for outcome, n := range map[string]uint64{"inert": leads.Inert, "judged": leads.Judged, "spoke": leads.Spoke, "unjudged": leads.Unjudged} {
		count(wallLeads, n, outcome)
	}
	for outcome, n := range map[string]uint64{"plain": requests.Plain, "looked": requests.Looked, "spoke": requests.Spoke, "failed": requests.Failed} {
		count(wallRequests, n, outcome)
	}
	for door, rules := range map[string]map[int]uint64{"capture": leads.Rules, "other": requests.Rules} {
		for id, n := range rules {
			count(wallRules, n, door, strconv.Itoa(id))
		}
	}
}
