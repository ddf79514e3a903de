package desk

import (
	"encoding/json"
	"time"

	"catchment/internal/account"
	"catchment/internal/followup"
	"catchment/internal/lead"
	"catchment/internal/store/leads"
	"catchment/internal/store/offers"
	"catchment/internal/web"
)

// Named is a part of the set-up as it stands beside what refers to it.
type Named struct {
	ID   string `json:"id" doc:"Its id." example:"proj_01h455vb4pex5vsknk084sn02q"`
	Name string `json:"name" doc:"Its name; empty when it is not there any more." example:"Harbour Lofts"`
}

// LeadStage is the stage that a lead is in.
type LeadStage struct {
	ID       string `json:"id" example:"stg_01h455vb4pex5vsknk084sn02q"`
	Slug     string `json:"slug" example:"site-visit-planned"`
	Name     string `json:"name" example:"Site visit planned"`
	Category string `json:"category" enum:"new,follow-up,won,dropped" doc:"What every account's stages have in common. A lead is open in the first two."`
}

// LeadClocks are the durations of a lead.
type LeadClocks struct {
	SpeedToLead   *int64 `json:"speed_to_lead_ms" doc:"First enquiry received to first attempt. null: not measured."`
	TimeToOffer   *int64 `json:"time_to_offer_ms" doc:"First enquiry received to first offer."`
	TimeToAccept  *int64 `json:"time_to_accept_ms" doc:"First offer to first acceptance."`
	FirstResponse *int64 `json:"first_response_ms" doc:"First acceptance to first attempt."`
	TimeToContact *int64 `json:"time_to_contact_ms" doc:"First enquiry received to first contact."`
	TalkTime      *int64 `json:"talk_ms" doc:"How long the person was talked to, in all attempts."`
	WrapUp        *int64 `json:"wrap_up_ms" doc:"From the end of an attempt to its result, in all attempts."`

	Evidence ClockEvidence `json:"evidence" doc:"How each is known."`
}

// ClockEvidence is how well each duration of a lead is known: measured by a
// provider, seen by the program, said by a person, or not_measured.
type ClockEvidence struct {
	SpeedToLead   string `json:"speed_to_lead" enum:"measured,seen,said,not_measured"`
	TimeToOffer   string `json:"time_to_offer" enum:"measured,seen,said,not_measured"`
	TimeToAccept  string `json:"time_to_accept" enum:"measured,seen,said,not_measured"`
	FirstResponse string `json:"first_response" enum:"measured,seen,said,not_measured"`
	TimeToContact string `json:"time_to_contact" enum:"measured,seen,said,not_measured"`
	TalkTime      string `json:"talk" enum:"measured,seen,said,not_measured"`
	WrapUp        string `json:"wrap_up" enum:"measured,seen,said,not_measured"`
}

func clocksView(c followup.Clocks) LeadClocks {
	return LeadClocks{c.SpeedToLead.MS, c.TimeToOffer.MS, c.TimeToAccept.MS, c.FirstResponse.MS, c.TimeToContact.MS, c.TalkTime.MS, c.WrapUp.MS,
		ClockEvidence{string(c.SpeedToLead.How), string(c.TimeToOffer.How), string(c.TimeToAccept.How), string(c.FirstResponse.How),
			string(c.TimeToContact.How), string(c.TalkTime.How), string(c.WrapUp.How)}}
}

// Person is the personal data of a person, as opened on the record.
type Person struct {
	ID      string  `json:"id" example:"prsn_01h455vb4pex5vsknk084sn02q"`
	Name    *string `json:"name" example:"Asha Example"`
	Phone   *string `json:"phone" doc:"E.164 when it could be read as a number." example:"+442079460123"`
	Email   *string `json:"email" example:"asha@example.com"`
	Country string  `json:"country" doc:"Of the phone, ISO 3166; empty when unknown." example:"GB"`
	Erased  bool    `json:"erased" doc:"The key is gone, and with it the text."`

	Contactable   bool    `json:"contactable" doc:"false: this person must not be contacted; show no links to call or write."`
	NotContacting *string `json:"not_contactable_because" doc:"The code of the reason; null while contactable." example:"asked-not-to"`

	Masked []string `json:"masked,omitempty" nullable:"false" enum:"phone,email" doc:"Of these only a masked form is given, until the offer is accepted: show no links to call or write."`
}

// Lead is the work item: a person's interest in a project.
type Lead struct {
	ID           string     `json:"id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	PersonID     string     `json:"person_id" example:"prsn_01h455vb4pex5vsknk084sn02q"`
	Project      Named      `json:"project"`
	Source       Named      `json:"source" doc:"Of the first enquiry."`
	Stage        LeadStage  `json:"stage"`
	Reason       string     `json:"reason" doc:"The code given with the last change of stage." example:"too-expensive"`
	State        string     `json:"state" enum:"waiting,offered,owned,unrouted" doc:"Whose move it is. unrouted: not offered, because it is a test lead, was closed before anybody owned it, or its person must not be contacted."`
	OwnerID      *string    `json:"owner_id" doc:"Who is accountable now."`
	OwnerName    *string    `json:"owner_name"`
	OfferID      *string    `json:"offer_id" doc:"The open offer."`
	Test         bool       `json:"test"`
	Enquiries    int64      `json:"enquiries" doc:"How often the person enquired about the project."`
	ReEnquiry    bool       `json:"re_enquiry" doc:"More than once."`
	PreviousID   *string    `json:"previous_id" doc:"The closed lead of the same person and project before this one."`
	OffersMade   int64      `json:"offers_made"`
	CreatedAt    time.Time  `json:"created_at" doc:"When its first enquiry was received."`
	EnquiredAt   time.Time  `json:"enquired_at" doc:"When its newest enquiry was received."`
	WaitingSince *time.Time `json:"waiting_since"`
	QueuedAt     *time.Time `json:"queued_at" doc:"Since when it stands in the pool's named queue."`
	OfferedAt    *time.Time `json:"offered_at" doc:"First offered."`
	AcceptedAt   *time.Time `json:"accepted_at" doc:"First accepted."`
	AttemptedAt  *time.Time `json:"attempted_at" doc:"First attempted."`
	ContactedAt  *time.Time `json:"contacted_at" doc:"First reached."`
	NextAt       *time.Time `json:"next_at" doc:"The next follow-up."`
	NextWhat     *string    `json:"next_what" enum:"call,message,meet,visit,other"`
	Overdue      bool       `json:"overdue" doc:"The next follow-up is past due."`
	ClosedAt     *time.Time `json:"closed_at"`
	Clocks       LeadClocks `json:"clocks"`
	Tags         []string   `json:"tags" nullable:"false" doc:"Codes, sorted."`

	Contactable   bool    `json:"contactable" doc:"false: the person must not be contacted; show no links to call or write."`
	NotContacting *string `json:"not_contactable_because" doc:"The code of the reason; null while contactable." example:"asked-not-to"`

	Version int64   `json:"version" doc:"Grows with each change."`
	Person  *Person `json:"person,omitempty" doc:"Only when it was asked for and a purpose is stated."`
}

// Offer is a timed invitation to one salesperson. It says nothing personal.
type Offer struct {
	ID         string     `json:"id" example:"offr_01h455vb4pex5vsknk084sn02q"`
	LeadID     string     `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	UserID     string     `json:"user_id" doc:"To whom." example:"user_01h455vb4pex5vsknk084sn02q"`
	State      string     `json:"state" enum:"queued,pushed,acked,seen,accepted,declined,expired,lost,error"`
	MadeAt     time.Time  `json:"made_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	ResolvedAt *time.Time `json:"resolved_at" doc:"null while it is open."`
	Reason     string     `json:"reason" doc:"The code given with a decline, or why it was lost."`
	Project    Named      `json:"project"`
	Source     Named      `json:"source"`
	WaitingMS  int64      `json:"waiting_ms" doc:"How long the person had waited when the offer was made, since the first enquiry."`
	Enquiries  int64      `json:"enquiries" doc:"How often the person enquired about the project."`
	ReEnquiry  bool       `json:"re_enquiry"`
}

// Enquiry is one expression of interest.
type Enquiry struct {
	ID             string            `json:"id" example:"enq_01h455vb4pex5vsknk084sn02q"`
	State          string            `json:"state" enum:"attached,quarantined,dead,erased"`
	LeadID         *string           `json:"lead_id" doc:"null while it belongs to none."`
	PersonID       *string           `json:"person_id"`
	Project        Named             `json:"project"`
	Source         Named             `json:"source"`
	Test           bool              `json:"test"`
	ReEnquiry      bool              `json:"re_enquiry" doc:"The lead was there before."`
	Conflict       bool              `json:"conflict" doc:"Another body came under the same idempotency key."`
	Flags          []string          `json:"flags" nullable:"false" doc:"What was odd and kept all the same."`
	Attribution    map[string]string `json:"attribution" doc:"Known UTM parameters and click ids."`
	Custom         map[string]any    `json:"custom" doc:"The fields that the source marks non-personal."`
	ReceivedAt     time.Time         `json:"received_at" doc:"When the door took it."`
	Person         *Person           `json:"person,omitempty" doc:"With include=person and a purpose."`
	Message        *string           `json:"message,omitempty" doc:"With include=message and a purpose."`
	PersonalCustom map[string]any    `json:"personal_custom,omitempty" doc:"The other custom fields; with include=message and a purpose."`
	Consent        map[string]any    `json:"consent,omitempty" doc:"With include=message and a purpose."`
}

// Attempt is one try to reach the person.
type Attempt struct {
	ID          string     `json:"id" example:"attm_01h455vb4pex5vsknk084sn02q"`
	LeadID      string     `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	UserID      *string    `json:"user_id" doc:"null when a key reported it."`
	Channel     string     `json:"channel" enum:"call,whatsapp,sms,email,in-person"`
	Disposition string     `json:"disposition" enum:"interested,not-interested,call-back,spoke,no-answer,busy,wrong-number,unreachable,sent"`
	Reached     bool       `json:"reached" doc:"It was a contact."`
	Evidence    string     `json:"evidence" enum:"said,seen,measured" doc:"How it is known: told by somebody, begun in the program, or reported by a provider."`
	StartedAt   time.Time  `json:"started_at"`
	EndedAt     *time.Time `json:"ended_at" doc:"null: not known."`
	TalkMS      *int64     `json:"talk_ms" doc:"How long the person was talked to; null: not measured. As the attempt is known, but said of one that was seen."`
	WrapUpMS    *int64     `json:"wrap_up_ms" doc:"From its end to its result; null: not measured."`
	CreatedAt   time.Time  `json:"created_at" doc:"When its result was told."`
}

// Note is a text about a lead. It is personal.
type Note struct {
	ID        string    `json:"id" example:"note_01h455vb4pex5vsknk084sn02q"`
	LeadID    string    `json:"lead_id" example:"lead_01h455vb4pex5vsknk084sn02q"`
	By        string    `json:"by" doc:"A user's or key's id."`
	CreatedAt time.Time `json:"created_at"`
	Text      *string   `json:"text" doc:"null without a purpose, and when the person was erased." example:"Prefers calls after six."`
}

func (n names) lead(l leads.Lead, now time.Time) Lead {
	return Lead{
		ID: l.ID.String(), PersonID: l.Person.String(), Project: n.project(l.Project), Source: n.source(l.Source),
		Stage: n.stage(l.Stage, l.Category), Reason: l.Reason, State: string(l.RouteState),
		OwnerID: web.OrNull(l.Owner.String()), OwnerName: web.OrNull(n.users[l.Owner]), OfferID: web.OrNull(l.Offer.String()), Test: l.Test,
		Enquiries: l.Enquiries, ReEnquiry: l.Enquiries > 1, PreviousID: web.OrNull(l.Previous.String()), OffersMade: l.OffersMade,
		CreatedAt: l.CreatedAt, EnquiredAt: l.EnquiredAt, WaitingSince: web.TimeOrNull(l.WaitingAt), QueuedAt: web.TimeOrNull(l.QueuedAt),
		OfferedAt: web.TimeOrNull(l.OfferedAt), AcceptedAt: web.TimeOrNull(l.AcceptedAt), AttemptedAt: web.TimeOrNull(l.AttemptedAt),
		ContactedAt: web.TimeOrNull(l.ContactedAt), NextAt: web.TimeOrNull(l.NextAt), NextWhat: web.OrNull(l.NextWhat),
		Overdue: !l.NextAt.IsZero() && l.NextAt.Before(now), ClosedAt: web.TimeOrNull(l.ClosedAt), Version: l.Version, Tags: []string{}, Contactable: true,
		Clocks: clocksView(followup.ClocksOf(l)),
	}
}

func (n names) offer(o offers.Offer, l leads.Lead) Offer {
	return Offer{
		ID: o.ID.String(), LeadID: o.Lead.String(), UserID: o.User.String(), State: string(o.State), MadeAt: o.MadeAt,
		ExpiresAt: o.ExpiresAt, ResolvedAt: web.TimeOrNull(o.ResolvedAt), Reason: o.Reason, Project: n.project(o.Project),
		Source: n.source(o.Source), WaitingMS: max(0, o.MadeAt.Sub(l.CreatedAt).Milliseconds()),
		Enquiries: l.Enquiries, ReEnquiry: l.Enquiries > 1,
	}
}

func (n names) enquiry(e leads.Enquiry) Enquiry {
	out := Enquiry{
		ID: e.ID.String(), State: string(e.State), LeadID: web.OrNull(e.Lead.String()), PersonID: web.OrNull(e.Person.String()),
		Project: n.project(e.Project), Source: n.source(e.Source), Test: e.Test, ReEnquiry: e.ReEnquiry, Conflict: e.Conflict,
		Flags: []string{}, Attribution: map[string]string{}, Custom: object(e.Custom), ReceivedAt: e.ReceivedAt,
	}
	for _, f := range e.Flags {
		out.Flags = append(out.Flags, string(f))
	}
	for k, v := range object(e.Attribution) {
		if s, ok := v.(string); ok {
			out.Attribution[k] = s
		}
	}
	return out
}

// object reads a JSON object that the program wrote; never nil.
func object(s string) map[string]any {
	m := map[string]any{}
	if s != "" {
		_ = json.Unmarshal([]byte(s), &m) // ours; an odd one shows as empty
	}
	if m == nil {
		m = map[string]any{}
	}
	return m
}

func attemptView(a leads.Attempt) Attempt {
	out := Attempt{
		ID: a.ID.String(), LeadID: a.Lead.String(), UserID: web.OrNull(a.User.String()), Channel: string(a.Channel),
		Disposition: string(a.Disposition), Reached: a.Reached, Evidence: string(a.Evidence), StartedAt: a.StartedAt,
		EndedAt: web.TimeOrNull(a.EndedAt), CreatedAt: a.CreatedAt,
	}
	if a.WrapUp.Valid {
		out.WrapUpMS = &a.WrapUp.V
	}
	if a.Talk.Valid {
		out.TalkMS = &a.Talk.V
	}
	return out
}

// names are the parts of the set-up that leads and offers refer to.
type names struct {
	projects map[account.ProjectID]string
	sources  map[account.SourceID]string
	stages   map[lead.StageID]LeadStage
	users    map[account.UserID]string
}

func (n names) project(id account.ProjectID) Named { return Named{id.String(), n.projects[id]} }
func (n names) source(id account.SourceID) Named   { return Named{id.String(), n.sources[id]} }

func (n names) stage(id lead.StageID, c lead.Category) LeadStage {
	s, ok := n.stages[id]
	if !ok {
		return LeadStage{ID: id.String(), Category: string(c)}
	}
	return s
}
