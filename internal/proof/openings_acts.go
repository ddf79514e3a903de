package proof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// act does one of the things that a sequence is made of, and waits until all
// that it causes is done.
func (w *walk) act(ctx context.Context, name string) error {
	w.lately = append(w.lately, name)
	w.acts++
	if err := w.acting()[name](ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err := w.i.drain(ctx, stillToCome)
	return err
}

var actNames = []string{"comes north", "comes south", "is held", "accepts", "declines", "is given", "masks", "note", "visit", "corrects", "another role", "another team",
	"another own role", "leaves and returns", "grants", "revokes", "a grant lapses", "breaks glass", "closes the glass", "exports", "asks about themselves", "is erased"}

func (w *walk) acting() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"comes north": func(ctx context.Context) error { return w.comes(ctx, w.north, "") },
		"comes south": func(ctx context.Context) error { return w.comes(ctx, w.south, "") },
		"is held":     func(ctx context.Context) error { return w.comes(ctx, w.north, "held.example") },
		"accepts":     func(ctx context.Context) error { return w.answer(ctx, "accept") },
		"declines":    func(ctx context.Context) error { return w.answer(ctx, "decline") },
		"is given":    w.give,
		"masks":       func(ctx context.Context) error { return w.setMasking(ctx, !w.masks) },
		"note":        func(ctx context.Context) error { return w.write(ctx, "note", "notes", nil) },
		"visit": func(ctx context.Context) error {
			return w.write(ctx, "place", "visits", map[string]any{"at": time.Now().Add(time.Hour)})
		},
		"corrects":              w.correct,
		"another role":          w.anotherRole,
		"another team":          w.anotherTeam,
		"another own role":      w.anotherOwnRole,
		"leaves and returns":    w.leaveAndReturn,
		"grants":                w.grantOne,
		"revokes":               func(ctx context.Context) error { return w.endGrant(ctx, w.revoke) },
		"a grant lapses":        func(ctx context.Context) error { return w.endGrant(ctx, w.lapse) },
		"breaks glass":          w.breakGlass,
		"closes the glass":      func(ctx context.Context) error { return w.endGrant(ctx, w.revoke) },
		"exports":               w.export,
		"asks about themselves": w.request,
		"is erased":             w.erase,
	}
}

// letters is a word that stands nowhere else.
func letters(rng *rand.Rand) string {
	var b strings.Builder
	for range 11 {
		b.WriteByte(byte('a' + rng.IntN(26)))
	}
	return b.String()
}

// comes is somebody new, of whom nothing is like anybody else's; from a domain
// that is held they get into the quarantine.
func (w *walk) comes(ctx context.Context, o *office, domain string) error {
	n := len(w.people)
	word := func(what string) string { return what + " " + letters(w.rng) }
	if domain == "" {
		domain = letters(w.rng) + ".example"
	}
	p := &enquirer{n: n, office: o, texts: map[string][]string{"name": {word("Nora")}, "phone": {w.number(n)}, "email": {letters(w.rng) + "@" + domain},
		"message": {word("said")}, "custom": {word("works for")}, "consent": {word("agreed to")}, "trace": {letters(w.rng)}}}
	body := map[string]any{"source": o.source, "message": p.texts["message"][0],
		"person":      map[string]any{"name": p.texts["name"][0], "phone": p.texts["phone"][0], "email": p.texts["email"][0]},
		"custom":      map[string]any{"employer": p.texts["custom"][0]},
		"consent":     map[string]any{"text": p.texts["consent"][0], "version": "1"},
		"attribution": map[string]any{"landing_page": "https://homes.example/?who=" + p.texts["trace"][0]}}
	var made struct{ ID string }
	if err := w.admin.post(ctx, "/v1/leads", body, &made); err != nil {
		return err
	}
	p.deal.enquiry = made.ID
	if _, err := w.i.drain(ctx, stillToCome); err != nil {
		return err
	}
	var e struct {
		State  string
		Lead   string `json:"lead_id"`
		Person string `json:"person_id"`
	}
	if err := w.admin.get(ctx, "/v1/enquiries/"+made.ID, &e); err != nil {
		return err
	}
	if p.deal.lead, p.deal.person = e.Lead, e.Person; e.State == "attached" {
		var l struct {
			Person string `json:"person_id"`
		}
		if err := w.admin.get(ctx, "/v1/leads/"+e.Lead, &l); err != nil {
			return err
		}
		p.deal.person = l.Person
	}
	w.people = append(w.people, p)
	return w.index()
}

// number is nobody else's: users have numbers of these kinds, too. Two of them
// differ well before their last digit, of which base64 may drop a part.
func (w *walk) number(n int) string {
	for k := 9_000 + 101*n; ; k += 7_000 {
		number := phone(k % phones)
		if !slices.ContainsFunc(w.i.world.Accounts, func(c company) bool {
			return slices.ContainsFunc(c.Users, func(u user) bool { return u.Phone == number })
		}) {
			return number
		}
	}
}

// index makes the searcher anew.
func (w *walk) index() (err error) {
	var all []canary
	for _, p := range w.people {
		for field, texts := range p.texts {
			for _, text := range texts {
				all = append(all, canary{fmt.Sprintf("%d/%s", p.n, field), text})
			}
		}
	}
	w.search, err = newSearcher(all)
	return err
}

// someone is one of those who have a lead, and are not erased.
func (w *walk) someone(ctx context.Context) (*enquirer, error) {
	for range 20 {
		if p := pick(w.rng, w.people); p.deal.lead != "" && !p.erased {
			return p, nil
		}
	}
	if err := w.comes(ctx, w.north, ""); err != nil {
		return nil, err
	}
	return w.people[len(w.people)-1], nil
}

// permitted lets an act pass that what went before has made impossible: what
// matters is what is read after it.
func permitted(err error) error {
	var r refusal
	if errors.As(err, &r) && (r.status == http.StatusConflict || r.status == http.StatusNotFound || r.status == http.StatusUnprocessableEntity) {
		return nil
	}
	return err
}

// answer has who is offered somebody's lead accept or decline it.
func (w *walk) answer(ctx context.Context, how string) error {
	p, err := w.someone(ctx)
	if err != nil {
		return err
	}
	_, offered, err := w.stands(ctx, p)
	if err != nil {
		return err
	}
	for _, o := range []*office{w.north, w.south} {
		if o.seller.id != offered {
			continue
		}
		var l struct {
			Offer string `json:"offer_id"`
		}
		if err := w.admin.get(ctx, "/v1/leads/"+p.deal.lead, &l); err != nil {
			return err
		}
		return permitted(o.seller.api.post(ctx, "/v1/offers/"+l.Offer+"/"+how, nil, nil))
	}
	return nil
}

func (w *walk) give(ctx context.Context) error {
	p, err := w.someone(ctx)
	if err != nil {
		return err
	}
	to := pick(w.rng, []string{w.north.seller.id, w.south.seller.id, w.dan.id})
	return permitted(w.admin.post(ctx, "/v1/leads/"+p.deal.lead+"/transfer", map[string]any{"to": to, "reason": "walk"}, nil))
}

func (w *walk) setMasking(ctx context.Context, on bool) error {
	w.masks = on
	return w.admin.call(ctx, http.MethodPut, "/v1/account/masking", map[string]any{"on_offer": on}, nil)
}

// write adds a text to somebody's lead: a note, or where a visit is.
func (w *walk) write(ctx context.Context, field, path string, more map[string]any) error {
	p, err := w.someone(ctx)
	if err != nil {
		return err
	}
	return w.writeOf(ctx, p, field, path, more)
}

func (w *walk) writeOf(ctx context.Context, p *enquirer, field, path string, more map[string]any) error {
	text := field + " " + letters(w.rng)
	body := map[string]any{map[string]string{"note": "text", "place": "place"}[field]: text}
	for k, v := range more {
		body[k] = v
	}
	if err := w.admin.post(ctx, "/v1/leads/"+p.deal.lead+"/"+path, body, nil); err != nil {
		return permitted(err)
	}
	p.texts[field] = append(p.texts[field], text)
	return w.index()
}

// correct gives somebody another name: what it was stays in the history.
func (w *walk) correct(ctx context.Context) error {
	p, err := w.someone(ctx)
	if err != nil {
		return err
	}
	name := "Nora " + letters(w.rng)
	if err := w.admin.call(ctx, http.MethodPatch, "/v1/persons/"+p.deal.person, map[string]any{"name": name}, nil); err != nil {
		return permitted(err)
	}
	p.texts["name"] = append(p.texts["name"], name)
	return w.index()
}

// become gives dan a role, in the session that he has.
func (w *walk) become(ctx context.Context, role string, grants map[string]string, word string) error {
	if err := w.changeDan(ctx, map[string]any{"role": word}); err != nil {
		return err
	}
	w.dan.role, w.dan.grants = role, grants
	return nil
}

// changeDan gives his leads to a colleague where he may not keep them.
func (w *walk) changeDan(ctx context.Context, to map[string]any) error {
	err := w.admin.call(ctx, http.MethodPatch, "/v1/users/"+w.dan.id, to, nil)
	var r refusal
	if errors.As(err, &r) && r.status == http.StatusConflict {
		to["handover"] = map[string]any{"to": w.north.seller.id}
		err = w.admin.call(ctx, http.MethodPatch, "/v1/users/"+w.dan.id, to, nil)
	}
	return err
}

func (w *walk) anotherRole(ctx context.Context) error {
	role := pick(w.rng, []string{"salesperson", "manager", "auditor", "marketer", "own role, teams", "own role, mine", "own role, no persons"})
	if grants := grantsOf[role]; grants != nil {
		return w.become(ctx, "", grants, w.roles[role])
	}
	return w.become(ctx, role, nil, role)
}

// anotherOwnRole changes what dan's own role is, while he has it.
func (w *walk) anotherOwnRole(ctx context.Context) error {
	grants := map[string]string{"leads:read": pick(w.rng, []string{reachMine, reachTeams, reachAll}), "events:follow": reachAll, "setup:read": reachAll}
	if opens := pick(w.rng, []string{"", reachMine, grants["leads:read"]}); opens != "" {
		grants["persons:open"] = opens
	}
	if err := w.admin.call(ctx, http.MethodPut, "/v1/roles/"+w.shift, map[string]any{"name": "Shifting", "permissions": grants}, nil); err != nil {
		return err
	}
	return w.become(ctx, "", grants, w.shift)
}

func (w *walk) anotherTeam(ctx context.Context) error {
	if w.dan.leadsTeam == nil {
		w.dan.leadsTeam = map[string]bool{}
	}
	if w.dan.leadsTeam[w.north.project] {
		delete(w.dan.leadsTeam, w.north.project)
		return w.admin.call(ctx, http.MethodDelete, "/v1/projects/"+w.north.project+"/pool/members/"+w.dan.id, nil, nil)
	}
	w.dan.leadsTeam[w.north.project] = true
	return w.admin.call(ctx, http.MethodPut, "/v1/projects/"+w.north.project+"/pool/members/"+w.dan.id, map[string]bool{"lead": true, "offers": false}, nil)
}

// leaveAndReturn deactivates dan, who asks with the session that he had, and
// then lets him sign in again.
func (w *walk) leaveAndReturn(ctx context.Context) error {
	was := w.dan.standing
	if err := w.changeDan(ctx, map[string]any{"state": "deactivated"}); err != nil {
		return err
	}
	w.dan.stranger = true
	delete(w.dan.leadsTeam, w.north.project)
	for range 3 {
		if err := w.ask(ctx, w.dan, pick(w.rng, w.reads), pick(w.rng, w.people)); err != nil {
			return err
		}
	}
	if err := w.changeDan(ctx, map[string]any{"state": "active"}); err != nil {
		return err
	}
	w.dan.standing = was
	_ = w.admin.call(ctx, http.MethodDelete, "/v1/projects/"+w.north.project+"/pool/members/"+w.dan.id, nil, nil) // if leaving has not
	in, err := w.m.base.signIn(ctx, w.dan.user.Email, w.dan.user.Password)
	if err == nil {
		w.dan.api = in
	}
	return err
}

// export makes a file of all leads, which is fetched once.
func (w *walk) export(ctx context.Context) error {
	admin, purpose := w.named("admin"), fmt.Sprintf("walk export %d", w.acts)
	var made struct{ ID string }
	if err := admin.api.post(ctx, "/v1/exports", map[string]any{"purpose": purpose}, &made); err != nil {
		return permitted(err)
	}
	if _, err := w.i.drain(ctx, stillToCome); err != nil {
		return err
	}
	of := pick(w.rng, w.people)
	of.export, of.exportFor = made.ID, purpose
	for _, r := range w.m.routes {
		if r.name == "fetch-export-file" {
			for _, who := range []*credential{w.named("auditor"), w.dan, w.named("another account's admin"), admin} {
				if err := w.ask(ctx, who, r, of); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *walk) named(name string) *credential {
	for _, who := range w.all {
		if who.name == name {
			return who
		}
	}
	panic("proof: nobody is called " + name)
}

// request writes down that somebody wants to know what is kept of them.
func (w *walk) request(ctx context.Context) error {
	p, err := w.someone(ctx)
	if err != nil {
		return err
	}
	var made struct{ ID string }
	err = w.admin.post(ctx, "/v1/subject-requests", map[string]any{"kind": "access", "person_id": p.deal.person}, &made)
	p.request = made.ID
	return permitted(err)
}

// erase erases somebody: nothing of theirs may be found any more.
func (w *walk) erase(ctx context.Context) error {
	if w.rng.IntN(3) > 0 || len(w.people) < 6 {
		return nil // there have to be people
	}
	p, err := w.someone(ctx)
	if err != nil {
		return err
	}
	var made struct{ ID string }
	if err := w.admin.post(ctx, "/v1/subject-requests", map[string]any{"kind": "erase", "person_id": p.deal.person}, &made); err != nil {
		return permitted(err)
	}
	if err := w.admin.post(ctx, "/v1/subject-requests/"+made.ID+"/fulfil", nil, nil); err != nil {
		return err
	}
	_, err = w.i.drain(ctx, stillToCome)
	p.erased = true
	return err
}
