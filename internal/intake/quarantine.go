package intake

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
	"catchment/internal/submission"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

// What looks like nobody's interest is held back: the enquiry is kept, sealed
// under its person's key like any other, belongs to no lead, and waits for a
// human, who lets it through (Release) or says that it stays (Keep). It is
// never dropped, and never routed unless it was let through.

// The kinds of what is counted, and how long their spans are.
const (
	burstPerson  = "person"
	burstAddress = "address"
	personSpan   = time.Hour
	addressSpan  = 10 * time.Minute

	byAddress vault.IndexField = "sender_address" // its MACs are of networks, kept a day
)

// disposable are well-known givers of addresses that live for minutes; an
// account adds its own. Reserved names stand for them in tests.
var disposable = []string{"10minutemail.com", "dispostable.com", "fakeinbox.com", "getnada.com", "guerrillamail.com", "mailcatch.com",
	"maildrop.cc", "mailinator.com", "mailnesia.com", "mintemail.com", "mohmal.com", "sharklasers.com", "spamgourmet.com", "temp-mail.org",
	"tempmail.com", "throwawaymail.com", "trashmail.com", "yopmail.com", "disposable.example"}

// judge looks at what an item says. Imports of what was worked on elsewhere
// are taken as they are.
func (it *item) judge(sub *submission.Submission, p *submission.Payload, f *setup.Facts) {
	if it.past != nil {
		return
	}
	it.rules = f.Quarantine
	text := strings.ToLower(reveal.Text(sub.Message))
	name := strings.ToLower(reveal.Text(sub.Person.Name))
	switch {
	case slices.Contains(it.flags, lead.HoneypotFilled):
		it.suspect = lead.HeldHoneypot
	case throwaway(reveal.Text(sub.Person.Email), f.Quarantine.Domains):
		it.suspect = lead.HeldDisposable
	case advertises(name, text, f.Quarantine.Patterns):
		it.suspect = lead.HeldPattern
	}
	if f.Servers[it.head.Key] {
		return // a server hands in the leads of many
	}
	if network := senderNetwork(reveal.Text(p.IP)); network != "" {
		it.network = leads.Burst{Span: it.head.ReceivedAt.Truncate(addressSpan).UnixMicro(), Kind: burstAddress, Source: it.head.Source,
			MAC: it.keys.Index(byAddress, it.head.Test, network)}
	}
}

// throwaway reports whether the address is of a domain that is listed, or of
// one below it.
func throwaway(email string, more []string) bool {
	_, domain, ok := strings.Cut(strings.ToLower(strings.TrimSpace(email)), "@")
	for ok && domain != "" {
		if slices.Contains(disposable, domain) || slices.Contains(more, domain) {
			return true
		}
		_, domain, ok = strings.Cut(domain, ".")
	}
	return false
}

// advertises reports whether the text is of a kind that enquirers do not
// write: markup with links, a name that is an address of the web, many links,
// or a pattern of the account's own. One link is no fault: people send the
// page that they mean.
func advertises(name, text string, more []string) bool {
	if strings.Contains(name, "://") || strings.HasPrefix(name, "www.") {
		return true
	}
	if strings.Contains(text, "[url=") || strings.Contains(text, "<a href=") || strings.Count(text, "http://")+strings.Count(text, "https://") > 3 {
		return true
	}
	return slices.ContainsFunc(more, func(p string) bool {
		return p != "" && (strings.Contains(text, p) || strings.Contains(name, p))
	})
}

// senderNetwork is whose address it is: itself, or the /64 of an IPv6 one, which is
// one house. Addresses that are not of the internet say nothing of who sent.
func senderNetwork(ip string) string {
	a, err := netip.ParseAddr(strings.TrimSpace(ip))
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return ""
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // such a prefix always is
	return p.String()
}

// person is the count of the item's person at its source; zero Kind when there
// is nothing to tell them by.
func (it *item) person() leads.Burst {
	k := it.phone
	if k.Field == "" {
		k = it.email
	}
	if k.Field == "" {
		return leads.Burst{}
	}
	return leads.Burst{Span: it.head.ReceivedAt.Truncate(personSpan).UnixMicro(), Kind: burstPerson, Source: it.head.Source, MAC: k.MAC}
}

// loadBursts reads the counts of those that may be too many: of persons who are
// known, and of networks.
func (b *batch) loadBursts(items []*item) error {
	b.seen, b.more = map[leads.Burst]int64{}, map[leads.Burst]int64{}
	asked := map[leads.Burst]bool{}
	var wanted []leads.Burst
	ask := func(k leads.Burst) {
		if k.Kind != "" && !asked[k] {
			asked[k] = true
			wanted = append(wanted, k)
		}
	}
	for _, it := range items {
		if it.dead != "" || it.past != nil {
			continue
		}
		ask(it.network)
		if b.byKey[it.phone] != nil || b.byKey[it.email] != nil {
			ask(it.person())
		}
	}
	return leads.Bursts(b.tx, wanted, b.seen)
}

// suspicion says why the item is held back; "" when it is not. It counts the
// item whatever it says.
func (b *batch) suspicion(it *item, h *human) string {
	if it.past != nil {
		return ""
	}
	reason := it.suspect
	if b.count(it.network) > limit(it.rules.AddressTenMinutes, lead.AddressTenMinutes) && reason == "" {
		reason = lead.HeldAddress
	}
	if h.id == it.fresh.id {
		return it.orFirewall(reason) // the first of a person is no burst, and costs no row
	}
	if b.count(it.person()) >= limit(it.rules.PersonAnHour, lead.PersonAnHour) && reason == "" {
		reason = lead.HeldPerson
	}
	return it.orFirewall(reason)
}

// orFirewall is the reason, or the firewall's verdict when there is no other:
// what it alone holds may be let through by asking all of its rules.
func (it *item) orFirewall(reason string) string {
	if reason == "" && it.head.Verdict != "" {
		return lead.HeldFirewall
	}
	return reason
}

func limit(own, standard int) int64 {
	if own > 0 {
		return int64(own)
	}
	return int64(standard)
}

// count counts one more and returns how many that makes.
func (b *batch) count(k leads.Burst) int64 {
	if k.Kind == "" {
		return 0
	}
	b.seen[k]++
	b.more[k]++
	return b.seen[k]
}

// hold keeps the item as an enquiry of no lead. Of a person who is known it
// tells nothing before it is released; a new one is found again by what it says.
func (b *batch) hold(it *item, h *human, v *values, reason string) {
	if h.id == it.fresh.id {
		b.learn(it, h, v)
	} else {
		b.withhold(it, h, v)
	}
	e := &leads.Enquiry{ID: it.head.Enquiry, Person: h.id, Project: it.project, Source: it.head.Source, State: lead.Quarantined, Test: it.head.Test,
		Flags: it.flags, Attribution: it.attribution, Custom: it.custom, Message: vault.Sealed{Data: v.message},
		CustomSeal: vault.Sealed{Data: v.custom}, Consent: vault.Sealed{Data: v.consent}, ReceivedAt: it.head.ReceivedAt, CreatedAt: b.now}
	b.enquiries = append(b.enquiries, e)
	b.mine[e.ID] = &taking{e, b.submit(it, h, v, false), h}
	rules := it.head.Verdict.Rules()
	b.held = append(b.held, leads.Held{Enquiry: e.ID, Reason: reason, Test: it.head.Test, ReceivedAt: it.head.ReceivedAt, Rules: rules})
	b.emit(it, events.EnquiryQuarantined, lead.ID{})
	says := map[string]any{"reason": reason}
	if len(rules) > 0 {
		says["rules"] = rules
	}
	b.events[len(b.events)-1].Data = says
}

func (b *batch) saveHeld() error {
	if len(b.held) > 0 {
		if err := leads.AddHeld(b.tx, b.held); err != nil {
			return err
		}
		if slices.ContainsFunc(b.held, func(h leads.Held) bool { return h.Reason == lead.HeldFirewall }) {
			if err := b.in.o.Jobs.Add(b.tx, InspectJob, inspectKey, b.now); err != nil {
				return err
			}
		}
	}
	if len(b.withheld) > 0 {
		if err := people.Withhold(b.tx, b.withheld); err != nil {
			return err
		}
	}
	return leads.AddBursts(b.tx, b.more)
}

// Release lets a quarantined enquiry through, also one that was kept: it
// becomes one of its person's open lead of the project, or makes a lead, which
// is routed like any other, and what it says of the person counts. The error is a *problem.Problem when it is not in
// quarantine or was released before.
func (in *Intake) Release(tx *store.Tx, id lead.EnquiryID, actor string) error {
	held, e, err := inQuarantine(tx, id)
	if err != nil {
		return err
	}
	facts, err := setup.ReadFacts(tx)
	if err != nil {
		return err
	}
	if facts.NewStage.IsZero() {
		return problem.Conflict("no_stage", "No stage is of the category new. Make one first.")
	}
	b := &batch{in: in, tx: tx, now: store.Clock(time.Now()), mine: map[lead.EnquiryID]*taking{}, byKey: map[people.Key]*human{},
		byID: map[lead.PersonID]*human{}, again: map[lead.ID]*leads.ReEnquiry{}, projects: map[account.ProjectID]bool{}}
	it := &item{stage: facts.NewStage, project: e.Project}
	it.head.Enquiry, it.head.Source, it.head.Test, it.head.ReceivedAt = e.ID, e.Source, e.Test, e.ReceivedAt
	withheld, err := b.readWithheld(it, e)
	if err != nil {
		return err
	}
	h := b.byID[e.Person]
	if h == nil || len(h.wrapped) == 0 {
		return problem.Conflict("person_erased", "The person of this enquiry was erased.")
	}
	if err := b.unfold(it, h, withheld); err != nil {
		return err
	}
	of, again := b.lead(it, h)
	if err := leads.JudgeHeld(tx, held, lead.Released, b.now, actor); err != nil {
		return err
	}
	b.emit(it, events.EnquiryReleased, of)
	b.events[0].Data = map[string]any{"by": actor}
	b.emit(it, events.EnquiryAttached, of)
	if again {
		b.emit(it, events.LeadReEnquired, of)
	} else {
		b.emit(it, events.LeadCreated, of)
	}
	if err := b.save(); err != nil {
		return err
	}
	if err := leads.ReleaseEnquiry(tx, id, of, again); err != nil {
		return err
	}
	return audit.Write(tx, b.now, audit.Entry{Actor: actor, Action: "enquiry.release", About: id.String(), Detail: map[string]any{"lead": of.String()}})
}

// Keep says that a held enquiry stays in quarantine. It leaves the list of
// those that wait for a look and can still be released.
func (in *Intake) Keep(tx *store.Tx, id lead.EnquiryID, actor string) error {
	held, e, err := inQuarantine(tx, id)
	if err != nil || held.State == lead.Kept {
		return err
	}
	now := store.Clock(time.Now())
	if err := leads.JudgeHeld(tx, held, lead.Kept, now, actor); err != nil {
		return err
	}
	in.o.Events.Emit(tx, events.Event{Kind: events.EnquiryKept, At: now, Enquiry: id, Project: e.Project, Source: e.Source, Test: e.Test,
		Data: map[string]any{"by": actor}})
	return audit.Write(tx, now, audit.Entry{Actor: actor, Action: "enquiry.keep", About: id.String()})
}

func inQuarantine(tx *store.Tx, id lead.EnquiryID) (leads.Held, leads.Enquiry, error) {
	held, err := leads.HeldByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		return held, leads.Enquiry{}, problem.NotFound()
	}
	if err != nil {
		return held, leads.Enquiry{}, err
	}
	if held.State == lead.Released {
		return held, leads.Enquiry{}, problem.Conflict("already_released", "This enquiry was let through before.")
	}
	e, err := leads.EnquiryByID(tx, id)
	if err == nil && e.State != lead.Quarantined {
		err = problem.Conflict("not_quarantined", "This enquiry is not in quarantine any more.")
	}
	return held, e, err
}
