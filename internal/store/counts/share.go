package counts

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
)

// Figures of leads, counted in the hour in which the lead came in.
const (
	FLeads     = "leads"
	FEnquiries = "enquiries"
	FOffered   = "leads_offered"
	FTaken     = "leads_accepted"
	FTried     = "leads_attempted"
	FReached   = "leads_contacted"
	FVisits    = "visits"   // site visits that took place
	FBookings  = "bookings" // not cancelled
)

// Figures of work, counted in the hour in which it was done.
const (
	FOffers   = "offers"
	FAttempts = "attempts"
	FContacts = "contacts"
)

// Families of figures: their measures go on with what they count.
const (
	FCategory = "category"
	FStage    = "stage"
	FReason   = "reason"
	FAnswer   = "offer" // how offers ended: accepted, declined, expired, lost
	FPresence = "presence"
)

// Clocks are the families of durations.
func Clocks() []string {
	return []string{"speed_to_lead", "time_to_offer", "time_to_accept", "first_response", "time_to_contact"}
}

// Facts are what the tables say of a lead: all that figures are made of.
type Facts struct {
	Lead        lead.ID
	Project     account.ProjectID
	Source      account.SourceID
	Test        bool
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

// Part is what is added in one hour, for one user ("": nobody).
type Part struct {
	Hour  time.Time
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
	came.Add(FCategory+"/"+string(f.Category), 1)
	came.Add(FStage+"/"+f.Stage.String(), 1)
	if f.Category == lead.Dropped && f.Reason != "" {
		came.Add(FReason+"/"+f.Reason, 1)
	}
	came.firsts(f)
	for _, o := range f.Offers {
		s.part(o.MadeAt, o.User).Add(FOffers, 1)
		if !o.ResolvedAt.IsZero() {
			s.part(o.ResolvedAt, o.User).Add(FAnswer+"/"+o.State, 1)
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

// firsts adds which firsts a lead has had, and its clocks.
func (t Tally) firsts(f Facts) {
	for m, at := range map[string]time.Time{FOffered: f.OfferedAt, FTaken: f.AcceptedAt, FTried: f.AttemptedAt, FReached: f.ContactedAt} {
		if !at.IsZero() {
			t.Add(m, 1)
		}
	}
	ends := [][2]time.Time{{f.CreatedAt, f.AttemptedAt}, {f.CreatedAt, f.OfferedAt}, {f.OfferedAt, f.AcceptedAt},
		{f.AcceptedAt, f.AttemptedAt}, {f.CreatedAt, f.ContactedAt}}
	for i, clock := range Clocks() {
		from, to := ends[i][0], ends[i][1]
		if !from.IsZero() && !to.IsZero() && !to.Before(from) {
			t.Add(clock+"/"+strconv.Itoa(Bucket(to.Sub(from).Milliseconds())), 1)
		}
	}
}

func (s *Share) part(at time.Time, user account.UserID) Tally {
	hour, who := at.UTC().Truncate(time.Hour), user.String()
	if user.IsZero() {
		who = ""
	}
	for _, p := range s.Parts {
		if p.Hour.Equal(hour) && p.User == who {
			return p.Tally
		}
	}
	t := Tally{}
	s.Parts = append(s.Parts, Part{hour, who, t})
	return t
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
	var b []byte
	text := func(x string) {
		b = binary.AppendUvarint(b, uint64(len(x)))
		b = append(b, x...)
	}
	for _, x := range []string{s.Project, s.Source, s.Origin, s.Campaign} {
		text(x)
	}
	for _, p := range s.Parts {
		b = binary.AppendVarint(b, p.Hour.Unix()/3600)
		text(p.User)
		text(string(p.Tally.Pack()))
	}
	return b
}

// UnpackShare reads what Pack wrote.
func UnpackShare(b []byte) (s Share, err error) {
	text := func() string {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			err, b = errPacked, nil
			return ""
		}
		out := string(b[w : w+int(n)])
		b = b[w+int(n):]
		return out
	}
	for _, x := range []*string{&s.Project, &s.Source, &s.Origin, &s.Campaign} {
		*x = text()
	}
	for err == nil && len(b) > 0 {
		hour, w := binary.Varint(b)
		if w <= 0 || hour < -1e7 || hour > 1e7 {
			return s, errPacked
		}
		b = b[w:]
		p := Part{Hour: time.Unix(hour*3600, 0).UTC(), User: text(), Tally: Tally{}}
		if err == nil {
			err = p.Tally.Unpack([]byte(text()), 1)
		}
		s.Parts = append(s.Parts, p)
	}
	return s, err
}

// Same reports whether two packed shares are one.
func Same(a, b []byte) bool { return bytes.Equal(a, b) }
