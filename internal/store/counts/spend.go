package counts

import (
	"time"

	"catchment/internal/store"
)

// Spend is what was paid on one day (UTC) for one source or campaign.
type Spend struct {
	Day      time.Time
	Dim      Dim // OfSource or OfCampaign
	Key      string
	Currency string // ISO 4217
	Minor    int64  // hundredths, or what the currency has
}

var (
	spendSet = store.Bulk("counts.spend.set", `INSERT INTO spend (account_id, day_at, dim, key, currency, minor) VALUES`,
		`($1, $2, $3, $4, $5, $6)`, `ON CONFLICT (account_id, day_at, dim, key, currency) DO UPDATE SET minor = excluded.minor`)
	spendOf = store.Register("counts.spend.of", `SELECT key, currency, CAST(sum(minor) AS bigint) FROM spend
		WHERE account_id = $1 AND day_at >= $2 AND day_at < $3 AND dim = $4 GROUP BY key, currency`)
)

// SetSpend says what was paid; what was said before of the same day, key and
// currency is replaced. The rows name each only once.
func SetSpend(tx *store.Tx, all []Spend) error {
	rows := make([][]any, len(all))
	for i, s := range all {
		rows[i] = []any{s.Day.UnixMicro(), string(s.Dim), s.Key, s.Currency, s.Minor}
	}
	_, err := tx.Bulk(spendSet, rows)
	return err
}

// Spent sums the days that begin in [from, to), by key of the dim (OfSource or
// OfCampaign) and currency; the day of each is zero.
func Spent(tx *store.Tx, d Dim, from, to time.Time) (out []Spend, err error) {
	rows, err := tx.Query(spendOf, from.UnixMicro(), to.UnixMicro(), string(d))
	err = store.Each(rows, err, func(scan func(...any) error) error {
		s := Spend{Dim: d}
		err := scan(&s.Key, &s.Currency, &s.Minor)
		out = append(out, s)
		return err
	})
	return out, err
}
