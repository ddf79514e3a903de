// Package account has the words for who is in the house: accounts, the
// people who work in them, their roles, and the permissions there are.
package account

import (
	"strings"

	"catchment/internal/account/internal/scope"
	"catchment/internal/ident"
)

// Scope is an account's handle: see account/admit, which alone makes one.
type Scope = scope.Scope

// Identifiers of an account and of what belongs to its set-up.
type (
	ID        = ident.ID[scope.Account]
	UserID    = ident.ID[userKind]
	KeyID     = ident.ID[keyKind]
	SessionID = ident.ID[sessionKind]
	PasskeyID = ident.ID[passkeyKind]
	ProjectID = ident.ID[projectKind]
	SourceID  = ident.ID[sourceKind]
	PoolID    = ident.ID[poolKind]
	PolicyID  = ident.ID[policyKind]
	// BacktestID names one trial of a policy on the past.
	BacktestID = ident.ID[backtestKind]
	// HolidayID names days off, of the account or of one user.
	HolidayID = ident.ID[holidayKind]
	// RoleID names a role that an account made for itself.
	RoleID = ident.ID[roleKind]
	// DeviceID names a device of a user, PushID where its pushes go.
	DeviceID = ident.ID[deviceKind]
	PushID   = ident.ID[pushKind]
	// GrantID names a grant of an account to somebody of the platform.
	GrantID = ident.ID[grantKind]
	// ViewID names a view of the list of leads that somebody keeps.
	ViewID = ident.ID[viewKind]
	// WebhookID names an address that is told what happens.
	WebhookID = ident.ID[webhookKind]
	// ImageID names a public picture. Its link has another name, which is secret.
	ImageID = ident.ID[imageKind]
)

// NewID makes the id of a new account. (Its kind is not exported, so that
// ident.New cannot be called for it from elsewhere.)
func NewID() ID { return ident.New[scope.Account]() }

// NewUserID and its siblings make fresh ids.
func NewUserID() UserID         { return ident.New[userKind]() }
func NewKeyID() KeyID           { return ident.New[keyKind]() }
func NewSessionID() SessionID   { return ident.New[sessionKind]() }
func NewPasskeyID() PasskeyID   { return ident.New[passkeyKind]() }
func NewProjectID() ProjectID   { return ident.New[projectKind]() }
func NewSourceID() SourceID     { return ident.New[sourceKind]() }
func NewPoolID() PoolID         { return ident.New[poolKind]() }
func NewPolicyID() PolicyID     { return ident.New[policyKind]() }
func NewBacktestID() BacktestID { return ident.New[backtestKind]() }
func NewHolidayID() HolidayID   { return ident.New[holidayKind]() }
func NewRoleID() RoleID         { return ident.New[roleKind]() }
func NewDeviceID() DeviceID     { return ident.New[deviceKind]() }
func NewPushID() PushID         { return ident.New[pushKind]() }
func NewGrantID() GrantID       { return ident.New[grantKind]() }
func NewViewID() ViewID         { return ident.New[viewKind]() }
func NewWebhookID() WebhookID   { return ident.New[webhookKind]() }
func NewImageID() ImageID       { return ident.New[imageKind]() }

// IDFrom and UserIDFrom give 16 bytes their kind back.
func IDFrom(b [16]byte) ID         { return ident.From[scope.Account](b) }
func UserIDFrom(b [16]byte) UserID { return ident.From[userKind](b) }

// WebhookIDFrom gives 16 bytes of a webhook their kind back.
func WebhookIDFrom(b [16]byte) WebhookID { return ident.From[webhookKind](b) }

// PushIDFrom gives 16 bytes of a push subscription their kind back.
func PushIDFrom(b [16]byte) PushID { return ident.From[pushKind](b) }

// DeviceIDFrom gives 16 bytes of a device their kind back.
func DeviceIDFrom(b [16]byte) DeviceID { return ident.From[deviceKind](b) }

// GrantIDFrom gives 16 bytes of a grant their kind back.
func GrantIDFrom(b [16]byte) GrantID { return ident.From[grantKind](b) }

// SessionIDFrom gives 16 bytes of a session their kind back.
func SessionIDFrom(b [16]byte) SessionID { return ident.From[sessionKind](b) }

// FirstPolicy and PoolOfFirst go between a pool and its first policy, which is
// not stored and has the pool's own number.
// ParsePoolID reads the text form of a pool's id.
func ParsePoolID(s string) (PoolID, error) { return ident.Parse[poolKind](s) }

func FirstPolicy(p PoolID) PolicyID { return ident.From[policyKind](p.UUID()) }
func PoolOfFirst(p PolicyID) PoolID { return ident.From[poolKind](p.UUID()) }

// ParseID and its siblings read the text forms.
func ParseID(s string) (ID, error)                 { return ident.Parse[scope.Account](s) }
func ParseUserID(s string) (UserID, error)         { return ident.Parse[userKind](s) }
func ParseKeyID(s string) (KeyID, error)           { return ident.Parse[keyKind](s) }
func ParseProjectID(s string) (ProjectID, error)   { return ident.Parse[projectKind](s) }
func ParsePolicyID(s string) (PolicyID, error)     { return ident.Parse[policyKind](s) }
func ParseSourceID(s string) (SourceID, error)     { return ident.Parse[sourceKind](s) }
func ParseBacktestID(s string) (BacktestID, error) { return ident.Parse[backtestKind](s) }
func ParseHolidayID(s string) (HolidayID, error)   { return ident.Parse[holidayKind](s) }
func ParseSessionID(s string) (SessionID, error)   { return ident.Parse[sessionKind](s) }
func ParseRoleID(s string) (RoleID, error)         { return ident.Parse[roleKind](s) }
func ParsePasskeyID(s string) (PasskeyID, error)   { return ident.Parse[passkeyKind](s) }
func ParseDeviceID(s string) (DeviceID, error)     { return ident.Parse[deviceKind](s) }
func ParsePushID(s string) (PushID, error)         { return ident.Parse[pushKind](s) }
func ParseGrantID(s string) (GrantID, error)       { return ident.Parse[grantKind](s) }
func ParseViewID(s string) (ViewID, error)         { return ident.Parse[viewKind](s) }
func ParseWebhookID(s string) (WebhookID, error)   { return ident.Parse[webhookKind](s) }
func ParseImageID(s string) (ImageID, error)       { return ident.Parse[imageKind](s) }

type (
	userKind     struct{}
	keyKind      struct{}
	sessionKind  struct{}
	passkeyKind  struct{}
	projectKind  struct{}
	sourceKind   struct{}
	poolKind     struct{}
	policyKind   struct{}
	backtestKind struct{}
	holidayKind  struct{}
	roleKind     struct{}
	deviceKind   struct{}
	pushKind     struct{}
	grantKind    struct{}
	viewKind     struct{}
	webhookKind  struct{}
	imageKind    struct{}
)

func (userKind) Prefix() string     { return "user" }
func (keyKind) Prefix() string      { return "key" }
func (sessionKind) Prefix() string  { return "sess" }
func (passkeyKind) Prefix() string  { return "passkey" }
func (projectKind) Prefix() string  { return "proj" }
func (sourceKind) Prefix() string   { return "src" }
func (poolKind) Prefix() string     { return "pool" }
func (policyKind) Prefix() string   { return "plcy" }
func (backtestKind) Prefix() string { return "btst" }
func (holidayKind) Prefix() string  { return "hol" }
func (roleKind) Prefix() string     { return "role" }
func (deviceKind) Prefix() string   { return "dev" }
func (pushKind) Prefix() string     { return "push" }
func (grantKind) Prefix() string    { return "grant" }
func (viewKind) Prefix() string     { return "view" }
func (webhookKind) Prefix() string  { return "whk" }
func (imageKind) Prefix() string    { return "img" }

// Role is what a user or a secret key is in an account, or on the platform: one
// of those below, or the text form of a RoleID.
type Role string

// The roles. Support and Operator belong to the platform, not to an account.
const (
	Salesperson Role = "salesperson"
	Manager     Role = "manager"
	Marketer    Role = "marketer"
	Admin       Role = "admin"
	Auditor     Role = "auditor"
	Support     Role = "support"
	Operator    Role = "operator"
)

// AccountRoles lists the roles that an account's own users and keys can have.
func AccountRoles() []Role { return []Role{Salesperson, Manager, Marketer, Admin, Auditor} }

// Permission is what a route asks for. Every route declares exactly one.
type Permission string

// OfPlatform reports whether it is for the platform's side, beyond accounts.
func (p Permission) OfPlatform() bool { return strings.HasPrefix(string(p), "platform:") }

// The permissions. How far one goes, and who holds it: package rights.
const (
	ReadLeads      Permission = "leads:read"       // leads, without persons
	OpenPersons    Permission = "persons:open"     // personal data of leads that one reads
	WorkLeads      Permission = "leads:work"       // attempts, notes, stages, follow-ups
	MoveLeads      Permission = "leads:move"       // transfer, merge, unmerge, quarantine, dead letters
	ExportLeads    Permission = "leads:export"     // files of leads out, with their persons
	ReadReports    Permission = "reports:read"     // counts, never a person
	ManageRouting  Permission = "routing:manage"   // pools and their members, shifts, policies
	AnswerOffers   Permission = "offers:answer"    // presence, own offers, accept and decline
	FollowEvents   Permission = "events:follow"    // the live stream, filtered to what one may read
	Measure        Permission = "attempts:measure" // of keys: what they report of attempts was measured by a provider
	Capture        Permission = "capture"          // hand in a lead
	ImportLeads    Permission = "leads:import"     // files of leads in
	ReadSetup      Permission = "setup:read"       // projects, sources, pools, stages, people's presence
	ManageSetup    Permission = "setup:manage"     // projects, sources, stages
	EnterSpend     Permission = "spend:enter"      // what was paid for sources and campaigns
	DraftContent   Permission = "content:draft"    // what is shown on pages, before it is; pictures, which are shown to whoever has their link
	PublishContent Permission = "content:publish"  // have it shown
	ManagePeople   Permission = "people:manage"    // users and roles
	ManageKeys     Permission = "keys:manage"      // publishable and secret keys
	ManagePrivacy  Permission = "privacy:manage"   // what people ask about their data: copies, erasure
	ManageGrants   Permission = "grants:manage"    // what support may open, for how long
	LeaveAccount   Permission = "account:leave"    // take everything of the account out, and end it
	ReadRecord     Permission = "record:read"      // who opened what, when and why
	UseOwnSession  Permission = "session:own"      // one's own session and profile
	RunPlatform    Permission = "platform:run"     // accounts and health, nothing personal
	ReviewPlatform Permission = "platform:record"  // who did what on the platform, and sign-offs
	UseGrants      Permission = "platform:grants"  // opens what accounts have granted to oneself, on their records
	Public         Permission = "public"           // no credential: sign-in, documents, health
)

// Presence is what a salesperson declares.
type Presence string

// The presences that a person can declare. Off-hours is computed from shifts.
const (
	Available Presence = "available"
	Engaged   Presence = "engaged"
	Away      Presence = "away"
	LoggedOff Presence = "logged-off"
)

// Valid reports whether p is one that a person can declare.
func (p Presence) Valid() bool {
	return p == Available || p == Engaged || p == Away || p == LoggedOff
}
