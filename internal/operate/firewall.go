package operate

import (
	"time"

	"catchment/internal/firewall"
	"catchment/internal/web"
)

// Firewall is what it has cause to alarm about, and where its rules spoke last.
type Firewall struct {
	Alarms []firewall.Alarm
	Last   []firewall.Sample
}

// FirewallView is the firewall as operators see it: numbers of rules, nothing
// that was sent.
type FirewallView struct {
	Alarms []FirewallAlarm `json:"alarms" nullable:"false" doc:"Those that stand and those of the last day, newest first."`
	Last   []FirewallHit   `json:"last" nullable:"false" doc:"The last twenty times that rules spoke, newest first."`
}

// FirewallAlarm ends by itself, a quarter of an hour after its last cause.
type FirewallAlarm struct {
	Kind      string        `json:"kind" enum:"burst,new_rule,one_account" doc:"burst: rules spoke far more often than is usual; new_rule: one spoke that had not before; one_account: nearly all is aimed at one account."`
	Door      string        `json:"door" enum:"capture,other"`
	Rule      *FirewallRule `json:"rule" doc:"Of new_rule; null of others."`
	AccountID *string       `json:"account_id" doc:"Of one_account; null of others."`
	Hits      int           `json:"hits" doc:"How often rules spoke while it stood."`
	RaisedAt  time.Time     `json:"raised_at"`
	AgainAt   time.Time     `json:"again_at" doc:"When there was cause last."`
	EndedAt   *time.Time    `json:"ended_at" doc:"null: it is still so."`
}

// FirewallHit is a time that rules spoke.
type FirewallHit struct {
	At        time.Time      `json:"at"`
	Door      string         `json:"door" enum:"capture,other"`
	Rules     []FirewallRule `json:"rules" nullable:"false"`
	AccountID *string        `json:"account_id" doc:"Whose lead it is; null at the other doors."`
	Reference *string        `json:"reference" doc:"Of the request, in its answer and in the log; null at the capture door."`
}

// FirewallRule is a rule of the OWASP Core Rule Set.
type FirewallRule struct {
	ID   int    `json:"id" example:"942100"`
	Name string `json:"name" doc:"What it looks for, in English." example:"SQL Injection Attack Detected via libinjection"`
}

func ruleView(id int) FirewallRule { return FirewallRule{id, firewall.Name(id)} }

func firewallView(f *Firewall) *FirewallView {
	if f == nil {
		return nil
	}
	out := &FirewallView{Alarms: []FirewallAlarm{}, Last: []FirewallHit{}}
	for _, a := range f.Alarms {
		view := FirewallAlarm{Kind: string(a.Kind), Door: string(a.Door), AccountID: web.OrNull(a.Account.String()), Hits: a.Hits, RaisedAt: a.RaisedAt.UTC(), AgainAt: a.AgainAt.UTC(), EndedAt: web.TimeOrNull(a.EndedAt)}
		if a.Rule != 0 {
			rule := ruleView(a.Rule)
			view.Rule = &rule
		}
		out.Alarms = append(out.Alarms, view)
	}
	for _, s := range f.Last {
		hit := FirewallHit{At: s.At.UTC(), Door: string(s.Door), Rules: []FirewallRule{}, AccountID: web.OrNull(s.Account.String()), Reference: web.OrNull(s.Reference)}
		for _, id := range s.Rules {
			hit.Rules = append(hit.Rules, ruleView(id))
		}
		out.Last = append(out.Last, hit)
	}
	return out
}
