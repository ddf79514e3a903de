package store_test

import (
	"path/filepath"
	"testing"

	"catchment/internal/account"
	"catchment/internal/store"
)

// What version 1 kept is there after migrating, with the plain rotation: a
// pool has no policy, its members owe and are owed nothing.
func TestVersionOneSurvives(t *testing.T) {
	o := store.Options{Path: filepath.Join(t.TempDir(), "old.db")}
	old, err := store.OpenAt(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	id := account.NewPoolID().UUID()
	for _, text := range []string{
		`INSERT INTO pool (account_id, pool_id, project_id, name, accept_seconds, offers_at_once, queue_name, alarm_seconds, version, created_at)
			VALUES (?1, ?1, ?1, 'Sales', 45, 1, 'Unanswered', 300, 7, 1)`,
		`INSERT INTO pool_member (account_id, pool_id, user_id, active, last_offer_at, offers_made, open_offers) VALUES (?1, ?1, ?1, 1, 5, 6, 1)`,
		`INSERT INTO assignment (account_id, lead_id, from_at, user_id, reason, by_actor) VALUES (?1, ?1, 9, ?1, 'accepted', 'x')`,
	} {
		if _, err := old.Exec(text, id[:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if from, to, err := store.Migrate(t.Context(), o); err != nil || from != 1 || to < 2 {
		t.Fatalf("from %d to %d: %v", from, to, err)
	}
	db, err := store.OpenAt(t.Context(), o, 1) // nothing to do: it only opens the file
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name, tags string
	var version, made, credit, misses, owned int64
	var none bool
	err = db.QueryRow(`SELECT p.name, p.version, p.policy_id IS NULL, m.offers_made, m.credit, m.misses, m.tags,
		(SELECT count(*) FROM assignment WHERE account_id = ?1 AND user_id = ?1 AND from_at >= 9)
		FROM pool p JOIN pool_member m ON m.account_id = p.account_id WHERE p.account_id = ?1`, id[:]).Scan(&name, &version, &none, &made, &credit, &misses, &tags, &owned)
	if err != nil || name != "Sales" || version != 7 || !none || made != 6 || credit != 0 || misses != 0 || tags != "[]" || owned != 1 {
		t.Errorf("%v: %q %d %v %d %d %d %s %d", err, name, version, none, made, credit, misses, tags, owned)
	}
}
