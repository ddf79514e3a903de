package archtest

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"catchment/internal/store"
	"catchment/internal/store/storetest"

	// Every package that registers statements.
	_ "catchment/internal/store/access"
	_ "catchment/internal/store/answers"
	_ "catchment/internal/store/approvals"
	_ "catchment/internal/store/carry"
	_ "catchment/internal/store/changes"
	_ "catchment/internal/store/concerns"
	_ "catchment/internal/store/content"
	_ "catchment/internal/store/counts"
	_ "catchment/internal/store/cursor"
	_ "catchment/internal/store/devices"
	_ "catchment/internal/store/ending"
	_ "catchment/internal/store/eventlog"
	_ "catchment/internal/store/grants"
	_ "catchment/internal/store/keys"
	_ "catchment/internal/store/leads"
	_ "catchment/internal/store/members"
	_ "catchment/internal/store/offers"
	_ "catchment/internal/store/people"
	_ "catchment/internal/store/policies"
	_ "catchment/internal/store/published"
	_ "catchment/internal/store/record"
	_ "catchment/internal/store/retention"
	_ "catchment/internal/store/setup"
	_ "catchment/internal/store/views"
	_ "catchment/internal/store/webhooks"
	_ "catchment/internal/store/whole"
	_ "catchment/internal/store/work"

	_ "modernc.org/sqlite"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var parameter = regexp.MustCompile(`\$(\d+)`)

// The guard: SQLite's planner must reach every table of a bound statement by
// account_id, and an insert must put $1 into account_id.
func TestEveryStatementIsBoundToItsAccount(t *testing.T) {
	o := storetest.SQLiteOptions(t)
	db, err := sql.Open("sqlite", "file:"+o.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	bound := 0
	for _, st := range store.Statements() {
		if st.Unbound || strings.HasPrefix(st.Name, "test.") {
			continue
		}
		bound++
		if fault := inspect(t, db, st.Text); fault != "" {
			t.Errorf("%s: %s\n%s", st.Name, fault, st.Text)
		}
	}
	if bound < 20 {
		t.Errorf("only %d statements were inspected", bound)
	}
}

// Controls: the guard refuses what it must refuse.
func TestTheGuardRefuses(t *testing.T) {
	o := storetest.SQLiteOptions(t)
	db, err := sql.Open("sqlite", "file:"+o.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, text := range []string{
		`SELECT lead_id FROM lead WHERE $1 IS NOT NULL`,
		`SELECT l.lead_id FROM lead l JOIN offer o ON o.lead_id = l.lead_id WHERE l.account_id = $1`,
		`UPDATE lead SET version = 1 WHERE lead_id = $2 OR account_id = $1`,
		`DELETE FROM note WHERE created_at < $2 AND $1 = $1`,
		`INSERT INTO event_head (account_id, next_position) VALUES ($2, $1)`,
		`WITH made AS MATERIALIZED (SELECT lead_id AS id FROM offer WHERE round_id = $2)
			UPDATE lead SET version = 1 FROM made WHERE lead.account_id = $1 AND lead.lead_id = made.id`,
	} {
		if inspect(t, db, text) == "" {
			t.Errorf("the guard lets this pass: %s", text)
		}
	}
}

var (
	insertHead = regexp.MustCompile(`(?is)^\s*INSERT INTO (\w+)\s*\(\s*account_id\b`)
	insertRow  = regexp.MustCompile(`(?is)(VALUES\s*\(\s*\$1\b|SELECT\s+\$1\b|SELECT\s+CAST\(\$1\b)`)
)

func inspect(t *testing.T, db *sql.DB, text string) string {
	t.Helper()
	if strings.HasPrefix(strings.ToUpper(strings.TrimSpace(text)), "INSERT") && (!insertHead.MatchString(text) || !insertRow.MatchString(text)) {
		return "an insert begins with account_id, and its value is $1"
	}
	n := 0
	for _, m := range parameter.FindAllStringSubmatch(text, -1) {
		var k int
		fmt.Sscan(m[1], &k)
		n = max(n, k)
	}
	args := make([]any, n)
	rows, err := db.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+parameter.ReplaceAllString(text, "?$1"), args...)
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	made := map[string]bool{} // by the statement itself, from tables whose lines are judged too
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(detail, "MATERIALIZE "); ok {
			made["SCAN "+name] = true
		}
		if made[detail] {
			continue
		}
		if fault := step(detail); fault != "" {
			return fault
		}
	}
	return ""
}

// step judges one line of the plan.
func step(detail string) string {
	switch {
	case strings.HasPrefix(detail, "SEARCH "):
		if !strings.Contains(detail, "(account_id=?") {
			return "reached other than by account_id: " + detail
		}
	case strings.HasPrefix(detail, "SCAN CONSTANT ROW"), strings.HasPrefix(detail, "SCAN json_each"):
	case regexp.MustCompile(`^SCAN \(?(subquery|\w+-ROW|\d+ CONSTANT)`).MatchString(detail):
	case strings.HasPrefix(detail, "SCAN "):
		return "a scan: " + detail
	}
	return ""
}

// unbound lists each statement that runs for any account. A new one is added
// here on purpose, in its group.
var unbound = []string{
	// who comes in, found by a hash before the account is known
	"access.credential.by-login", "access.key.by-hash", "access.key.by-id", "access.key.seen", "access.generation.by-hash", "access.generation.seen", "access.link.by-token",
	"access.session.add-operator", "access.session.by-id", "access.session.by-token", "access.session.end", "access.session.renew", "access.session.seen",
	"access.sessions.of-operator",
	"access.credential.by-phone", "access.flow.add", "access.flow.asked", "access.flow.by-secret", "access.flow.end", "access.flow.end-slot",
	"access.flow.forget", "access.flow.prove", "access.flow.try", "access.sent.prefix",
	"access.operator", "access.operator.add", "access.supporters", "access.approvers", "access.operator.by-login", "access.operator.password", "access.sessions.end-operator",
	// an operator's second factors; a user's are reached by the bound statements of the same text
	"access.factor.confirm.operator", "access.factor.get.operator", "access.factor.good.operator", "access.factor.offer.operator",
	"access.factor.remove.operator", "access.factor.step.operator", "access.factor.try.operator",
	"access.recovery.add.operator", "access.recovery.end.operator", "access.recovery.left.operator", "access.recovery.use.operator",
	"access.factor.has.operator", "access.passkey.add.operator", "access.passkey.name.operator", "access.passkey.remove.operator", "access.passkey.use.operator",
	"access.passkeys.operator", "access.passkeys.remove.operator",
	// a passkey is found by its credential, and a ceremony used once, before the account is known
	"access.passkey.by-credential", "access.passkey.flow.end", "access.passkey.flow.forget",
	"access.sso.by-domain", "access.sso.domains.due", "access.sso.flow.by-secret", "access.sso.flow.by-state",
	"devices.ended-by-token",
	// what was granted to somebody of the platform, and whose it is
	"grants.of-operator", "grants.whose",
	// what operators approve is the platform's
	"approvals.add", "approvals.approve", "approvals.close", "approvals.get", "approvals.list", "approvals.of", "approvals.open", "approvals.over", "approvals.waiting",
	"concerns.add", "concerns.answer", "concerns.close", "concerns.drop", "concerns.drop-key", "concerns.drop-words", "concerns.get", "concerns.key", "concerns.last-told", "concerns.list", "concerns.list-open", "concerns.look", "concerns.over", "concerns.told", "concerns.unanswered", "concerns.untold", "concerns.word", "concerns.words",
	// the platform's record
	"record.platform.add", "record.platform.list", "record.platform.one", "record.platform.unsigned", "record.platform.unsigned.count", "record.platform.sign-off",
	// whose record has entries to place, a tree to sign, a checkpoint to export
	"record.accounts.unexported", "record.accounts.unsigned", "record.accounts.waiting",
	// how far SQL has taken the journal
	"cursor.load", "cursor.save",
	// events get their positions, followers find accounts that have new ones
	"eventlog.accounts", "eventlog.backlog", "eventlog.behind", "eventlog.head.any", "eventlog.head.move",
	"eventlog.head.new", "eventlog.place", "eventlog.unplaced", "eventlog.waiting",
	// accounts, for the snapshot, the operator and the housekeeping
	"ending.list", "keys.newest", "setup.accounts", "setup.accounts.more", "setup.census",
	// whose webhook has something to be told, and how many take nothing
	"webhooks.due", "webhooks.figures",
	// the work list finds what is due
	"work.claim", "work.due", "work.failing", "work.next", "work.overdue", "work.postpone", "work.renew", "work.unlease",
}

func TestUnboundStatementsAreListed(t *testing.T) {
	var have []string
	for _, st := range store.Statements() {
		if st.Unbound && !strings.HasPrefix(st.Name, "test.") {
			have = append(have, st.Name)
		}
	}
	for _, name := range have {
		if !slices.Contains(unbound, name) {
			t.Errorf("%s is not bound to an account and not listed", name)
		}
	}
	for _, name := range unbound {
		if !slices.Contains(have, name) {
			t.Errorf("%s is listed and does not exist", name)
		}
	}
}

// leadTables are what the directory's role must never read.
func TestUnboundStatementsReachNoLead(t *testing.T) {
	personal := regexp.MustCompile(`(?i)\b(person|person_key|person_index|submission|enquiry|lead|note|attempt|offer|decision|round|dead_letter|audit_event)\b`)
	for _, st := range store.Statements() {
		if st.Unbound && !strings.HasPrefix(st.Name, "test.") && personal.MatchString(st.Text) {
			t.Errorf("%s reads %s", st.Name, personal.FindString(st.Text))
		}
	}
}
