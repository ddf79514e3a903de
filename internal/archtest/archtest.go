// Package archtest keeps the picture of the house true: which package is on
// which floor, that imports only point down, and who holds the permissions
// that are given by import. Its tests are its content.
package archtest

// floors lists the packages from the roof to the ground. A package may import
// those of lower floors only, and none of its own floor. A line's packages
// below a family (store/people) count as the family's room, see families.
var floors = []struct {
	name     string
	packages []string
}{
	{"the command", []string{"cmd/catchment"}},
	{"roof", []string{"demo", "proof"}},
	{"gate house", []string{"edge"}},
	{"doors", []string{"capture", "desk", "console", "operate", "app", "page"}},
	{"hall", []string{"web", "sift"}},
	{"stages", []string{"intake", "routing", "followup", "insight", "publish", "carry", "signin", "notify", "privacy", "webhook", "locksmith", "filing", "concern"}},
	{"the bell", []string{"alarm"}},
	{"keeps", []string{"keyring", "directory", "events", "audit", "jobs", "snapshot", "firewall", "logbook"}},
	{"cellars: tables", []string{
		"store/access", "store/alarms", "store/answers", "store/approvals", "store/carry", "store/changes", "store/concerns", "store/content", "store/counts", "store/cursor", "store/devices", "store/ending", "store/eventlog", "store/grants", "store/keys", "store/leads",
		"store/members", "store/mover", "store/offers", "store/people", "store/policies", "store/published", "store/record", "store/retention", "store/setup", "store/views", "store/webhooks", "store/whole", "store/work"}},
	{"cellars", []string{"store", "journal", "files", "courier", "keyservice", "limits", "ledger", "password"}},
	{"keys to rooms", []string{"account/admit", "vault/reveal"}},
	{"words about the record", []string{"checkpoint"}},
	{"words about leads and rights", []string{"submission", "receipt", "rights", "upload"}},
	{"vault", []string{"vault"}},
	{"words", []string{"lead", "account", "problem"}},
	{"letters", []string{"ident", "caller", "outward", "docs", "totp", "upload/specimen"}},
}

// permissions: importing the package is a right, held by these.
var permissions = map[string][]string{
	// Who makes a Scope: each has just checked a credential, or takes the
	// account from a row that an admitted caller wrote.
	"account/admit": {"directory", "signin", "notify", "jobs", "events", "audit", "intake", "privacy", "webhook", "cmd/catchment"},
	// Who reads a Personal: those who seal, and those who answer a screen; and
	// the firewall, which gives numbers of rules for it.
	"vault/reveal": {"keyring", "intake", "desk", "console", "operate", "directory", "carry", "courier", "signin", "webhook", "firewall"},
	// Who sees across accounts (store.Dir) is listed by the guard test.
}

// testOnly are helpers for tests, scratch servers for tests and proofs.
var testOnly = []string{"clocktest", "logtest", "keyring/keyringtest", "archtest", "store/storetest", "store/scratch", "propertytest/table", "app/apptest/sqlcipher", "checkpoint/checkpointtest", "files/filestest", "keyservice/awstest"}
