package lead

// The reasons why an enquiry is held in quarantine.
const (
	HeldHoneypot   = "honeypot"           // a field that people cannot see was filled in
	HeldDisposable = "disposable_address" // the e-mail's domain gives addresses away for minutes
	HeldPattern    = "bad_pattern"        // its text looks like advertising, or has a pattern of the account's own
	HeldPerson     = "burst_person"       // this person came too often by this source
	HeldAddress    = "burst_address"      // the sender's network did
	HeldFirewall   = "firewall"           // rules of the firewall spoke of it, or could not be asked
)

// QuarantineRules are what an account adds to the program's own rules. The zero
// value adds nothing and takes the limits below.
type QuarantineRules struct {
	Domains  []string `json:"domains,omitempty"`  // of e-mail addresses, lower case; the domains below count too
	Patterns []string `json:"patterns,omitempty"` // lower case; found anywhere in the message or the name
	// How many enquiries pass in a span, by one source; the next is held. 0 takes the default.
	PersonAnHour      int `json:"person_an_hour,omitempty"`
	AddressTenMinutes int `json:"address_ten_minutes,omitempty"`
	// Rules of the firewall, by number, that hold nothing: what only they spoke
	// of is let through.
	FirewallPass []int `json:"firewall_pass,omitempty"`
}

// The limits of an account that has not set its own. Many people may sit
// behind one network, hence the second is high.
const (
	PersonAnHour      = 20
	AddressTenMinutes = 60
)
