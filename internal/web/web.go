// Package web is the hall: it turns a request into a Visit, with the
// account's handle and the visitor's rights, and an error into a reply.
//
// Every route is registered through See, Do or Meet with an Op that declares
// its permission; the OpenAPI document is made from the same declarations.
package web

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/directory"
	"catchment/internal/limits"
	"catchment/internal/problem"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/vault"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	jsonv2 "github.com/go-json-experiment/json"
)

// Visit is who asks, what they may, and when. Handlers get it instead of the
// request's headers.
type Visit struct {
	directory.Principal
	Purpose   vault.Purpose // as stated in Catchment-Purpose, else the session's task; "" for a key that states none
	RequestID string
	At        time.Time
	Address   netip.Addr // of the caller; the zero Addr: unknown. Never logged
	Clock     time.Time  // what the caller's clock said as they sent it (Catchment-Clock); zero: not said
	Agent     string     // the User-Agent header. Never logged

	addHeader func(name, value string) // of the answer
}

// May reports whether the visitor's role holds the permission, with whichever
// reach.
func (v *Visit) May(p account.Permission) bool { return v.Rights.May(p) }

// Reach is how far the visitor's permission goes.
func (v *Visit) Reach(p account.Permission) rights.Reach { return v.Rights.Reach(p) }

// Reads reports whether the visitor may read a lead of that owner and project.
func (v *Visit) Reads(owner account.UserID, project account.ProjectID) bool {
	return v.Reaches(account.ReadLeads, owner, project)
}

// Reaches reports whether the visitor's permission goes as far as a lead of
// that owner and project.
func (v *Visit) Reaches(p account.Permission, owner account.UserID, project account.ProjectID) bool {
	r := v.Reach(p)
	return r == rights.All || r != rights.None && !owner.IsZero() && owner == v.User || r == rights.Teams && slices.Contains(v.Teams, project)
}

// Standing is how the visitor stands to a lead of that owner and project.
func (v *Visit) Standing(owner account.UserID, project account.ProjectID) rights.Standing {
	switch {
	case !owner.IsZero() && owner == v.User:
		return rights.Owner
	case slices.Contains(v.Teams, project):
		return rights.InTeam
	}
	return rights.Other
}

// ReachesProject reports whether it goes for every lead of the project.
func (v *Visit) ReachesProject(p account.Permission, project account.ProjectID) bool {
	return v.Reaches(p, account.UserID{}, project)
}

// Whole refuses who does not hold the permission for the whole account.
func (v *Visit) Whole(p account.Permission) error {
	if v.Reach(p) == rights.All {
		return nil
	}
	return problem.Forbidden("forbidden", "The role %s may not do this (it needs %s for the whole account).", v.Role, p)
}

// SetCookie has the visitor's browser keep a cookie.
func (v *Visit) SetCookie(c *http.Cookie) { v.addHeader("Set-Cookie", c.String()) }

// Caller is the address that a plain handler's request came from.
func Caller(r *http.Request) netip.Addr { return caller.Of(r) }

// Authenticator finds out who holds a bearer token. directory implements it.
type Authenticator interface {
	Authenticate(ctx context.Context, bearer string) (directory.Principal, error)
}

// Op declares a route.
type Op struct {
	Method, Path string
	Name         string // operationId, kebab-case
	Tag          string // the group in the document
	Summary      string
	Detail       string
	Permission   account.Permission
	Status       int    // of success; 200 when zero
	MaxBody      int64  // bytes; 64 KiB when zero
	Takes        string // media type of the body; application/json when empty
	Opens        bool   // the answer may hold personal data, for a purpose
	Later        bool   // may tell of what happened before, with Catchment-Clock
	StepUp       bool   // a second factor was shown within the last ten minutes
}

// API collects routes and serves them.
type API struct {
	mux  *http.ServeMux
	huma huma.API
	db   *store.DB
	auth Authenticator
	log  *slog.Logger
	now  func() time.Time
	mac  func(string) [32]byte
	more []Fragment
	ops  []Op

	limits    *limits.Limits
	pressure  func() float64
	operators caller.Networks
	closed    func() bool
}

// Options is what an API needs. Now defaults to time.Now.
type Options struct {
	DB      *store.DB
	Auth    Authenticator
	Log     *slog.Logger
	Now     func() time.Time
	Version string
	Mux     *http.ServeMux // where routes go; a new one when nil
	// MAC hashes a request under a key, for comparing a repeat with the first: a
	// bare hash of a note could be guessed from the database. When nil a key is
	// made, which lasts as long as the process.
	MAC func(text string) [32]byte
	// Limits counts requests by address, key, user and account; nil for none.
	Limits *limits.Limits
	// Pressure says how near the house is to refusing leads, which it does at 1;
	// nil for never. What can wait is refused before.
	Pressure func() float64
	// OperatorNetworks are from where the operator's routes are open at all;
	// none: from anywhere.
	OperatorNetworks caller.Networks
	// Closed says that nothing is answered from the database yet: what was
	// deleted has first to go from an older one. nil for never.
	Closed func() bool
}

// New makes an API without routes.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mux == nil {
		o.Mux = http.NewServeMux()
	}
	if o.MAC == nil {
		o.MAC = processMAC()
	}
	huma.NewErrorWithContext = fromHuma // the library's only hook for its own errors
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return fromHuma(nil, status, msg, errs...)
	}
	c := huma.DefaultConfig("Catchment", o.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // served by document.go
	c.CreateHooks = nil
	c.Transformers = nil
	c.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	c.DefaultFormat = "application/json"
	c.Info.Description = "Leads in, offers out. See docs/api.md for the course of a lead."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "A session's token (cst_…), a secret key (csk_…), or for capture a publishable key (cpk_…)."},
	}
	return &API{mux: o.Mux, huma: humago.New(o.Mux, c), db: o.DB, auth: o.Auth, log: o.Log, now: o.Now, mac: o.MAC, limits: o.Limits, pressure: o.Pressure, operators: o.OperatorNetworks, closed: o.Closed}
}

func processMAC() func(string) [32]byte {
	key := make([]byte, 32)
	rand.Read(key)
	return func(text string) (out [32]byte) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		m.Sum(out[:0])
		return out
	}
}

// strictJSON refuses repeated names, unknown members (through the schema),
// broken UTF-8, which encoding/json lets through, and U+0000.
var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error {
		if err := refuseZero(data); err != nil {
			return err
		}
		return jsonv2.Unmarshal(data, v)
	},
}

// Meet registers a route whose handler makes its own transactions: sign-in,
// and what opens personal data. It is the plainest of the three.
func Meet[I, T any](a *API, op Op, f func(ctx context.Context, v *Visit, in *I) (*T, error)) {
	mustFill(op, reflect.TypeFor[I]())
	type out struct {
		Body *T
	}
	huma.Register(a.huma, a.operation(op), func(ctx context.Context, in *I) (*out, error) {
		v, _ := ctx.Value(visitKey{}).(*Visit)
		body, err := f(ctx, v, in)
		if err != nil {
			return nil, a.fault(v, op, err)
		}
		return &out{body}, nil
	})
}

// mustFill refuses an input that embeds an unexported struct: the library
// would leave its fields empty, and an empty id or filter is a wrong answer.
func mustFill(op Op, in reflect.Type) {
	for i := range in.NumField() {
		if f := in.Field(i); f.Anonymous && !f.IsExported() {
			panic("web: the input of " + op.Name + " embeds " + f.Name + ", which must be exported")
		} else if f.Anonymous && f.Type.Kind() == reflect.Struct {
			mustFill(op, f.Type)
		}
	}
}

// See registers a read: the handler runs in one read-only transaction.
func See[I, T any](a *API, op Op, f func(v *Visit, tx *store.Tx, in *I) (*T, error)) {
	Meet(a, op, func(ctx context.Context, v *Visit, in *I) (body *T, err error) {
		err = a.db.Read(ctx, v.Scope, func(tx *store.Tx) error {
			body, err = f(v, tx, in)
			return err
		})
		return body, err
	})
}

// Do registers a change: the handler runs in one transaction, and its answer
// is kept under the request's Idempotency-Key, so a repeat gets the same one.
// The answer therefore never contains personal data.
func Do[I, T any](a *API, op Op, f func(v *Visit, tx *store.Tx, in *I) (*T, error)) {
	Meet(a, op, func(ctx context.Context, v *Visit, in *I) (body *T, err error) {
		key, err := idempotencyKey(ctx)
		if err != nil {
			return nil, err
		}
		err = a.db.Write(ctx, v.Scope, func(tx *store.Tx) error {
			if key == "" {
				body, err = f(v, tx, in)
				return err
			}
			body, err = once(tx, v, a.mac, op, key, in, f)
			return err
		})
		return body, err
	})
}

func once[I, T any](tx *store.Tx, v *Visit, mac func(string) [32]byte, op Op, key string, in *I, f func(*Visit, *store.Tx, *I) (*T, error)) (*T, error) {
	what, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r := repeatable(mac, op, key, string(what))
	body := new(T)
	if known, err := r.recall(tx, v, body); known || err != nil {
		return body, err
	}
	if body, err = f(v, tx, in); err != nil {
		return nil, err
	}
	return body, r.keep(tx, v, body)
}

func (op Op) status() int {
	if op.Status == 0 {
		return http.StatusOK
	}
	return op.Status
}

type (
	visitKey struct{}
	keyKey   struct{}
)

func idempotencyKey(ctx context.Context) (string, error) {
	key, _ := ctx.Value(keyKey{}).(string)
	return key, checkKey(key)
}

func checkKey(key string) error {
	if len(key) > 255 {
		return problem.Unreadable("bad_idempotency_key", "Idempotency-Key takes up to 255 printable ASCII characters.")
	}
	for i := range len(key) {
		if key[i] < 0x21 || key[i] > 0x7e {
			return problem.Unreadable("bad_idempotency_key", "Idempotency-Key takes printable ASCII characters without spaces.")
		}
	}
	return nil
}

func (a *API) operation(op Op) huma.Operation {
	if op.Permission == "" {
		panic("web: " + op.Name + " declares no permission")
	}
	a.ops = append(a.ops, op)
	h := huma.Operation{
		Method: op.Method, Path: op.Path, OperationID: op.Name, Summary: op.Summary, Description: op.Detail,
		Tags: []string{op.Tag}, DefaultStatus: op.status(), MaxBodyBytes: op.MaxBody, BodyReadTimeout: 10 * time.Second,
		RejectUnknownQueryParameters: true,
		Extensions:                   map[string]any{"x-permission": string(op.Permission)},
		Errors:                       refusalsOf(op),
		Middlewares:                  huma.Middlewares{a.admit(op)},
	}
	if h.MaxBodyBytes == 0 {
		h.MaxBodyBytes = 64 << 10
	}
	if op.Permission != account.Public {
		h.Security = []map[string][]string{{"key": {}}}
	}
	if op.Method != http.MethodGet {
		h.Parameters = append(h.Parameters, &huma.Param{Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: "string", MaxLength: new(255)},
			Description: "A repeat with the same key and body gets the same answer; with another body 409."})
	}
	if op.StepUp {
		h.Extensions["x-step-up"] = true
		h.Description = strings.TrimSpace(h.Description + " Who has a second factor, or must have one, has shown it within the last ten minutes: else 403 step_up_required.")
	}
	if op.Later {
		h.Parameters = append(h.Parameters, &huma.Param{Name: "Catchment-Clock", In: "header", Schema: &huma.Schema{Type: "string", Format: "date-time"},
			Description: "What your clock says as you send this. Needed with happened_at: the server corrects the times of the body by the difference to its own."})
	}
	if op.Opens {
		h.Parameters = append(h.Parameters, &huma.Param{Name: "Catchment-Purpose", In: "header", Schema: &huma.Schema{Type: "string", MaxLength: new(100)},
			Description: "Why personal data is opened; it goes on the record. A session has its task as a default, a key has none and gets nothing personal without it."})
	}
	return h
}

// admit runs before the request's body is read.
func (a *API) admit(op Op) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		c.SetHeader("Cache-Control", "no-store")
		if !caller.Address(c.Context()).IsValid() { // no gate house stands in front
			c = huma.WithContext(c, caller.With(c.Context(), caller.Peer(c.RemoteAddr())))
		}
		v, err := a.visit(c.Context(), op, c.Header)
		v.Agent, v.Address, v.addHeader = c.Header("User-Agent"), caller.Address(c.Context()), c.AppendHeader
		if err == nil && c.Header("Content-Encoding") != "" {
			err = problem.WrongType("Send the body without Content-Encoding.")
		}
		if err == nil && op.Method != http.MethodGet && c.Header("Content-Type") != "" && !isType(c.Header("Content-Type"), op.takes()) {
			err = problem.WrongType("Send %s.", op.takes())
		}
		if err == nil {
			u := c.URL()
			err = zeroInQuery(&u)
		}
		if err != nil {
			writeProblem(c, a.problem(v, op, err))
			return
		}
		c = huma.WithValue(c, visitKey{}, v)
		next(huma.WithValue(c, keyKey{}, c.Header("Idempotency-Key")))
	}
}

func (op Op) takes() string { return cmp.Or(op.Takes, "application/json") }

// isType reports whether a Content-Type is the media type, in UTF-8.
func isType(ct, want string) bool {
	base, param, _ := strings.Cut(ct, ";")
	param = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(param), `"`, ""))
	return strings.EqualFold(strings.TrimSpace(base), want) && (param == "" || param == "charset=utf-8")
}

func (a *API) visit(ctx context.Context, op Op, header func(string) string) (*Visit, error) {
	v := &Visit{RequestID: RequestID(ctx), At: store.Clock(a.now())}
	if err := a.shed(op.yields()); err != nil {
		return v, err
	}
	if op.Permission == account.Public && a.isClosed() {
		return v, store.ErrAway
	}
	if op.Permission == account.Public {
		return v, a.limits.Stranger(caller.Address(ctx))
	}
	if op.Permission.OfPlatform() && !a.operators.Has(caller.Address(ctx)) {
		return v, problem.Forbidden(directory.CodeElsewhere, "This is not open from your network.")
	}
	token, ok := strings.CutPrefix(header("Authorization"), "Bearer ")
	if !ok || token == "" {
		return v, problem.Unauthenticated("Send an Authorization header: Bearer and a session's token or a secret key.")
	}
	p, err := a.auth.Authenticate(ctx, token)
	if err != nil {
		return v, err
	}
	if a.isClosed() { // who is refused, as a revoked key is without SQL too, has heard so
		return v, store.ErrAway
	}
	v.Principal = p
	if err := a.limits.Request(accountOf(p), p.Actor); err != nil {
		return v, err
	}
	if !p.Rights.May(op.Permission) {
		return v, problem.Forbidden("forbidden", "The role %s may not do this (it needs %s).", p.Role, op.Permission)
	}
	if !p.Scope.Valid() && !op.Permission.OfPlatform() && op.Permission != account.UseOwnSession {
		return v, problem.Forbidden("forbidden", "This belongs to an account.")
	}
	if err := v.strong(op); err != nil {
		return v, err
	}
	if v.Clock, err = clockOf(op, header("Catchment-Clock")); err != nil {
		return v, err
	}
	return v, v.state(header("Catchment-Purpose"))
}

func (a *API) isClosed() bool { return a.closed != nil && a.closed() }

// accountOf is empty for operators.
func accountOf(p directory.Principal) []byte {
	if !p.Scope.Valid() {
		return nil
	}
	id := p.Scope.Account().UUID()
	return id[:]
}

// strong refuses a session that has still to show the second factor that its
// user has or the account asks of the role, or has not shown it lately when the act is dangerous. Keys have none.
func (v *Visit) strong(op Op) error {
	way := " POST it to /v1/sessions/current/factors; GET /v1/me/factors lists which you have."
	if !v.Second {
		way = " Have a code sent by POST /v1/sessions/current/codes, or set up a passkey or an app: POST /v1/me/passkeys, /v1/me/totp. docs/signin.md tells how."
	}
	switch {
	case v.Session.IsZero() || !v.Second && !v.Must:
		return nil
	case v.Shown.Level() < 2 && (op.Permission != account.UseOwnSession || op.Opens):
		return problem.Forbidden("second_factor_required", "Show your second factor first."+way)
	case op.StepUp && !account.Fresh(v.Shown.Strong(), v.At):
		return problem.Forbidden("step_up_required", "Show your second factor again: this is open for ten minutes after it."+way)
	}
	return nil
}

// state settles the purpose of the visit: as said, else the session's task.
func (v *Visit) state(said string) error {
	v.Purpose = vault.Purpose(said)
	if said != "" {
		if !v.Purpose.Valid() {
			return problem.InvalidField("Catchment-Purpose", "bad_purpose", "Up to 100 letters, digits, spaces and - _ . : say why the data is opened.")
		}
		return nil
	}
	if v.User.IsZero() || v.Operator {
		return nil // a secret key that says nothing gets no person; nobody of the platform has a task in an account
	}
	v.Purpose = vault.ForOversight
	if v.Reach(account.OpenPersons) == rights.Mine {
		v.Purpose = vault.ForContact
	}
	return nil
}
