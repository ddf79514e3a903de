package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// revokedWithin is how late any node may be: DESIGN.md, "Keys".
const revokedWithin = 5 * time.Second

// proveRevoke hammers every node with a key while it is revoked, and looks how
// long each goes on accepting it.
func proveRevoke(ctx context.Context, t *trial) error {
	w, err := t.town(ctx, 1)
	if err != nil {
		return err
	}
	s, err := w.web[0].layOut(ctx, revokeTeam)
	if err != nil {
		return err
	}
	if err := w.doors[0].untilKnown(ctx, s); err != nil {
		return err
	}
	r := &revoking{t: t, w: w, site: s, rounds: t.Rounds, times: map[string][]float64{}, admin: w.web[0].api(w.web[0].world.Accounts[0].SecretKey)}
	if r.rounds == 0 {
		r.rounds = 20
	}
	for _, k := range r.kinds() {
		if err := r.prove(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	if err := r.cutOff(ctx); err != nil {
		return err
	}
	if err := r.withoutSQL(ctx); err != nil {
		return err
	}
	return r.afterwards(ctx)
}

// revoking is the proof on its way.
type revoking struct {
	t      *trial
	w      *town
	site   site
	rounds int
	count  int
	admin  *api
	times  map[string][]float64 // of a kind at a node, in ms
	keys   []string             // ids of keys that were revoked
	back   []string             // users to take in again
	apis   map[*instance]*api
}

// kind is one way in which a credential ends. begin makes one, and gives how
// it is tried, and what ends it: end returns the time from which nobody may
// accept it.
type kind struct {
	name  string
	begin func(ctx context.Context, n int) (tries []*hammer, end func(context.Context) (time.Time, error), err error)
}

func (r *revoking) kinds() []kind {
	return []kind{
		{"publishable key, by the API", r.ofKey("publishable", r.byAPI)},
		{"secret key, by the API", r.ofKey("secret", r.byAPI)},
		{"secret key, rotated without overlap", r.ofKey("secret", r.byRotation)},
		{"publishable key, by command", r.ofKey("publishable", r.byCommand)},
		{"secret key, by command", r.ofKey("secret", r.byCommand)},
		{"publishable key, at its end", r.ofKey("publishable", nil)},
		{"secret key, at its end", r.ofKey("secret", nil)},
		{"session, ended by an admin", r.ofSession(r.endSession)},
		{"session, its user deactivated", r.ofSession(r.deactivate)},
	}
}

// prove tries a kind so many times.
func (r *revoking) prove(ctx context.Context, k kind) error {
	var c course
	for n := range r.rounds {
		tries, end, err := k.begin(ctx, n)
		if err == nil {
			err = r.round(ctx, k.name, tries, end, &c)
		}
		for _, user := range r.back {
			err = errors.Join(err, r.state(ctx, user, "active"))
		}
		r.back = nil
		if err != nil {
			return err
		}
	}
	c.judge(r.t, k.name, r.rounds)
	return nil
}

// course is what the rounds of a kind gave.
type course struct {
	worst          time.Duration
	at             string
	nodes          map[string]bool
	stuck, flapped []string
	before         int // accepted before the end
}

func (c *course) judge(t *trial, name string, rounds int) {
	t.check(name+": refused on every node within 5 s", len(c.stuck) == 0 && len(c.flapped) == 0 && c.worst <= revokedWithin && c.before > 0,
		"%.0f ms at the slowest (%s); %d rounds on %d nodes, %d accepted before; never refused: %s; accepted again: %s",
		ms(c.worst), c.at, rounds, len(c.nodes), c.before, counted(c.stuck), counted(c.flapped))
}

// round hammers until every node has refused for a while.
func (r *revoking) round(ctx context.Context, name string, tries []*hammer, end func(context.Context) (time.Time, error), c *course) error {
	under, stop := context.WithCancel(ctx)
	wait := strike(under, tries)
	defer wait()
	defer stop()
	warm := func(h *hammer) bool { return h.state().accepted >= 3 }
	if !until(ctx, 20*time.Second, func() bool { return every(tries, warm) }) {
		return fmt.Errorf("not accepted everywhere before: %s", tell(tries, warm))
	}
	for _, h := range tries {
		h.forget()
	}
	at, err := end(ctx)
	if err != nil {
		return err
	}
	done := func(h *hammer) bool { return h.state().refused >= 10 }
	until(ctx, revokedWithin+3*time.Second, func() bool { return every(tries, done) })
	stop()
	wait()
	if c.nodes == nil {
		c.nodes = map[string]bool{}
	}
	for _, h := range tries {
		s := h.state()
		late := max(0, s.last.Sub(at))
		c.nodes[h.node] = true
		c.before += s.accepted
		r.times[name+" at "+h.node] = append(r.times[name+" at "+h.node], ms(late))
		if late >= c.worst {
			c.worst, c.at = late, h.node
		}
		if s.refused == 0 {
			c.stuck = append(c.stuck, h.node)
		}
		if s.flapped > 0 {
			c.flapped = append(c.flapped, h.node)
		}
	}
	return ctx.Err()
}

func every(tries []*hammer, f func(*hammer) bool) bool {
	return !slices.ContainsFunc(tries, func(h *hammer) bool { return !f(h) })
}

func tell(tries []*hammer, f func(*hammer) bool) string {
	var out []string
	for _, h := range tries {
		if !f(h) {
			out = append(out, h.String())
		}
	}
	return strings.Join(out, ", ")
}

// until waits for f, and says whether it came.
func until(ctx context.Context, within time.Duration, f func() bool) bool {
	for end := time.Now().Add(within); time.Now().Before(end); {
		if f() {
			return true
		}
		if pause(ctx, 10*time.Millisecond) != nil {
			return false
		}
	}
	return f()
}

// made is a key, or a session.
type made struct {
	ID  string `json:"id"`
	Key string `json:"key"`
}

// key makes a key. A zero end leaves it to the server.
func (r *revoking) key(ctx context.Context, sort string, end time.Time) (k made, err error) {
	r.count++
	in := map[string]any{"kind": sort, "name": fmt.Sprint("Proof ", r.count)}
	if sort == "secret" {
		in["role"] = "manager"
	} else {
		in["any_origin"] = true
	}
	if !end.IsZero() {
		in["expires_at"] = end
	}
	return k, r.admin.post(ctx, "/v1/keys", in, &k)
}

// hammers are for the doors, and of a secret key for web processes, too.
func (r *revoking) hammers(sort, token string, doors, web []*instance) (out []*hammer) {
	lead := crowd{tag: fmt.Sprint("revoke-", r.count), source: r.site.source, test: true}
	for _, i := range doors {
		out = append(out, &hammer{node: nameOf(i), a: r.api(i, token), method: http.MethodPost, path: "/v1/leads", body: lead.body})
	}
	if sort == "publishable" {
		return out
	}
	for _, i := range web {
		out = append(out, &hammer{node: nameOf(i), a: r.api(i, token), method: http.MethodGet, path: "/v1/projects"})
	}
	return out
}

// api is the node's, with connections of its own that are kept.
func (r *revoking) api(i *instance, token string) *api {
	if r.apis == nil {
		r.apis = map[*instance]*api{}
	}
	if r.apis[i] == nil {
		r.apis[i] = i.api("")
	}
	return r.apis[i].as(token)
}

// ofKey begins with a key of the sort. Without an act it ends by itself.
func (r *revoking) ofKey(sort string, act func(context.Context, int, made) (time.Time, error)) func(context.Context, int) ([]*hammer, func(context.Context) (time.Time, error), error) {
	return func(ctx context.Context, n int) ([]*hammer, func(context.Context) (time.Time, error), error) {
		var end time.Time
		if act == nil {
			end = time.Now().Add(3 * time.Second)
		} else {
			end = time.Now().Add(time.Hour)
		}
		k, err := r.key(ctx, sort, end)
		if err != nil {
			return nil, nil, err
		}
		return r.hammers(sort, k.Key, r.w.doors, r.w.web), func(ctx context.Context) (time.Time, error) {
			if act == nil {
				return end, pause(ctx, time.Until(end))
			}
			return act(ctx, n, k)
		}, nil
	}
}

func (r *revoking) byAPI(ctx context.Context, n int, k made) (time.Time, error) {
	web := r.w.web[n%len(r.w.web)]
	r.keys = append(r.keys, k.ID)
	err := r.api(web, r.admin.token).post(ctx, "/v1/keys/"+k.ID+"/revoke", nil, nil)
	return time.Now(), err
}

func (r *revoking) byRotation(ctx context.Context, n int, k made) (time.Time, error) {
	web := r.w.web[n%len(r.w.web)]
	err := r.api(web, r.admin.token).post(ctx, "/v1/keys/"+k.ID+"/rotate", map[string]int{"overlap_seconds": 0}, nil)
	return time.Now(), err
}

// byCommand revokes at the founder's machine. The command's first answer is
// that the doors know; SQL comes after it.
func (r *revoking) byCommand(ctx context.Context, _ int, k made) (at time.Time, err error) {
	r.keys = append(r.keys, k.ID)
	told := make(chan time.Time, 1) // when the doors were told
	ended := make(chan error, 1)
	go func() {
		out, err := r.t.command(ctx, func(line string) {
			if strings.HasPrefix(line, "doors") {
				told <- time.Now()
			}
		}, "keys", "revoke", k.ID, "--data", r.w.founder.dir, "--nats-url", r.w.bus.url(), "--nats-storage", "2", "--database-url", r.w.cluster.URL("catchment"))
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		ended <- err
	}()
	select {
	case at = <-told:
		return at, nil
	case err = <-ended:
		select {
		case at = <-told:
		default:
		}
		return at, err
	}
}

// revokeTeam shares the sign-ins: an address has ten a minute.
const revokeTeam = 8

// ofSession begins a session, and has it tried at every web process.
func (r *revoking) ofSession(act func(ctx context.Context, user string) error) func(context.Context, int) ([]*hammer, func(context.Context) (time.Time, error), error) {
	return func(ctx context.Context, _ int) ([]*hammer, func(context.Context) (time.Time, error), error) {
		r.count++
		a, err := r.api(r.w.web[0], "").signIn(ctx, fmt.Sprintf("seller-%d@team.example", r.count%revokeTeam), "a-long-password-for-the-proof")
		if err != nil {
			return nil, nil, err
		}
		var me struct {
			ID string `json:"user_id"`
		}
		if err := a.get(ctx, "/v1/me", &me); err != nil {
			return nil, nil, err
		}
		var tries []*hammer
		for _, i := range r.w.web {
			tries = append(tries, &hammer{node: nameOf(i), a: r.api(i, a.token), method: http.MethodGet, path: "/v1/me"})
		}
		return tries, func(ctx context.Context) (time.Time, error) {
			err := act(ctx, me.ID)
			return time.Now(), err
		}, nil
	}
}

func (r *revoking) endSession(ctx context.Context, user string) error {
	return r.admin.call(ctx, http.MethodDelete, "/v1/users/"+user+"/sessions", nil, nil)
}

// deactivate takes the user out, and in again a while after the round: what
// was ended stays so.
func (r *revoking) deactivate(ctx context.Context, user string) error {
	if err := r.state(ctx, user, "deactivated"); err != nil {
		return err
	}
	r.back = append(r.back, user)
	return nil
}

func (r *revoking) state(ctx context.Context, user, state string) error {
	return r.admin.call(ctx, http.MethodPatch, "/v1/users/"+user, map[string]string{"state": state}, nil)
}
