package submission

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The paths of the fields, as JSON has them and errors name them.
const (
	pathSource  = "source"
	pathProject = "project"
	pathName    = "person.name"
	pathPhone   = "person.phone"
	pathEmail   = "person.email"
	pathMessage = "message"
	pathLanding = "attribution.landing_page"
	pathReferer = "attribution.referrer"
	pathConsent = "consent.text"
	pathVersion = "consent.version"
	pathGivenAt = "consent.given_at"
	pathChannel = "consent.channels"
	pathTest    = "test"

	// Of forms alone: put together to person.name.
	pathFirst = "person.first_name"
	pathLast  = "person.last_name"
)

var paramNames = []string{
	"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id",
	"gclid", "gbraid", "wbraid", "dclid", "fbclid", "msclkid", "ttclid", "twclid", "li_fat_id", "yclid", "rdt_cid", "sccid", "epik",
}

// ParamNames lists the known UTM parameters and click ids. What is not in the
// list is personal when it stands in a URL, and an unknown key when it does not.
func ParamNames() []string { return paramNames }

// top, person … are the keys that each JSON object may have.
var (
	topKeys         = []string{"source", "project", "person", "message", "attribution", "consent", "custom", "test"}
	personKeys      = []string{"name", "phone", "email"}
	attributionKeys = append([]string{"landing_page", "referrer"}, paramNames...)
	consentKeys     = []string{"text", "version", "given_at", "channels"}
)

// synonymTable has the names that forms use for a path, folded by fold. Names
// of many forms' makers are among them: Contact Form 7's your-name, the HTML
// autocomplete tokens (https://html.spec.whatwg.org/#autofill), vCard's words.
var synonymTable = map[string]string{
	pathSource:  "_source",
	pathProject: "_project",
	pathName: "name fullname yourname contactname customername leadname personname cname displayname " +
		"vollstandigername nomcomplet nombrecompleto nomecompleto naam nom nombre nome",
	pathFirst: "firstname fname givenname forename vorname prenom primernombre primeironome voornaam",
	pathLast:  "lastname lname surname familyname secondname nachname nomdefamille apellido apellidos sobrenome cognome achternaam",
	pathPhone: "phone tel telephone phonenumber phoneno telephonenumber mobile mobileno mobilenumber mobilephone cell cellphone " +
		"contactnumber contactno yourphone yourtel yourmobile personphone whatsapp whatsappnumber telnational telefon telefonnummer " +
		"handy handynummer telefono celular movil telefone numerodetelephone portable telefoon",
	pathEmail: "email mail emailaddress emailid youremail personemail contactemail workemail businessemail courriel " +
		"adressemail correo correoelectronico emailadresse",
	pathMessage: "message msg comment comments enquiry inquiry query question questions remarks yourmessage description " +
		"nachricht mitteilung kommentar mensaje mensagem messaggio bericht",
	pathLanding: "landingpage landingurl pageurl",
	pathReferer: "referrer referer referrerurl",
	pathConsent: "consent consenttext gdprconsent marketingconsent optin",
	pathVersion: "consentversion",
	pathGivenAt: "consentgivenat",
	pathChannel: "consentchannels",
	pathTest:    "_test",
}

var synonyms = makeSynonyms(synonymTable)

func makeSynonyms(by map[string]string) map[string]string {
	m := map[string]string{}
	for path, names := range by {
		for _, n := range strings.Fields(names) {
			m[n] = path
		}
	}
	for _, n := range paramNames {
		m[fold(n)] = "attribution." + n
	}
	return m
}

// longestName is more than any known name needs, in bytes before folding. It
// keeps a body that is one long name from being folded.
const longestName = 64

// synonym finds the path that a form's name stands for.
func synonym(name string) (path string, ok bool) {
	if len(name) > longestName {
		return "", false
	}
	path, ok = synonyms[fold(name)]
	return path, ok
}

// fold gives names that differ in case, accents and punctuation one form. A
// leading underscore stays: such names are ours, not the form's.
func fold(name string) string {
	ours := strings.HasPrefix(name, "_")
	var b strings.Builder
	if ours {
		b.WriteByte('_')
	}
	for _, r := range norm.NFKD.String(name) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// shown is a key's name as an error may repeat it: it came from outside, so
// only printable characters and at most forty.
func shown(name string) string {
	var b strings.Builder
	n := 0
	for _, r := range name {
		if n == 40 {
			b.WriteRune('…')
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// nearest suggests the key that somebody meant who wrote name into the object
// at prefix ("" or "person." …), as a whole path; "" if nothing is near.
func nearest(prefix, name string, keys []string) string {
	if len(name) > longestName {
		return ""
	}
	best, limit, folded := "", 3, fold(name)
	for _, k := range keys {
		if d := distance(folded, fold(k)); d < limit && d < len(k) {
			best, limit = prefix+k, d
		}
	}
	if best != "" {
		return best
	}
	switch path, _ := synonym(name); path {
	case pathFirst, pathLast:
		return pathName
	default:
		return path
	}
}

// distance is the number of letters to change, add, leave out or swap with
// their neighbour (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	two, one := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one = one, row
	}
	return one[len(y)]
}
