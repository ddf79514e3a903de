package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/store"
)

// Rule is how an account's users sign in (table sign_in_rule).
type Rule struct {
	NoPassword []account.Role // who does not sign in by password
	Second     []account.Role // who has to show a second factor
	Countries  []string       // ISO 3166: where codes go; none: the account's default region
	AlarmAt    time.Time      // of the last alarm about codes
	Networks   Networks
}

// Networks are from where an account's people and secret keys may come.
type Networks struct {
	Admins   caller.Networks `json:"admins,omitempty"`   // whoever manages people or keys, who keep to Everyone too
	Everyone caller.Networks `json:"everyone,omitempty"` // all users
	Keys     caller.Networks `json:"keys,omitempty"`
}

// Of lists what somebody has to keep to, an admin or not.
func (n Networks) Of(admin bool) []caller.Networks {
	if admin {
		return []caller.Networks{n.Everyone, n.Admins}
	}
	return []caller.Networks{n.Everyone}
}

var (
	getRule = store.Register("access.rule", `SELECT no_password, second_factor, countries, alarm_at, networks FROM sign_in_rule WHERE account_id = $1`)
	setRule = store.Register("access.rule.set", `INSERT INTO sign_in_rule (account_id, no_password, second_factor, countries, alarm_at) VALUES ($1, $2, $3, $4, 0)
		ON CONFLICT (account_id) DO UPDATE SET no_password = excluded.no_password, second_factor = excluded.second_factor, countries = excluded.countries`)
	setNetworks = store.Register("access.rule.networks", `INSERT INTO sign_in_rule (account_id, no_password, countries, alarm_at, networks) VALUES ($1, '[]', '[]', 0, $2)
		ON CONFLICT (account_id) DO UPDATE SET networks = excluded.networks`)
	setAlarm = store.Register("access.rule.alarm", `INSERT INTO sign_in_rule (account_id, no_password, countries, alarm_at) VALUES ($1, '[]', '[]', $2)
		ON CONFLICT (account_id) DO UPDATE SET alarm_at = excluded.alarm_at`)
)

// GetRule reads the rule; the zero Rule when none was ever set.
func GetRule(tx *store.Tx) (r Rule, err error) {
	var roles, second, countries, networks string
	err = tx.Row(getRule).Scan(&roles, &second, &countries, store.Time(&r.AlarmAt), &networks)
	if errors.Is(err, store.ErrNone) {
		return Rule{}, nil
	}
	if err != nil {
		return r, err
	}
	if err := errors.Join(json.Unmarshal([]byte(roles), &r.NoPassword), json.Unmarshal([]byte(second), &r.Second), json.Unmarshal([]byte(countries), &r.Countries), json.Unmarshal([]byte(networks), &r.Networks)); err != nil {
		return r, fmt.Errorf("access: rule: %w", err)
	}
	return r, nil
}

// SetRule stores roles and countries.
func SetRule(tx *store.Tx, r Rule) error {
	return tx.Must(setRule, listText(r.NoPassword), listText(r.Second), listText(r.Countries))
}

// SetNetworks stores from where people and keys may come.
func SetNetworks(tx *store.Tx, n Networks) error {
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("access: networks: %w", err)
	}
	return tx.Must(setNetworks, string(text))
}

func listText[T ~string](list []T) string {
	if len(list) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(list) // words cannot fail
	return string(text)
}

// SetAlarm notes when an alarm about codes was raised.
func SetAlarm(tx *store.Tx, at time.Time) error { return tx.Must(setAlarm, at.UnixMicro()) }
