package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"catchment/internal/account"

	"golang.org/x/term"
)

// Screen shows the world in a terminal: a live view where there is one, a line
// an event elsewhere. It shows nothing personal of a lead.
type Screen struct {
	world  *World
	out    io.Writer
	file   *os.File // nil unless out is a terminal
	dir    string
	again  string
	http   *http.Client
	course *course

	mu sync.Mutex // of out, for plain lines
}

// Terminal makes a screen on out. dir is the data's folder and again the
// command that starts the same demo once more; both are only said.
func Terminal(w *World, out io.Writer, dir, again string) *Screen {
	s := &Screen{world: w, out: out, dir: dir, again: again, http: newHTTP(w.trust), course: newCourse()}
	if IsTerminal(out) {
		s.file = out.(*os.File)
	}
	return s
}

// IsTerminal reports whether out is where a person looks on.
func IsTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Live reports whether the screen is a terminal.
func (s *Screen) Live() bool { return s.file != nil }

// Taken tells the screen of an acknowledged enquiry; see Crowd.OnTaken.
func (s *Screen) Taken(enquiry string, at time.Time) { s.course.taken(enquiry, at) }

// Problem shows a fault of the simulation; in a live view it would only be in
// the way. See Team.OnProblem.
func (s *Screen) Problem(err error) {
	if !s.Live() {
		s.say("simulation: " + err.Error())
	}
}

// Greet prints where to click and what to paste, once.
func (s *Screen) Greet() {
	var b strings.Builder
	fmt.Fprintf(&b, "\nCatchment is running at %s\n", s.world.URL)
	app := byName(s.world.URL)
	fmt.Fprintf(&b, "  the app                  %s/\n", app)
	if app != s.world.URL {
		fmt.Fprintf(&b, "                           (by this name, or there are no passkeys: browsers make none for an address)\n")
	}
	fmt.Fprintf(&b, "  the API, readable        %s/docs\n", s.world.URL)
	for _, t := range s.signIns() {
		fmt.Fprintf(&b, "  %s\n", t)
	}
	fmt.Fprintf(&b, "  admins and the operator  show a code as well: of an app with the \"totp\" of demo.json as its seed; admins also\n")
	fmt.Fprintf(&b, "                           one to their phone, which %s/demo/outbox shows\n", s.world.URL)
	fmt.Fprintf(&b, "  all keys and passwords   %s\n\nSend a lead of your own:\n\n", joinPath(s.dir, worldFile))
	for _, t := range s.curl() {
		fmt.Fprintf(&b, "  %s\n", t)
	}
	fmt.Fprintln(&b)
	s.print(b.String())
}

// byName is the address at which a browser makes passkeys: they are of a name,
// which on loopback is localhost. demo.json keeps the address as it listens.
func byName(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" {
		return address
	}
	host := "localhost"
	if u.Port() != "" {
		host = net.JoinHostPort(host, u.Port())
	}
	u.Host = host
	return u.String()
}

// Bye says how to go on.
func (s *Screen) Bye() {
	s.print(fmt.Sprintf("\nStopped. Everything is kept in %s; start it again with\n\n  %s\n\n", s.dir, s.again))
}

func (s *Screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.out, text) // nobody is there to tell
}

func (s *Screen) say(line string) { s.print(line + "\n") }

func joinPath(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

// signIns are two people to try, of the first company.
func (s *Screen) signIns() (out []string) {
	if len(s.world.Accounts) == 0 {
		return nil
	}
	a := s.world.Accounts[0]
	for _, r := range []account.Role{account.Manager, account.Salesperson} {
		if u, ok := a.first(r); ok {
			out = append(out, fmt.Sprintf("sign in as %-13s %s  %s", r, u.Email, u.Password))
		}
	}
	return out
}

// curl is a lead to paste.
func (s *Screen) curl() []string {
	if len(s.world.Accounts) == 0 {
		return nil
	}
	a := s.world.Accounts[0]
	slug := ""
	for _, src := range a.Sources {
		if !src.isForm() {
			slug = src.Slug
			break
		}
	}
	return []string{
		fmt.Sprintf("curl -s %s/v1/leads -H 'Content-Type: application/json' \\", s.world.URL),
		fmt.Sprintf("  -H 'Authorization: Bearer %s' \\", a.PublishableKey),
		fmt.Sprintf(`  -d '{"source":"%s","person":{"name":"Ada Example","phone":"+44 7700 900123"}}'`, slug),
	}
}

// Run shows the world until ctx ends.
func (s *Screen) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, a := range s.world.Accounts {
		api := &client{base: s.world.URL, token: a.SecretKey, http: s.http}
		s.readNames(ctx, api)
		all.Go(func() { s.listen(ctx, api, a.ID) })
		all.Go(func() { s.watch(ctx, api, a.ID) })
	}
	if s.Live() {
		s.draw(ctx)
		return
	}
	<-ctx.Done()
}

// listen adds an account's events to the picture. A name that is not known
// yet (somebody made a source just now) is read, and shows from then on.
func (s *Screen) listen(ctx context.Context, api *client, account string) {
	var asked time.Time
	for ctx.Err() == nil {
		err := api.follow(ctx, func(e event) {
			e.account = account
			line, unknown := s.course.happened(e)
			if (unknown || e.Kind == "setup.changed") && time.Since(asked) > 2*time.Second {
				asked = time.Now()
				s.readNames(ctx, api)
			}
			if line != "" && !s.Live() {
				s.say(line)
			}
		})
		if ctx.Err() == nil {
			s.Problem(err)
			_ = sleep(ctx, 5*time.Second)
		}
	}
}

func (s *Screen) readNames(ctx context.Context, api *client) {
	for _, path := range []string{"/v1/projects?limit=500", "/v1/sources?limit=500", "/v1/users?limit=500", "/v1/stages"} {
		things, err := all[thing](ctx, api, path)
		if err != nil {
			return // with ctx; or they stay nameless
		}
		for _, t := range things {
			s.course.name(t.ID, t.Name)
		}
	}
}

const watchEvery = time.Second

// watch reads an account's board, which knows also of the leads of earlier
// runs.
func (s *Screen) watch(ctx context.Context, api *client, account string) {
	for ctx.Err() == nil {
		var b boardAnswer
		if err := api.call(ctx, http.MethodGet, "/v1/board", "", nil, &b); err == nil {
			s.course.stands(account, b.board(time.Now()))
		}
		s.timeLeads(ctx, api, account)
		_ = sleep(ctx, watchEvery)
	}
}

// timeLeads asks when leads were received that no visitor of ours sent, to tell
// how fast they were offered. A key that states no purpose gets no person.
func (s *Screen) timeLeads(ctx context.Context, api *client, account string) {
	if !s.Live() {
		return
	}
	for _, id := range s.course.untimed(account, time.Now().Add(-time.Second), 5) {
		var l struct {
			CreatedAt time.Time `json:"created_at"`
		}
		if err := api.call(ctx, http.MethodGet, "/v1/leads/"+id, "", nil, &l); err != nil {
			return // asked again a second later
		}
		s.course.received(id, l.CreatedAt)
	}
}

// boardAnswer is GET /v1/board, as far as the demo looks.
type boardAnswer struct {
	Projects []struct {
		Waiting int    `json:"waiting"`
		Offered int    `json:"offered"`
		Oldest  *int64 `json:"oldest_waiting_ms"`
	} `json:"projects"`
	People []struct {
		Presence account.Presence `json:"presence"`
	} `json:"people"`
}

func (b boardAnswer) board(now time.Time) board {
	out := board{at: now, oldest: -1}
	for _, p := range b.Projects {
		out.waiting += p.Waiting
		out.offered += p.Offered
		if p.Oldest != nil {
			out.oldest = max(out.oldest, time.Duration(*p.Oldest)*time.Millisecond)
		}
	}
	for _, p := range b.People {
		if p.Presence == account.Available {
			out.available++
		} else {
			out.away++
		}
	}
	return out
}

const drawEvery = 300 * time.Millisecond

// draw keeps the terminal's other screen up to date and gives the first one
// back at the end.
func (s *Screen) draw(ctx context.Context) {
	s.print("\x1b[?1049h\x1b[?25l\x1b[2J")
	defer s.print("\x1b[?25h\x1b[?1049l")
	head := header{url: s.world.URL, signIns: s.signIns(), curl: s.curl(),
		foot: "Ctrl-C ends it; everything stays in " + s.dir}
	colours := os.Getenv("NO_COLOR") == ""
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	var shown []string
	var was size
	for {
		at := s.size()
		if at != was {
			s.print("\x1b[2J")
			shown, was = nil, at
		}
		next := render(head, s.course.look(time.Now()), at, colours)
		s.print(changes(shown, next))
		shown = next
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Screen) size() size {
	w, h, err := term.GetSize(int(s.file.Fd()))
	if err != nil || w <= 0 || h <= 0 {
		return size{80, 24}
	}
	return size{w, h}
}

// changes writes the lines that differ, each at its place.
func changes(shown, next []string) string {
	var b strings.Builder
	for i, t := range next {
		if i < len(shown) && shown[i] == t {
			continue
		}
		fmt.Fprintf(&b, "\x1b[%d;1H\x1b[2K%s", i+1, t)
	}
	for i := len(next); i < len(shown); i++ {
		fmt.Fprintf(&b, "\x1b[%d;1H\x1b[2K", i+1)
	}
	return b.String()
}
