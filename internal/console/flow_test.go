package console_test

import (
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
)

func now() time.Time { return store.Clock(time.Now()) }

func TestReports(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		s := c.shop()
		for range 3 {
			c.arrive(s)
		}
		other.arrive(other.shop())
		h.count()
		r := c.admin.get("/v1/reports/leads?by=source").want(t, 200)
		rows := r.list("rows")
		counts, _ := rows[0]["counts"].(map[string]any)
		if len(rows) != 1 || rows[0]["id"] != s.source || rows[0]["leads"] != 3.0 || counts["enquiries"] != 3.0 || counts["new"] != 3.0 || counts["won"] != 0.0 {
			t.Error(r.text)
		}
		if rows := c.admin.get("/v1/reports/leads?by=project").list("rows"); len(rows) != 1 || rows[0]["id"] != s.project || rows[0]["leads"] != 3.0 {
			t.Error(rows)
		}
		if rows := c.admin.get("/v1/reports/leads?by=category").list("rows"); len(rows) != 4 || rows[0]["name"] != "new" || rows[0]["leads"] != 3.0 || rows[2]["leads"] != 0.0 {
			t.Error(rows)
		}
		past := c.admin.get("/v1/reports/leads?from=2020-01-01T00:40:00Z&to=2020-01-02T00:40:00Z").want(t, 200)
		if past.str("from") != "2020-01-01T00:30:00Z" || past.str("to") != "2020-01-02T01:00:00Z" || past.list("rows")[0]["leads"] != 0.0 {
			t.Error(past.text)
		}
		for path, want := range map[string]string{
			"from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z": "invalid from not_before_to",
			"from=2001-01-01T00:00:00Z&to=2020-01-01T00:00:00Z": "invalid from too_long",
			"from=yesterday": "invalid from invalid",
			"by=person":      "invalid by not_in_list",
		} {
			if got := c.admin.get("/v1/reports/leads?" + path); got.status != 422 || got.code() != want {
				t.Errorf("%s: %d %s, want 422 %s", path, got.status, got.code(), want)
			}
		}
	})
}

func TestDeadLetters(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		c, other := h.company(), h.company()
		d := leads.DeadLetter{ID: lead.NewDeadID(), Enquiry: lead.NewEnquiryID(), Stream: "test", Seq: 7, Place: 2, Reason: "unknown_source",
			Entry: []byte("sealed"), Box: []byte("box"), ReceivedAt: now(), ChangedAt: now()}
		c.write(func(tx *store.Tx) error { _, err := leads.AddDead(tx, d); return err })
		manager := c.user(account.Manager)
		list := manager.get("/v1/dead-letters?state=open").want(t, 200).list("items")
		if len(list) != 1 || list[0]["reason"] != "unknown_source" || list[0]["enquiry_id"] != d.Enquiry.String() || list[0]["seq"] != 7.0 {
			t.Error(list)
		}
		if got := manager.get("/v1/dead-letters?state=replayed").list("items"); len(got) != 0 {
			t.Error(got)
		}
		if got := manager.post("/v1/dead-letters/"+d.ID.String()+"/replay", nil).want(t, 202); got.str("state") != "asked" {
			t.Error(got.text)
		}
		other.admin.post("/v1/dead-letters/"+d.ID.String()+"/replay", nil).want(t, 404)
		c.write(func(tx *store.Tx) error {
			_, err := leads.SetDead(tx, d.ID, leads.DeadReplayed, d.Reason, now())
			return err
		})
		if got := manager.post("/v1/dead-letters/"+d.ID.String()+"/replay", nil).want(t, 409); got.code() != "dead_letter_replayed" {
			t.Error(got.text)
		}
	})
}
