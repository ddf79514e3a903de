package main

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/account/admit"
	"catchment/internal/store"
	"catchment/internal/store/storetest"
	"catchment/internal/store/work"
)

// A server that alone has its database takes over what a killed one had in
// hand; on PostgreSQL the lease may be of a server that lives.
func TestWhatAKilledServerHadInHand(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { inHand(t, store.Options{}, 2) })
	t.Run("postgres", func(t *testing.T) { inHand(t, storetest.PostgresOptions(t), 1) })
}

// inHand leaves a job with the lease of an hour and one without. Nobody does
// this kind, so each that is begun stays, as one that failed.
func inHand(t *testing.T, o store.Options, want int64) {
	c := settingsFor(t, o)
	serve(t, c).stop() // makes folder and schema
	db, err := store.Open(t.Context(), c.storeOptions())
	if err != nil {
		t.Fatal(err)
	}
	now, s := time.Now(), admit.To(account.NewID())
	for _, key := range []string{"held", "free"} {
		if err := db.Write(t.Context(), s, func(tx *store.Tx) error { return work.Add(tx, "nobodys", key, now, now) }); err != nil {
			t.Fatal(err)
		}
	}
	err = db.Directory(t.Context(), func(d *store.Dir) error {
		_, ok, err := work.Claim(d, work.Job{Account: s.Account(), Kind: "nobodys", Key: "held", Lease: 7}, now, now.Add(time.Hour))
		if err == nil && !ok {
			t.Error("not claimed")
		}
		return err
	})
	db.Close()
	if err != nil {
		t.Fatal(err)
	}
	r := serve(t, c)
	failing := int64(0)
	for end := time.Now().Add(patience); failing < want && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if failing, err = r.house.runner.Failing(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	if failing != want {
		t.Errorf("%d jobs were begun, want %d", failing, want)
	}
}
