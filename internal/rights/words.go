package rights

import (
	"encoding"
	"fmt"
	"slices"

	"catchment/internal/account"
)

// Reach is how far a permission goes. What is not about single leads goes as
// far as the account.
type Reach uint8

// The reaches, each wider than the one before.
const (
	None  Reach = iota
	Mine        // leads that one owns; for reading and opening, also those on offer to one
	Teams       // and those of the projects whose team one is in
	All         // and every other of the account
)

var reachWords = [...]string{"none", "mine", "teams", "all"}

var _ encoding.TextMarshaler = Reach(0)

func (r Reach) String() string { return reachWords[r] }

// MarshalText writes none, mine, teams or all.
func (r Reach) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads it.
func (r *Reach) UnmarshalText(b []byte) (err error) {
	*r, err = ParseReach(string(b))
	return err
}

// ParseReach reads none, mine, teams or all.
func ParseReach(s string) (Reach, error) {
	i := slices.Index(reachWords[:], s)
	if i < 0 {
		return None, fmt.Errorf("rights: %q is no reach", s)
	}
	return Reach(i), nil
}

// Word is a permission in plain English.
type Word struct {
	Permission account.Permission
	Words      string
	Reaches    []Reach // that an account's own role may give it; none for what no role of an account's own holds
	Lead       bool    // it is about single leads; else about the account or the platform
	Coming     bool    // no route asks for it yet: what will is being built
}

// Permissions lists what a role can hold, in the order of screens.
func Permissions() []Word { return slices.Clone(words) }

// WordOf finds a permission in the list.
func WordOf(p account.Permission) (Word, bool) {
	i := slices.IndexFunc(words, func(w Word) bool { return w.Permission == p })
	if i < 0 {
		return Word{}, false
	}
	return words[i], true
}

var (
	anyReach  = []Reach{Mine, Teams, All}
	teamOrAll = []Reach{Teams, All}
	whole     = []Reach{All}
)

var words = []Word{
	{Permission: account.ReadLeads, Lead: true, Reaches: anyReach, Words: "Reads leads, without the persons"},
	{Permission: account.OpenPersons, Lead: true, Reaches: anyReach, Words: "Opens names, numbers and messages of the leads that it reads, on the record"},
	{Permission: account.WorkLeads, Lead: true, Reaches: anyReach, Words: "Calls, notes, stages, visits and bookings"},
	{Permission: account.MoveLeads, Lead: true, Reaches: teamOrAll, Words: "Gives leads to somebody else, judges the quarantine, merges persons"},
	{Permission: account.ExportLeads, Lead: true, Reaches: whole, Words: "Takes files of leads out, with their persons"},
	{Permission: account.ReadReports, Lead: true, Reaches: teamOrAll, Words: "Sees counts, never a person"},
	{Permission: account.ManageRouting, Reaches: whole, Words: "Decides who gets leads: teams, shifts, policies"},
	{Permission: account.AnswerOffers, Reaches: whole, Words: "Is offered leads, and accepts or declines"},
	{Permission: account.FollowEvents, Reaches: whole, Words: "Follows what happens live, as far as it reads leads"},
	{Permission: account.Measure, Reaches: whole, Words: "Of keys: what they report of calls was measured by a provider"},
	{Permission: account.Capture, Reaches: whole, Words: "Hands in leads"},
	{Permission: account.ImportLeads, Reaches: whole, Words: "Brings files of leads in"},
	{Permission: account.ReadSetup, Reaches: whole, Words: "Sees projects, sources, stages and who works here"},
	{Permission: account.ManageSetup, Reaches: whole, Words: "Changes projects, sources and stages"},
	{Permission: account.EnterSpend, Reaches: whole, Words: "Enters what was paid for sources and campaigns"},
	{Permission: account.DraftContent, Reaches: whole, Words: "Adds and removes public pictures, for mails and pages"},
	{Permission: account.PublishContent, Reaches: whole, Coming: true, Words: "Publishes content"},
	{Permission: account.ManagePeople, Reaches: whole, Words: "Invites and changes users, makes roles, sets the rules of signing in"},
	{Permission: account.ManageKeys, Reaches: whole, Words: "Makes, rotates and revokes keys, and webhooks"},
	{Permission: account.ManagePrivacy, Reaches: whole, Words: "Answers what people ask about their data: copies, erasure"},
	{Permission: account.ManageGrants, Reaches: whole, Words: "Lets somebody of the platform open chosen leads for a time, and takes it back"},
	{Permission: account.LeaveAccount, Reaches: whole, Words: "Takes everything of the account out, and ends the account"},
	{Permission: account.ReadRecord, Reaches: whole, Words: "Reads who opened what, when and why"},
	{Permission: account.UseOwnSession, Words: "Has a session and a profile"},
	{Permission: account.RunPlatform, Words: "Runs the platform: accounts and health, nothing personal"},
	{Permission: account.ReviewPlatform, Words: "Reads who did what on the platform, and signs off what others did"},
	{Permission: account.UseGrants, Words: "Opens the leads that an account has granted to them, each time on the record of the account"},
}
