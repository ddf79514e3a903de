package proof

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// proveAttack tries, over HTTP against a real instance, what somebody would who
// has no business here, and reads from the database what the records say of it.
// Each attack has a control: the same act, done rightly, goes through.
func proveAttack(ctx context.Context, t *trial) error {
	i, err := t.fresh(ctx, SQLite, "--trusted-proxies", "127.0.0.1/32", "--public-url", "https://leads.example.com")
	if err != nil {
		return err
	}
	db, err := i.database()
	if err != nil {
		return err
	}
	defer db.Close()
	a := &attacker{t: t, i: i, c: i.world.Accounts[0], db: db, proxy: i.api(""), own: i.apiFrom("127.0.0.2")}
	for _, k := range a.attacks() {
		if err := a.try(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	t.check("no panic in the log", i.panics() == 0, "%d", i.panics())
	return nil
}

// attacker is who tries. What it sends through proxy comes from wherever it
// says; own is a connection from an address that nobody trusts.
type attacker struct {
	t     *trial
	i     *instance
	c     company
	db    *sql.DB
	proxy *api
	own   *api
}

// apiFrom is the instance's, reached from another loopback address.
func (i *instance) apiFrom(address string) *api {
	a := i.api("")
	tr := a.http.Transport.(*http.Transport)
	tr.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
	return a
}

// attack is one kind. run tries it, and the control.
type attack struct {
	name        string
	run         func(ctx context.Context, o *outcomes) error
	action, why string // as which it has to be on a record; why "" for any
}

// outcomes is what the tries of an attack came to.
type outcomes struct {
	mu       sync.Mutex
	tries    int
	stopped  map[string]int
	in       []string // what went through and should not have
	controls int
	broken   []string // what should have gone through and did not
}

// tried notes an answer to an attack.
func (o *outcomes) tried(what string, got answer) answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	if got.status < 400 {
		o.in = append(o.in, fmt.Sprintf("%s: %d", what, got.status))
		return got
	}
	o.stopped[problemCode(got.status, got.body)]++
	return got
}

// wants notes something that must not hold for the attacker.
func (o *outcomes) wants(what string, stopped bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	if stopped {
		o.stopped[what]++
	} else {
		o.in = append(o.in, what)
	}
}

// control notes an honest act.
func (o *outcomes) control(what string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.controls++
	if !ok {
		o.broken = append(o.broken, what)
	}
}

func (a *attacker) attacks() []attack {
	return []attack{
		{"guessing a password", a.guessPassword, "sign-in.refused", "too-many"},
		{"spraying a password, with false headers", a.spray, "sign-in.spray", "network"},
		{"guessing a code", a.guessCode, "code.guess", "wrong"},
		{"pumping codes", a.pump, "code.refused", ""},
		{"guessing an app's code", a.guessTOTP, "factor.refuse", ""},
		{"guessing a recovery code", a.guessRecovery, "factor.refuse", ""},
		{"an app whose clock is wrong", a.wrongClock, "factor.refuse", ""},
		{"guessing keys at the API", a.guessKeys("csk_", "GET", "/v1/leads"), "request.refused", "unknown-key"},
		{"guessing keys at the capture door", a.guessKeys("cpk_", "POST", "/v1/leads"), "request.refused", "unknown-key"},
		{"guessing sessions", a.guessKeys("cst_", "GET", "/v1/me"), "request.refused", "unknown-session"},
		{"session fixation", a.fixation, "session.factor", ""},
		{"a foreign page asks for changes", a.foreignPage, "request.refused", "foreign-origin"},
		{"a foreign return from a provider", a.foreignReturn, "sso.refused", "state"},
		{"header spoofing", a.spoof, "session.begin", ""},
		{"coming from off the account's networks", a.elsewhere, "sign-in.refused", "network"},
	}
}

// try runs one, and looks for it on the records.
func (a *attacker) try(ctx context.Context, k attack) error {
	before, err := a.onRecord(ctx, k)
	if err != nil {
		return err
	}
	o := &outcomes{stopped: map[string]int{}}
	if err := k.run(ctx, o); err != nil {
		return err
	}
	var after int
	until(ctx, 10*time.Second, func() bool {
		after, err = a.onRecord(ctx, k)
		return err != nil || after > before
	})
	if err != nil {
		return err
	}
	var by []string
	for _, code := range slices.Sorted(maps.Keys(o.stopped)) {
		by = append(by, fmt.Sprintf("%s ×%d", code, o.stopped[code]))
	}
	where := strings.TrimSuffix(k.action+"/"+k.why, "/")
	a.t.check(k.name, o.tries > 0 && len(o.in) == 0 && len(o.broken) == 0 && o.controls > 0 && after > before,
		"%d tries, let in %s; stopped by %s; on the record as %s: %d; %d controls, failed %s",
		o.tries, counted(o.in), strings.Join(by, ", "), where, after-before, o.controls, counted(o.broken))
	return ctx.Err()
}

// onRecord counts what both records say of it: an entry that counts several is
// so many.
func (a *attacker) onRecord(ctx context.Context, k attack) (n int, err error) {
	rows, err := a.db.QueryContext(ctx, `SELECT detail FROM audit_event WHERE action = $1 UNION ALL SELECT detail FROM platform_event WHERE action = $1`, k.action)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return 0, err
		}
		d := struct {
			Count int    `json:"count"`
			Why   string `json:"why"`
		}{Count: 1}
		_ = json.Unmarshal([]byte(text), &d) // some say nothing more
		if k.why == "" || d.Why == k.why {
			n += d.Count
		}
	}
	return n, rows.Err()
}

// from is what a trusted proxy says of an address.
func from(address string) http.Header { return http.Header{"X-Forwarded-For": {address}} }

// send is one request, from an address that a proxy tells of.
func (a *attacker) send(ctx context.Context, address, token, method, path string, in any) (answer, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return answer{}, err
		}
	}
	return a.proxy.as(token).do(ctx, method, path, from(address), body)
}

// text is a member of an answer.
func (r answer) text(name string) string {
	var all map[string]any
	_ = json.Unmarshal(r.body, &all) // no text then
	s, _ := all[name].(string)
	return s
}

// enter signs somebody in, as they should.
func (a *attacker) enter(ctx context.Context, address string, u user) (answer, error) {
	return a.send(ctx, address, "", http.MethodPost, "/v1/sessions", map[string]string{"email": u.Email, "password": u.Password})
}

func (a *attacker) guessPassword(ctx context.Context, o *outcomes) error {
	u, other := a.c.with("manager")[0], a.c.with("salesperson")[0]
	good, err := a.enter(ctx, "203.0.113.1", u)
	if err != nil {
		return err
	}
	o.control("the right password", good.status == http.StatusCreated)
	for n := range 30 {
		wrong := u
		wrong.Password = fmt.Sprintf("not the right password %d", n)
		got, err := a.enter(ctx, "203.0.113.2", wrong)
		if err != nil {
			return err
		}
		o.tried("a wrong password", got)
	}
	if good, err = a.enter(ctx, "203.0.113.2", other); err != nil {
		return err
	}
	o.control("somebody else, meanwhile", good.status == http.StatusCreated)
	return nil
}

// spray tries one password for many, and says each time that it comes from
// somewhere else.
func (a *attacker) spray(ctx context.Context, o *outcomes) error {
	var wg sync.WaitGroup
	next := make(chan int)
	var fault error
	var mu sync.Mutex
	for range 4 {
		wg.Go(func() {
			for n := range next {
				lie := fmt.Sprintf("203.0.%d.%d", 100+n/250, 1+n%250)
				h := http.Header{"X-Forwarded-For": {lie}, "X-Real-Ip": {lie}, "Forwarded": {"for=" + lie}, "True-Client-Ip": {lie}, "Cf-Connecting-Ip": {lie}}
				got, err := a.own.do(ctx, http.MethodPost, "/v1/sessions", h, fmt.Appendf(nil, `{"email":"guess-%d@example.com","password":"Summer2026!"}`, n))
				if err != nil {
					mu.Lock()
					fault = err
					mu.Unlock()
					continue
				}
				o.tried("a password for many", got)
			}
		})
	}
	for n := range 230 {
		next <- n
	}
	close(next)
	wg.Wait()
	if fault != nil {
		return fault
	}
	o.wants("a network that is closed for it", o.stopped["429 too_many_sign_ins"] >= 20)
	u := a.c.with("salesperson")[0]
	good, err := a.enter(ctx, "203.0.113.3", u)
	if err != nil {
		return err
	}
	o.control("somebody on another network, meanwhile", good.status == http.StatusCreated)
	return nil
}

// outbox is what went out to a phone in the demo, the newest first.
func (a *attacker) outbox(ctx context.Context, phone string) (codes []string, err error) {
	var out struct {
		Items []struct{ To, Code string }
	}
	err = a.proxy.get(ctx, "/demo/outbox", &out)
	for _, m := range out.Items {
		if m.To == phone {
			codes = append(codes, m.Code)
		}
	}
	return codes, err
}

// code has one sent, and gives the flow with it.
func (a *attacker) code(ctx context.Context, address string, u user) (flow, code string, err error) {
	return a.codeBy(ctx, u, func() (answer, error) {
		return a.send(ctx, address, "", http.MethodPost, "/v1/sessions/codes", map[string]string{"phone": u.Phone})
	})
}

func (a *attacker) codeBy(ctx context.Context, u user, ask func() (answer, error)) (flow, code string, err error) {
	before, err := a.outbox(ctx, u.Phone)
	if err != nil {
		return "", "", err
	}
	asked, err := ask()
	if err != nil {
		return "", "", err
	}
	until(ctx, 10*time.Second, func() bool {
		var all []string
		if all, err = a.outbox(ctx, u.Phone); len(all) > len(before) {
			code = all[0]
		}
		return code != "" || err != nil
	})
	if err == nil && code == "" {
		err = fmt.Errorf("no code for %s: %d %s", u.Role, asked.status, asked.body)
	}
	return asked.text("flow"), code, err
}

func (a *attacker) byCode(ctx context.Context, address, flow, code string) (answer, error) {
	return a.send(ctx, address, "", http.MethodPost, "/v1/sessions", map[string]string{"flow": flow, "code": code})
}

func (a *attacker) guessCode(ctx context.Context, o *outcomes) error {
	for n, u := range a.c.with("salesperson")[:2] {
		flow, code, err := a.code(ctx, "203.0.113.4", u)
		if err != nil {
			return err
		}
		if n == 1 {
			good, err := a.byCode(ctx, "203.0.113.4", flow, code)
			if err != nil {
				return err
			}
			o.control("the right code", good.status == http.StatusCreated)
			continue
		}
		for k := range 10 {
			wrong := fmt.Sprintf("%06d", k)
			if wrong == code {
				continue
			}
			got, err := a.byCode(ctx, "203.0.113.4", flow, wrong)
			if err != nil {
				return err
			}
			o.tried("a wrong code", got)
		}
		got, err := a.byCode(ctx, "203.0.113.4", flow, code)
		if err != nil {
			return err
		}
		o.tried("the right code, after all tries were used", got)
	}
	return nil
}

// pump has codes sent to numbers in a row, and to one over and over.
func (a *attacker) pump(ctx context.Context, o *outcomes) error {
	u := a.c.with("salesperson")[2]
	before, err := a.outbox(ctx, u.Phone)
	if err != nil {
		return err
	}
	all := func() (n int, err error) {
		var out struct{ Items []any }
		err = a.proxy.get(ctx, "/demo/outbox", &out)
		return len(out.Items), err
	}
	was, err := all()
	if err != nil {
		return err
	}
	for n := range 90 {
		number := fmt.Sprintf("+4420794609%02d", n)
		if n%3 == 0 {
			number = u.Phone
		}
		got, err := a.send(ctx, "203.0.113.5", "", http.MethodPost, "/v1/sessions/codes", map[string]string{"phone": number})
		if err != nil {
			return err
		}
		if got.status >= 400 {
			o.tried("a code", got)
		}
	}
	var sent []string
	until(ctx, 10*time.Second, func() bool { sent, err = a.outbox(ctx, u.Phone); return err != nil || len(sent) > len(before) })
	if err != nil {
		return err
	}
	o.control("one code goes out", len(sent) == len(before)+1)
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	now, err := all()
	o.wants("messages that did not go out", now == was+1)
	return err
}

// guessKeys tries keys of the right form.
func (a *attacker) guessKeys(prefix, method, path string) func(context.Context, *outcomes) error {
	return func(ctx context.Context, o *outcomes) error {
		lead := crowd{tag: "attack", source: a.c.apiSource(), test: true}.body(1)
		if method == http.MethodGet {
			lead = nil
		}
		for n := range 200 {
			got, err := a.proxy.as(prefix+strings.Repeat("A", 40)+fmt.Sprintf("%03d", n)).do(ctx, method, path, from("203.0.113.6"), lead)
			if err != nil {
				return err
			}
			o.tried("a guessed "+prefix, got)
		}
		right, want := a.c.SecretKey, http.StatusOK
		if prefix == "cpk_" {
			right, want = a.c.PublishableKey, http.StatusAccepted
		}
		got, err := a.proxy.as(right).do(ctx, method, path, from("203.0.113.6"), lead)
		o.control("a key of the account", got.status == want)
		return err
	}
}
