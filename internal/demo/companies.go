package demo

import "catchment/internal/account"

// company is an invented customer of the platform, as it is to be set up.
type company struct {
	name, region, zone string
	admin              staff
	staff              []staff
	projects           []project
	trade              trade
	share              int // of the visitors
}

// staff is somebody who works there.
type staff struct {
	role               account.Role
	name, phone, email string
	temper             string // of a salesperson, see tempers
}

// project is what is sold, with the ways in which leads come.
type project struct {
	slug, name string
	pool       pool
	sources    []source
	sells      []string // salespeople by name; nil: all
}

type pool struct {
	name, queue     string
	accept, alarmed int // seconds
}

type source struct {
	slug, name, kind string // kind: api or form
	nonPersonal      []string
	mapping          map[string]string
	share            int
}

// trade is what visitors talk about.
type trade struct {
	site      string // the company's page, under .example
	messages  []message
	custom    map[string][]any // the fields of the API's sources
	fields    map[string][]any // the fields of the forms
	campaigns []string
	terms     []string // searched for
}

// companies is the whole demo. Two firms of different trades and countries, so
// that one can see that neither shows anything of the other. Accept timers are
// shorter than a real team's: a demo's day is short.
func companies() []company { return []company{homes(), solar()} }

func homes() company {
	return company{
		name: "Saltmarsh & Quill Homes", region: "GB", zone: "Europe/London", share: 3,
		admin: staff{role: account.Admin, name: "Imogen Quill", phone: "+447700900101", email: "imogen@saltmarsh-quill.example"},
		staff: []staff{
			{role: account.Manager, name: "Desmond Okafor", phone: "+447700900102", email: "desmond@saltmarsh-quill.example"},
			{role: account.Marketer, name: "Freya Lindqvist", phone: "+447700900103", email: "freya@saltmarsh-quill.example"},
			{role: account.Auditor, name: "Harold Pennington", phone: "+447700900104", email: "harold@saltmarsh-quill.example"},
			seller("Priya Raman", "+447700900111", "priya@saltmarsh-quill.example", "quick"),
			seller("Tom Ashdown", "+447700900112", "tom@saltmarsh-quill.example", "steady"),
			seller("Aoife O'Brien", "+447700900113", "aoife@saltmarsh-quill.example", "quick"),
			seller("Kwame Mensah", "+447700900114", "kwame@saltmarsh-quill.example", "slow"),
			seller("Mei-Ling Chow", "+447700900115", "mei-ling@saltmarsh-quill.example", "picky"),
			seller("Jonas Weber", "+447700900116", "jonas@saltmarsh-quill.example", "forgetful"),
			seller("Lucía Ferrer", "+447700900117", "lucia@saltmarsh-quill.example", "steady"),
		},
		projects: []project{
			{slug: "harbour-view", name: "Harbour View", pool: pool{"Harbour View sales", "Front desk", 30, 90}, sources: []source{
				{slug: "harbour-web-form", name: "web form", kind: "form", share: 5, nonPersonal: []string{"bedrooms", "move_in"}},
				{slug: "harbour-portal", name: "property portal", kind: "api", share: 3, nonPersonal: []string{"bedrooms", "budget"}},
				{slug: "harbour-adverts", name: "search adverts", kind: "api", share: 3, nonPersonal: []string{"bedrooms", "budget"}},
			}},
			{slug: "mill-lofts", name: "Mill Lofts", pool: pool{"Mill Lofts sales", "Front desk", 30, 90}, sells: []string{
				"Priya Raman", "Aoife O'Brien", "Kwame Mensah", "Jonas Weber", "Lucía Ferrer"}, sources: []source{
				{slug: "mill-brochure-form", name: "brochure form", kind: "form", share: 3,
					mapping: map[string]string{"rueckruf": "person.phone", "anliegen": "message"}, nonPersonal: []string{"bedrooms"}},
				{slug: "mill-landing", name: "landing page", kind: "api", share: 3, nonPersonal: []string{"bedrooms", "budget"}},
			}},
			{slug: "orchard-rise", name: "Orchard Rise", pool: pool{"Orchard Rise sales", "Front desk", 30, 90}, sells: []string{
				"Tom Ashdown", "Aoife O'Brien", "Mei-Ling Chow", "Lucía Ferrer"}, sources: []source{
				{slug: "orchard-social", name: "social adverts", kind: "api", share: 2, nonPersonal: []string{"bedrooms", "budget"}},
			}},
		},
		trade: trade{
			site: "https://homes.saltmarsh-quill.example", messages: homeMessages,
			custom:    map[string][]any{"bedrooms": {1, 2, 2, 3, 3, 4}, "budget": {"under 250k", "250k-400k", "400k-600k", "over 600k"}},
			fields:    map[string][]any{"bedrooms": {"1", "2", "3", "4+"}, "move_in": {"now", "within 3 months", "this year", "just looking"}},
			campaigns: []string{"spring-open-days", "harbour-launch", "brand", "first-home", "retarget-30d"},
			terms:     []string{"new homes near me", "2 bed flat harbour", "loft apartments", "first home help"},
		},
	}
}

func solar() company {
	return company{
		name: "Brindle Peak Solar", region: "US", zone: "America/Denver", share: 2,
		admin: staff{role: account.Admin, name: "Rosalind Achterberg", phone: "+13035550101", email: "rosalind@brindlepeak.example"},
		staff: []staff{
			{role: account.Manager, name: "Malik Dawson", phone: "+13035550102", email: "malik@brindlepeak.example"},
			{role: account.Marketer, name: "Yuki Tanabe", phone: "+13035550103", email: "yuki@brindlepeak.example"},
			{role: account.Auditor, name: "Greta Sundholm", phone: "+13035550104", email: "greta@brindlepeak.example"},
			seller("Carlos Ibarra", "+13035550111", "carlos@brindlepeak.example", "quick"),
			seller("Dana Whitehorse", "+13035550112", "dana@brindlepeak.example", "steady"),
			seller("Samir Haddad", "+13035550113", "samir@brindlepeak.example", "picky"),
			seller("Ellie Novak", "+13035550114", "ellie@brindlepeak.example", "forgetful"),
			seller("Bao Nguyen", "+13035550115", "bao@brindlepeak.example", "steady"),
		},
		projects: []project{
			{slug: "home-solar", name: "Home Solar", pool: pool{"Home Solar advisers", "Call-back list", 25, 75}, sources: []source{
				{slug: "solar-quote-form", name: "quote form", kind: "form", share: 4, nonPersonal: []string{"roof", "monthly_bill"}},
				{slug: "solar-calculator", name: "savings calculator", kind: "api", share: 3, nonPersonal: []string{"roof", "monthly_bill"}},
			}},
			{slug: "home-battery", name: "Home Battery", pool: pool{"Battery advisers", "Call-back list", 25, 75}, sells: []string{
				"Carlos Ibarra", "Samir Haddad", "Ellie Novak", "Bao Nguyen"}, sources: []source{
				{slug: "battery-landing", name: "landing page", kind: "api", share: 2, nonPersonal: []string{"roof", "monthly_bill"}},
			}},
		},
		trade: trade{
			site: "https://www.brindlepeak.example", messages: solarMessages,
			custom:    map[string][]any{"roof": {"shingle", "metal", "tile", "flat"}, "monthly_bill": {80, 120, 160, 210, 340}},
			fields:    map[string][]any{"roof": {"shingle", "metal", "tile", "flat", "don't know"}, "monthly_bill": {"under 100", "100-200", "over 200"}},
			campaigns: []string{"summer-rebate", "brand", "net-metering", "storm-season", "neighbours"},
			terms:     []string{"solar cost", "battery backup", "solar rebate", "panels metal roof"},
		},
	}
}

func seller(name, phone, email, temper string) staff {
	return staff{account.Salesperson, name, phone, email, temper}
}

// everyone lists a company's people, the admin first.
func (c company) everyone() []staff { return append([]staff{c.admin}, c.staff...) }

// temperOf is how a salesperson behaves; the demo's own are known by e-mail.
func temperOf(email string) string {
	for _, c := range companies() {
		for _, s := range c.staff {
			if s.email == email {
				return s.temper
			}
		}
	}
	return "steady"
}

const (
	operatorName, operatorEmail = "Ottilie Brandvold", "ottilie@operator.example"
	secondName, secondEmail     = "Oskar Lindqvist", "oskar@operator.example"
	supportName, supportEmail   = "Samira Halloran", "samira@operator.example"
)
