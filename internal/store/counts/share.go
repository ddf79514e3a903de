package counts

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
)

// Facts are what the tables say of a lead: all that figures are made of.
type Facts struct {
	Lead        lead.ID
	Project     account.ProjectID
	Source      account.SourceID
	Test        bool
	History     bool // worked on elsewhere before it came in: has no clocks
	Stage       lead.StageID
	Category    lead.Category
	Reason      string
	Owner       account.UserID
	Enquiries   int64
	CreatedAt   time.Time
	OfferedAt   time.Time
	AcceptedAt  time.Time
	AttemptedAt time.Time
	ContactedAt time.Time
	Attribution string // of the first enquiry, JSON
	Visits      int64  // site visits that took place
	Bookings    int64  // not cancelled
	Offers      []OfferFact
	Attempts    []AttemptFact
}

// OfferFact is one offer of a lead.
type OfferFact struct {
	User       account.UserID
	State      string
	MadeAt     time.Time
	ResolvedAt time.Time
}

// AttemptFact is one attempt.
type AttemptFact struct {
	User    account.UserID
	Reached bool
	At      time.Time // when it was reported
}

// Share is what one lead adds to the figures.
type Share struct {
	Project, Source, Origin, Campaign string
	Parts                             []Part
}

// Part is what is added in one Step, for one user ("": nobody).
type Part struct {
	At    time.Time // its beginning
	User  string
	Tally Tally
}

// ShareOf is the one definition of every figure (docs/figures.md tells it in
// words). A test lead adds nothing.
func ShareOf(f Facts) Share {
	s := Share{Project: f.Project.String(), Source: f.Source.String()}
	s.Origin, s.Campaign = attribution(f.Attribution)
	if f.Test {
		return s
	}
	came := s.part(f.CreatedAt, f.Owner)
	came.Add(FLeads, 1)
	came.Add(FEnquiries, f.Enquiries)
	came.Add(FVisits, f.Visits)
	came.Add(FBookings, f.Bookings)
	if c := InCategory(f.Category); c != 0 {
		came.Add(c, 1)
	}
	came.AddName(FStage, f.Stage.String(), 1)
	if f.Category == lead.Dropped && f.Reason != "" {
		came.AddName(FReason, f.Reason, 1)
	}
	came.firsts(f)
	if !f.History {
		came.clocks(f)
	}
	for _, o := range f.Offers {
		s.part(o.MadeAt, o.User).Add(FOffers, 1)
		if c := answerCounts[o.State]; c != 0 && !o.ResolvedAt.IsZero() {
			s.part(o.ResolvedAt, o.User).Add(c, 1)
		}
	}
	for _, a := range f.Attempts {
		did := s.part(a.At, a.User)
		did.Add(FAttempts, 1)
		if a.Reached {
			did.Add(FContacts, 1)
		}
	}
	return s
}

// firsts adds which firsts a lead has had.
func (t *Tally) firsts(f Facts) {
	for _, x := range [...]struct {
		c  Count
		at time.Time
	}{{FOffered, f.OfferedAt}, {FTaken, f.AcceptedAt}, {FTried, f.AttemptedAt}, {FReached, f.ContactedAt}} {
		if !x.at.IsZero() {
			t.Add(x.c, 1)
		}
	}
}

func (t *Tally) clocks(f Facts) {
	for _, x := range [...]struct {
		c        Clock
		from, to time.Time
	}{{SpeedToLead, f.CreatedAt, f.AttemptedAt}, {TimeToOffer, f.CreatedAt, f.OfferedAt}, {TimeToAccept, f.OfferedAt, f.AcceptedAt},
		{FirstResponse, f.AcceptedAt, f.AttemptedAt}, {TimeToContact, f.CreatedAt, f.ContactedAt}} {
		if !x.from.IsZero() && !x.to.IsZero() && !x.to.Before(x.from) {
			t.AddClock(x.c, Bucket(x.to.Sub(x.from).Milliseconds()), 1)
		}
	}
}

// part is the share's part of the Step and user. It is good until the next call.
func (s *Share) part(at time.Time, user account.UserID) *Tally {
	at, who := at.UTC().Truncate(Step), user.String()
	if user.IsZero() {
		who = ""
	}
	for i, p := range s.Parts {
		if p.At.Equal(at) && p.User == who {
			return &s.Parts[i].Tally
		}
	}
	s.Parts = append(s.Parts, Part{At: at, User: who})
	return &s.Parts[len(s.Parts)-1].Tally
}

const longestKey = 100 // bytes of what a visitor's link may name

// attribution reads where the first enquiry came from: "google / cpc", and
// the campaign; "" when nothing says it.
func attribution(text string) (origin, campaign string) {
	var a struct {
		Source   string `json:"utm_source"`
		Medium   string `json:"utm_medium"`
		Campaign string `json:"utm_campaign"`
	}
	if json.Unmarshal([]byte(text), &a) != nil {
		return "", ""
	}
	if source, medium := Key(a.Source), Key(a.Medium); source+medium != "" {
		origin = source + " / " + medium
	}
	return origin, Key(a.Campaign)
}

// Key is how the name of a campaign or an origin is compared: lower case,
// without space around it, up to 100 bytes.
func Key(s string) string {
	s = strings.ToLower(strings.TrimSpace(strings.ToValidUTF8(s, "")))
	s = strings.ReplaceAll(s, "\x00", "")
	if len(s) > longestKey {
		s = strings.ToValidUTF8(s[:longestKey], "")
	}
	return s
}

// Pack writes the share so that it can be taken back later, whatever the
// lead's rows say then.
func (s Share) Pack() []byte {
	b := make([]byte, 0, 256)
	for _, x := range []string{s.Project, s.Source, s.Origin, s.Campaign} {
		b = appendBytes(b, []byte(x))
	}
	for _, p := range s.Parts {
		b = binary.AppendVarint(b, p.At.Unix()/stepSeconds)
		b = appendBytes(b, []byte(p.User))
		b = appendBytes(b, p.Tally.Pack())
	}
	return b
}

const stepSeconds = int64(Step / time.Second)

// UnpackShare reads what Pack wrote.
func UnpackShare(b []byte) (s Share, err error) {
	r := reader{b: b}
	for _, x := range []*string{&s.Project, &s.Source, &s.Origin, &s.Campaign} {
		*x = string(r.bytes())
	}
	for len(r.b) > 0 {
		steps := r.varint()
		p := Part{At: time.Unix(steps*stepSeconds, 0).UTC(), User: string(r.bytes())}
		packed := r.bytes()
		if r.bad || steps < -1e7 || steps > 1e7 {
			return s, errPacked
		}
		if err := p.Tally.Unpack(packed, 1); err != nil {
			return s, err
		}
		s.Parts = append(s.Parts, p)
	}
	if r.bad {
		return s, errPacked
	}
	return s, nil
}

var (
	shareSet = store.Bulk("counts.share.set", `INSERT INTO figure_share (account_id, lead_id, share) VALUES`,
		`($1, $2, $3)`, `ON CONFLICT (account_id, lead_id) DO UPDATE SET share = excluded.share`)
	originAdd = store.Bulk("counts.origin.add", `INSERT INTO lead_origin (account_id, dim, key, created_at, lead_id) VALUES`,
		`($1, $2, $3, $4, $5)`, `ON CONFLICT DO NOTHING`)
	shareOf = store.List("counts.share.of", `SELECT lead_id, share FROM figure_share WHERE account_id = $1 AND lead_id IN (LIST)`)
)

// Account puts what the leads add now in the place of what they added before.
// The caller holds the account's cursor in this transaction, so that nobody
// else changes figures. Running again changes nothing.
func Account(tx *store.Tx, facts []Facts) error {
	ids := make([]lead.ID, len(facts))
	for i, f := range facts {
		ids[i] = f.Lead
	}
	before, err := sharesOf(tx, ids)
	if err != nil {
		return err
	}
	change, rows, from := Figures{}, make([][]any, 0, len(facts)), [][]any(nil)
	for _, f := range facts {
		s := ShareOf(f)
		packed := s.Pack()
		old, had := before[f.Lead]
		if had && bytes.Equal(old, packed) {
			continue
		}
		rows = append(rows, []any{f.Lead, packed})
		change.Add(s, 1)
		if !had {
			from = append(from, originRows(f, s)...)
			continue
		}
		was, err := UnpackShare(old)
		if err != nil {
			return err
		}
		change.Add(was, -1)
	}
	if _, err := tx.Bulk(shareSet, rows); err != nil {
		return err
	}
	if _, err := tx.Bulk(originAdd, from); err != nil {
		return err
	}
	return Change(tx, change)
}

// originRows are where the lead is found again by what its first enquiry's link
// named, which never changes: a campaign's figure leads to its leads.
func originRows(f Facts, s Share) (rows [][]any) {
	for _, x := range [...]struct {
		dim Dim
		key string
	}{{OfOrigin, s.Origin}, {OfCampaign, s.Campaign}} {
		if x.key != "" {
			rows = append(rows, []any{string(x.dim), x.key, f.CreatedAt.UnixMicro(), f.Lead})
		}
	}
	return rows
}

func sharesOf(tx *store.Tx, ids []lead.ID) (map[lead.ID][]byte, error) {
	out := make(map[lead.ID][]byte, len(ids))
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	err := tx.QueryList(shareOf, nil, list, func(scan func(...any) error) error {
		var id lead.ID
		var share []byte
		err := scan(&id, &share)
		out[id] = share
		return err
	})
	return out, err
}
