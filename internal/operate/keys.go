package operate

import (
	"context"
	"time"

	"catchment/internal/account"
	"catchment/internal/web"
)

// Key is one of the platform's keys: its name and its dates, never its bytes.
type Key struct {
	Kind, ID        string
	Born, Due, Ends time.Time // zero: not known; it has none
	Uses            bool      // it seals, signs or wraps what is new
	Late, Refused   bool
}

// PlatformKeys is how the platform's keys stand.
type PlatformKeys struct {
	Keys       []Key
	Recipients int // who can open the keyring when all else is lost
}

// KeyDates is a key as the operator sees it.
type KeyDates struct {
	Kind    string     `json:"kind" enum:"root,receipt,record,snapshot,tokens,factors,login,identity,passphrase,kms-token,tls,nats,sms,smtp,bucket"`
	ID      string     `json:"id" example:"b8d373b9"`
	BornAt  *time.Time `json:"born_at" doc:"null: before this was noted, or it stands in the environment."`
	DueAt   *time.Time `json:"due_at" doc:"When another should take its place; null: it stays."`
	EndsAt  *time.Time `json:"ends_at" doc:"From when on it makes nothing new; null: never. What it sealed opens all the same."`
	InUse   bool       `json:"in_use" doc:"It seals, signs or wraps what is new; else it only opens what it sealed."`
	Late    bool       `json:"late" doc:"It is overdue: docs/keys.md says how another takes its place."`
	Refused bool       `json:"refused" doc:"It is past its end."`
}

// KeysAnswer is how the platform's keys stand.
type KeysAnswer struct {
	Items      []KeyDates `json:"items"`
	OK         bool       `json:"ok" doc:"No key is late, and a lost keyring can be recovered."`
	Recipients int        `json:"recovery_recipients" doc:"Who can open the keyring when identity, passphrase or key service are lost; 0: nobody, and then every lead is lost."`
}

func (p Parts) keyRoutes() {
	web.Meet(p.API, web.Op{Method: "GET", Path: "/v1/operator/keys", Name: "operator-keys", Tag: "operator", Permission: account.RunPlatform,
		Summary: "The platform's keys", Detail: "Names and dates, oldest first in each kind, then the secrets that this machine was given; no key. Answers 200 also when one is late: look at ok."}, p.keys)
}

func (p Parts) keys(context.Context, *web.Visit, *struct{}) (*KeysAnswer, error) {
	all := p.Keys()
	out := &KeysAnswer{Items: []KeyDates{}, OK: all.Recipients > 0, Recipients: all.Recipients}
	for _, k := range all.Keys {
		out.Items = append(out.Items, KeyDates{Kind: k.Kind, ID: k.ID, BornAt: orNull(k.Born), DueAt: orNull(k.Due), EndsAt: orNull(k.Ends), InUse: k.Uses, Late: k.Late, Refused: k.Refused})
		out.OK = out.OK && !k.Late
	}
	return out, nil
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
