// Package console is the manager's and the admin's door, and the integrator's:
// what is sold, where leads come in, who works, how leads are offered, and
// what came of it. Callers may rely on this: what belongs to another account
// answers exactly like what never was; every change is on the record and
// reaches the doors through the snapshot; and users' phones and e-mails leave
// only when asked for, with a purpose, after the opening is on the record.
package console

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"slices"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/carry"
	"catchment/internal/courier"
	"catchment/internal/directory"
	"catchment/internal/events"
	"catchment/internal/filing"
	"catchment/internal/insight"
	"catchment/internal/intake"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/limits"
	"catchment/internal/privacy"
	"catchment/internal/publish"
	"catchment/internal/routing"
	"catchment/internal/signin"
	"catchment/internal/store"
	"catchment/internal/store/changes"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/web"
	"catchment/internal/webhook"
)

// Opener opens sealed values for an actor with one entry on the record, which
// is committed before anything is decrypted. keyring.Opener is one.
type Opener interface {
	Open(ctx context.Context, scope account.Scope, actor string, purpose vault.Purpose, sealed ...vault.Sealed) (keyring.Opened, error)
}

// Replayer asks for a dead letter to be tried again, and finds those that speak
// of somebody. intake.Intake is one.
type Replayer interface {
	AskReplay(tx *store.Tx, id lead.DeadID, actor string) error
	Unread(ctx context.Context, s account.Scope, actor string, purpose vault.Purpose, about string, entries []people.Entry) ([]intake.Unread, int, error)
}

// Parts is what the console is made of. All but Mail, Limits and Tree are needed.
type Parts struct {
	API       *web.API
	DB        *store.DB
	Directory *directory.Directory
	Signin    *signin.Signin
	Routing   *routing.Router
	Watcher   *insight.Watcher
	Events    *events.Log
	Replayer  Replayer
	Carrier   *carry.Carrier
	Opener    Opener
	Privacy   *privacy.Privacy
	Webhooks  *webhook.Deliverer
	Mail      *courier.Courier // carries invitations; nil: none
	Limits    *limits.Limits   // what accounts may have; nil: without limits
	Tree      *audit.Sequencer // what makes the record verifiable
	PublicURL string           // where the doors are, for snippets: "https://leads.example"
	Images    *publish.Images
	Filing    *filing.Filing // what public pictures show
	FilesRoom int64          // bytes that all files of an account may have
	FilesURL  string         // where the links to public pictures begin; PublicURL when empty
	Log       *slog.Logger   // default slog.Default()
	// EndProof is what the address of an account's certificate of deletion ends
	// with: nobody can guess it. Ended gives the certificate, "" while the end goes
	// on; false: the account has not ended.
	EndProof func(id account.ID) string
	Ended    func(id account.ID) (certificate string, ended bool)
}

// Console is the door, with its routes on Parts.API.
type Console struct{ Parts }

// New registers the routes.
func New(p Parts) *Console {
	p.Log, p.FilesURL = cmp.Or(p.Log, slog.Default()), cmp.Or(p.FilesURL, p.PublicURL)
	c := &Console{p}
	c.accountRoutes()
	c.projectRoutes()
	c.sourceRoutes()
	c.healthRoutes()
	c.stageRoutes()
	c.userRoutes()
	c.roleRoutes()
	c.signInRoutes()
	c.deviceRoutes()
	c.ssoRoutes()
	c.networkRoutes()
	c.shiftRoutes()
	c.holidayRoutes()
	c.keyRoutes()
	c.webhookRoutes()
	c.poolRoutes()
	c.policyRoutes()
	c.backtestRoutes()
	c.boardRoutes()
	c.viewRoutes()
	c.alarmRoutes()
	c.deadRoutes()
	c.recordRoutes()
	c.changeRoutes()
	c.reportRoutes()
	c.carryRoutes()
	c.privacyRoutes()
	c.retentionRoutes()
	c.maskingRoutes()
	c.grantRoutes()
	c.openingRoutes()
	c.endRoutes()
	c.wholeRoutes()
	c.imageRoutes()
	return c
}

// changed puts a change of the set-up on the record and tells who follows.
// what is a word such as "project"; detail names fields, never a person's.
func (c *Console) changed(tx *store.Tx, v *web.Visit, what, action, about string, detail any) error {
	e := events.Event{Kind: events.SetupChanged, At: v.At, Data: map[string]any{"what": what, "id": about}}
	switch what {
	case "project":
		e.Project, _ = account.ParseProjectID(about)
	case "source":
		e.Source, _ = account.ParseSourceID(about)
	case "user":
		e.User, _ = account.ParseUserID(about)
	}
	c.Events.Emit(tx, e)
	return audit.Write(tx, v.At, audit.Entry{Actor: v.Actor, Action: action, About: about, Detail: detail})
}

// keep writes down by which members two views of a thing differ, so that its page
// can tell. prefix goes before their names.
func keep(tx *store.Tx, v *web.Visit, about, prefix string, was, is any) error {
	all, err := changes.Between(prefix, was, is)
	if err != nil {
		return err
	}
	return changes.Add(tx, about, store.Clock(v.At), v.Actor, all...)
}

// given lists the names of the fields of a change that were sent.
func given(fields map[string]bool) map[string]any {
	names := []string{}
	for name, sent := range fields {
		if sent {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return map[string]any{"fields": names}
}

// whole is a list that always fits on one page.
func whole[R, T any](rows []R, view func(R) T) *web.List[T] {
	out := &web.List[T]{Items: make([]T, len(rows))}
	for i, r := range rows {
		out.Items[i] = view(r)
	}
	return out
}

// window makes a page of a list that is read whole, because an account has few
// of them. rows are newest first.
func window[R, T any](p web.Page, rows []R, place func(R) web.Place, view func(R) T) (*web.List[T], error) {
	from, err := p.Start()
	if err != nil {
		return nil, err
	}
	if !from.At.IsZero() {
		rows = slices.DeleteFunc(rows, func(r R) bool { return !before(place(r), from) })
	}
	return web.ListOf(p, rows, place, view), nil
}

// before reports whether a comes after b in a list that is newest first.
func before(a, b web.Place) bool {
	if !a.At.Equal(b.At) {
		return a.At.Before(b.At)
	}
	return bytes.Compare(a.ID[:], b.ID[:]) < 0
}

func only[T any](list []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !keep(x) })
}
