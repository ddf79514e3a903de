package desk_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
	"catchment/internal/store/storetest"
	"catchment/internal/vault"

	"pgregory.net/rapid"
)

// house is a company whose every answer is searched.
type house struct {
	*company
	people  map[lead.PersonID]arrivedAs
	routes  []string // every GET of the document, what it can include asked for
	readers map[string]*visitor
	masks   bool
	entries []keyring.Opening // since the last answer
	found   map[string]int    // how many texts were found in answers, by who read
	file    filedAs
}

// filedAs is a file, called as its person is, in which stands what they wrote.
type filedAs struct {
	id string
	of arrivedAs
}

type arrivedAs struct {
	arrived
	texts
}

// who may open what, as docs/rights.md has it: said again here, in other words.
const (
	salesOne, salesTwo, manager, teamLead = "salesperson", "another salesperson", "manager", "who leads the team"
	auditor, marketer, key, mute          = "auditor", "marketer", "key", "key that states no purpose"
)

func newHouse(t *testing.T) *house {
	c := open(t, storetest.SQLite(t)).company()
	c.patient()
	h := &house{company: c, people: map[lead.PersonID]arrivedAs{}, found: map[string]int{}, routes: c.reads()}
	h.readers = map[string]*visitor{salesOne: c.user(account.Salesperson), salesTwo: c.user(account.Salesperson), manager: c.user(account.Manager), teamLead: c.teamLead(),
		auditor: c.user(account.Auditor), marketer: c.user(account.Marketer), key: c.key(account.Manager), mute: c.key(account.Manager)}
	hear := func(o keyring.Opening) { h.entries = append(h.entries, o) }
	c.heard.Store(&hear)
	return h
}

// reads lists every GET route of the document, with all that it can include. A
// new one is among them by itself; one about a new kind of thing has to say of
// which in path.
func (c *company) reads() (out []string) {
	text, err := c.api.Document()
	c.ok(err)
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name   string
				Schema struct {
					Enum  []string
					Items struct{ Enum []string }
				}
			}
		}
	}
	c.ok(json.Unmarshal(text, &doc))
	for path, ops := range doc.Paths {
		op, ok := ops["get"]
		if !ok || path == "/v1/events" || strings.HasPrefix(path, "/v1/sessions") { // a stream has a test of its own; nobody is signed in there
			continue
		}
		for _, p := range op.Parameters {
			if all := append(p.Schema.Enum, p.Schema.Items.Enum...); p.Name == "include" {
				path += "?include=" + strings.Join(all, "&include=")
			}
		}
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// path is a route about somebody.
func (h *house) path(route string, of arrivedAs, offer string) string {
	if strings.Contains(route, "{file}") {
		of, route = h.file.of, strings.Replace(route, "{file}", h.file.id, 1)
	}
	for begin, id := range map[string]string{"/v1/users/": h.readers[salesTwo].id.String(), "/v1/leads/": of.lead.String(), "/v1/enquiries/": of.enquiry.String(), "/v1/persons/": of.person.String(), "/v1/offers/": offer} {
		if strings.HasPrefix(route, begin) {
			route = strings.Replace(route, "{id}", id, 1)
		}
	}
	if strings.Contains(route, "{") {
		h.Fatalf("%s: which id is that?", route)
	}
	return route
}

// files has the manager add a file to the lead, unless the last one is its.
func (h *house) files(of arrivedAs) {
	if h.file.of.lead == of.lead {
		return
	}
	made := h.readers[manager].send(of.arrived, url.PathEscape(of.name), []byte(of.message)).want(h, 201)
	h.file = filedAs{made.body["id"].(string), of}
}

// comes is somebody new, of whom nothing is like anybody else's.
func (h *house) comes(owner account.UserID) arrivedAs {
	n := len(h.people) // fewer than the thousand numbers that are nobody's
	is := texts{name: fmt.Sprintf("Person %04d Canary", n), phone: fmt.Sprintf("+442079460%03d", n), email: fmt.Sprintf("canary.%04d@example.com", n),
		message: fmt.Sprintf("message of canary %04d", n), custom: fmt.Sprintf(`{"employer":"Employer %04d"}`, n)}
	is.raw = fmt.Sprintf(`{"person":{"name":%q,"phone":%q},"note":"raw canary %04d"}`, is.name, is.phone, n)
	a := arrivedAs{h.arriveAs(owner, is), is}
	h.people[a.person] = a
	return a
}

// forms are how a text can stand in an answer: as it is, in JSON, and in base64 of
// JSON, in which it has three forms by where it begins.
func forms(text string) []string {
	quoted, _ := json.Marshal(text)
	out := []string{text, strings.Trim(string(quoted), `"`)}
	for skip, from := range []int{0, 2, 3} { // what is before and after a text has a share in its first and last letters
		coded := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat(" ", skip) + text + `"`))
		out = append(out, coded[from:len(coded)-1])
	}
	return out
}

// look has the reader read, and judges the answer: each text in it has to be
// theirs to have, and on the record.
func (h *house) look(who, path string) (faults []string) {
	v, purpose := h.readers[who], "property"
	if who == mute {
		purpose = ""
	}
	h.entries = nil
	var head []string
	if purpose != "" {
		head = []string{"Catchment-Purpose", purpose}
	}
	got := v.get(path, head...).text
	for _, p := range h.people {
		for f, text := range map[vault.Field]string{vault.Name: p.name, vault.Phone: p.phone, vault.Email: p.email, vault.Message: p.message, vault.Custom: p.custom[13:26]} {
			if !slices.ContainsFunc(forms(text), func(s string) bool { return strings.Contains(got, s) }) {
				continue
			}
			h.found[who]++
			if !h.may(who, p, f) {
				faults = append(faults, fmt.Sprintf("%s, %s: %s of lead %s is not theirs to have", who, path, f, p.lead))
			}
			if !h.entered(v, purpose, p, f) {
				faults = append(faults, fmt.Sprintf("%s, %s: %s of lead %s, and nothing on the record", who, path, f, p.lead))
			}
		}
	}
	return faults
}

// may is the table of docs/rights.md.
func (h *house) may(who string, p arrivedAs, f vault.Field) bool {
	switch who {
	case manager, teamLead, key:
		return true
	case salesOne, salesTwo:
	default:
		return false
	}
	owner, offered := h.stands(p.lead)
	me := h.readers[who].id
	return owner == me || offered == me && (!h.masks || f == vault.Name)
}

// stands is whose a lead is, and to whom it is on offer.
func (h *house) stands(id lead.ID) (owner, offered account.UserID) {
	h.write(func(tx *store.Tx) error {
		l, err := leads.LeadByID(tx, id)
		h.ok(err)
		owner, offered = l.Owner, account.UserID{}
		if !l.Offer.IsZero() {
			o, err := offers.Get(tx, l.Offer)
			h.ok(err)
			if o.Open {
				offered = o.User
			}
		}
		return nil
	})
	return owner, offered
}

// entered reports whether the record got an entry about this field, or about what
// may have it in it (what came in as it came, a note), of this person in clear, by this reader for this purpose.
func (h *house) entered(v *visitor, purpose string, p arrivedAs, f vault.Field) bool {
	return slices.ContainsFunc(h.entries, func(o keyring.Opening) bool {
		return string(o.Purpose) == purpose && (v.id.IsZero() || o.Actor == v.id.String()) && slices.ContainsFunc(o.Items, func(i keyring.Item) bool {
			return i.Subject == vault.Subject(p.person.UUID()) && slices.Contains([]vault.Field{f, vault.Raw, vault.Note, vault.Content, vault.FileName}, i.Field) && !i.Masked
		})
	})
}

// offer has somebody come whose lead is offered to a salesperson who is free.
func (h *house) offer(who string) (arrivedAs, string) {
	v, path := h.readers[who], ""
	v.presence(account.Available)
	var of arrivedAs
	open := func() bool {
		for _, o := range v.get("/v1/offers").want(h, 200).items() {
			for _, p := range h.people {
				if o["lead_id"] == p.lead.String() {
					of, path = p, o["id"].(string)
				}
			}
		}
		return path != ""
	}
	if !open() {
		h.comes(account.UserID{})
		within(h, time.Minute, "an offer", open)
	}
	v.presence(account.Away)
	return of, path
}

// No sequence of arrivals, offers, what becomes of them, the account's masking,
// readers and routes of this door gives a text that is not the reader's to have,
// or of which the record does not tell.
func TestNoTextWithoutARightAndAnEntry(t *testing.T) {
	h := newHouse(t)
	names := []string{salesOne, salesTwo, manager, teamLead, auditor, marketer, key, mute}
	of, offer := h.comes(h.readers[salesTwo].id), lead.NewOfferID().String()
	h.files(of)
	read := func(t *rapid.T, who, route string) {
		for _, fault := range h.look(who, h.path(route, of, offer)) {
			t.Error(fault)
		}
	}
	acts := map[string]func(){
		"comes":    func() { of = h.comes(h.readers[salesOne].id) },
		"accepts":  func() { h.readers[salesOne].post("/v1/offers/"+offer+"/accept", nil) },
		"declines": func() { h.readers[salesOne].post("/v1/offers/"+offer+"/decline", nil) },
		"lapses":   func() { h.pass(2 * time.Hour) },
		"given": func() {
			h.readers[manager].post("/v1/leads/"+of.lead.String()+"/transfer", map[string]any{"to": h.readers[salesTwo].id.String(), "reason": "property"})
		},
		"masks": func() { h.masks = !h.masks; h.mask(h.masks) },
		"note": func() {
			h.readers[manager].post("/v1/leads/"+of.lead.String()+"/notes", map[string]any{"text": of.phone})
		},
		"file": func() { h.files(of) },
	}
	order := []string{"comes", "accepts", "declines", "lapses", "given", "masks", "note", "file"}
	rapid.Check(t, func(t *rapid.T) {
		if rapid.IntRange(0, 3).Draw(t, "offered") == 0 {
			of, offer = h.offer(salesOne)
		}
		for _, act := range rapid.SliceOfN(rapid.SampledFrom(order), 0, 3).Draw(t, "acts") {
			acts[act]()
			read(t, rapid.SampledFrom(names).Draw(t, "who"), rapid.SampledFrom(h.routes).Draw(t, "route"))
		}
		read(t, rapid.SampledFrom(names).Draw(t, "who"), "/v1/leads/{id}")
	})

	// What must be seen, whatever was drawn: of every reader, on every route.
	h.masks = false
	h.mask(false)
	of, offer = h.offer(salesOne)
	clear(h.found)
	everyRoute := func() (faults []string) {
		for _, who := range names {
			for _, route := range h.routes {
				faults = append(faults, h.look(who, h.path(route, of, offer))...)
			}
		}
		return faults
	}
	if faults := everyRoute(); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
	t.Logf("%d routes, %d persons, texts by reader: %v", len(h.routes), len(h.people), h.found)
	for _, who := range names {
		if gives := slices.Contains([]string{salesOne, salesTwo, manager, teamLead, key}, who); gives != (h.found[who] > 0) {
			t.Errorf("%s found %d texts", who, h.found[who])
		}
	}

	// Controls: a door that masks nothing, and an opener that forgets the entry.
	h.masks = true
	if faults := h.look(salesOne, h.path("/v1/leads/{id}", of, offer)); len(faults) != 2 {
		t.Errorf("phone and e-mail of a lead on offer that should be masked: %q", faults)
	}
	h.mask(true)
	if faults := everyRoute(); len(faults) > 0 {
		t.Errorf("masked: %q", faults)
	}
	h.forget.Store(true)
	if faults := h.look(manager, h.path("/v1/leads/{id}", of, offer)); len(faults) != 3 {
		t.Errorf("an opener that forgets the entry: %q", faults)
	}
}
