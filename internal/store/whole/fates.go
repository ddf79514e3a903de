package whole

import (
	"strings"

	"catchment/internal/vault"
)

// fates says what each table is to an export of the account. A table that is
// not here fails a test: whoever adds one says what becomes of it.
var fates = map[string]func(*Table){
	"account":    held,
	"project":    held,
	"source":     held,
	"job":        all(held, keep(jobsThatGoOn), fresh),
	"event_head": held,
	"event_cursor": all(held, keep(func(r Row) bool {
		name, _ := r["follower"].(string)
		return !strings.HasPrefix(name, "webhook:")
	})),
	"audit_head":    held,
	"audit_waiting": held,
	// one that has no position yet would be given one before the head is there
	"event_batch": func(t *Table) { t.HeldIf = func(r Row) bool { return r["first_position"] == nil } },
	"api_key":     all(held, keep(func(r Row) bool { return r["kind"] == "publishable" })),

	"member": sealed(under("phone", "member", "user_id", vault.Phone, "user_id"), under("email", "member", "user_id", vault.Email, "user_id")),
	"person": sealed(under("name", "person", "person_id", vault.Name, ""), under("phone", "person", "person_id", vault.Phone, ""),
		under("email", "person", "person_id", vault.Email, "")),
	"person_past": sealed(under("was", "person", "person_id", "", "")),
	"withheld":    sealed(under("value", "person", "person_id", "", "")),
	"enquiry": sealed(under("message", "enquiry", "enquiry_id", vault.Message, ""), under("custom_sealed", "enquiry", "enquiry_id", vault.Custom, ""),
		under("consent", "enquiry", "enquiry_id", vault.Consent, "")),
	"submission":  sealed(under("raw", "submission", "submission_id", vault.Raw, ""), under("trace", "submission", "submission_id", vault.Trace, "")),
	"note":        sealed(under("text", "note", "note_id", vault.Note, "")),
	"site_visit":  sealed(under("place", "site_visit", "visit_id", vault.Spot, "")),
	"suppression": sealed(under("evidence", "suppression", "suppression_id", vault.Proof, "")),
	// what is in it goes beside its row, and its key is made anew
	"lead_file": all(keep(func(r Row) bool { return r["state"] == "kept" }), sealed(under("name", "lead_file", "file_id", vault.FileName, ""), under("content_key", "lead_file", "file_id", vault.Content, ""))),
	// a user's phone or e-mail as it stood in their row
	"change": sealed(under("was_sealed", "member", "thing", "", "thing"), under("now_sealed", "member", "thing", "", "thing")),
	"import": all(keep(func(r Row) bool { return r["finished_at"] != nil }), empty("wrapped", "file_mac")),

	"account_alarm": carried, "account_limit": carried, "assignment": carried, "attempt": carried, "attempt_open": carried, "audit_about": carried,
	"audit_event": carried, "audit_leaf": carried, "backtest": carried, "booking": carried, "dead_letter": carried, "decision": carried, "device_rule": carried,
	"figure_cell": carried, "figure_share": carried, "holiday": carried, "import_mapping": carried, "import_result": carried, "lead": carried,
	"lead_origin": carried, "lead_tag": carried, "masking": carried, "merge": carried, "offer": carried, "own_role": carried, "person_index": carried, "person_link": carried,
	"policy": carried, "pool": carried, "pool_member": carried, "presence_span": carried, "quarantine": carried, "quarantine_rules": carried,
	"retention": carried, "round": carried, "saved_view": carried, "service_clock": carried, "shift": carried, "sign_in_rule": carried, "source_silence": carried, "source_watch": carried,
	"spend": carried, "stage": carried, "stage_change": carried, "subject_request": carried,

	"account_keyset": left(keys), "person_key": left(keys), "member_key": left(keys), "grant_key": left(keys),
	"access_grant": left(platform), "grant_lead": left(platform),
	"audit_checkpoint": left("they are in record.jsonl; another platform signs the same tree with its own key"),
	"published":        left("what the doors are told is told anew"),
	"credential":       left(signIn), "session": left(signIn), "one_time_link": left(signIn), "second_factor": left(signIn), "recovery_code": left(signIn),
	"passkey": left(signIn), "code_sent": left(signIn), "sso_provider": left(sso), "sso_domain": left(sso), "sso_bond": left(sso), "sso_flow": left(sso),
	"device": left(devices), "push_subscription": left(devices),
	"key_generation": left("a key's older texts end with their place"),
	"image":          left("a picture lies in the bucket, and its link is of this place; fetch pictures by their links"),
	"answered":       left("answers to repeated requests live for a day"),
	"burst":          left("counts of the last minutes"),
	"export":         left(files), "export_chunk": left(files), "import_chunk": left(files),
	"webhook": left(receivers), "webhook_delivery": left(receivers),
	"account_end": left("an account that is to end ends where that was asked"),
}

// Why tables are left out.
const (
	keys      = "new keys are made where the account comes to"
	platform  = "a grant lets operators of one platform look; the record has it"
	signIn    = "who signs in does so anew where the account comes to"
	sso       = "an identity provider is told the new address, and is set up again"
	devices   = "a device's share ends with the place that gave it"
	receivers = "a receiver is told the new secret, and is set up again"
	files     = "a file under way is made or sent again"
)

func carried(*Table) {}

func held(t *Table) { t.Held = true }

func left(why string) func(*Table) { return func(t *Table) { t.Left = why } }

func keep(f func(Row) bool) func(*Table) { return func(t *Table) { t.Keep = f } }

func empty(columns ...string) func(*Table) { return func(t *Table) { t.Empty = columns } }

func sealed(columns ...Sealed) func(*Table) { return func(t *Table) { t.Sealed = columns } }

// under is a column that is sealed under the key of whose, a person's when "".
func under(column, table, row string, field vault.Field, whose string) Sealed {
	if whose == "" {
		whose = "person_id"
	}
	return Sealed{Column: column, Table: table, Row: row, Field: field, Whose: whose}
}

func all(parts ...func(*Table)) func(*Table) {
	return func(t *Table) {
		for _, f := range parts {
			f(t)
		}
	}
}

// jobsThatGoOn are all but those that belong to what is left out.
func jobsThatGoOn(r Row) bool {
	switch r["kind"] {
	case "end-account", "end-grant", "export", "import", "account-export", "file":
		return false
	}
	return true
}

// fresh takes a job's lease and tries off: where it comes to nobody has begun it.
func fresh(t *Table) {
	was := t.Keep
	t.Keep = func(r Row) bool {
		r["rev"], r["tries"], r["leased_until"], r["lease"], r["error"] = int64(1), int64(0), int64(0), int64(0), ""
		return was == nil || was(r)
	}
}
