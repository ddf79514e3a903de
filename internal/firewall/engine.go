// Package firewall judges text by the OWASP Core Rule Set, at two doors.
//
// What comes in by the capture door is judged value by value (Judge): what
// cannot open a context of SQL or HTML passes the value gate, the rest is
// looked at by the rules for both, and the verdict is a list of rules. A
// verdict refuses nothing; nobody is told of the text that was matched.
//
// Requests at all other doors are looked at by the whole set, see Guard.
//
// Engines are made when they are first needed and shared by the whole process.
package firewall

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
)

// engineSetup is what every engine begins with. Answers are not looked at, and
// nothing is written down by the engine.
const engineSetup = `
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecAuditEngine Off
SecRxPreFilter Off
SecArgumentsLimit 4096
`

// families are the rules that Judge asks: XSS and SQL. The setup of the whole
// set is left out: what these read of it is the level alone, and a match is a
// verdict without its score.
const families = `
SecDefaultAction "phase:1,log,pass"
SecDefaultAction "phase:2,log,pass"
SecAction "id:900000,phase:1,pass,nolog,setvar:tx.detection_paranoia_level=%d,setvar:tx.blocking_paranoia_level=%[1]d,setvar:tx.critical_anomaly_score=5,setvar:tx.error_anomaly_score=4,setvar:tx.warning_anomaly_score=3,setvar:tx.notice_anomaly_score=2"
Include @owasp_crs/REQUEST-941-APPLICATION-ATTACK-XSS.conf
Include @owasp_crs/REQUEST-942-APPLICATION-ATTACK-SQLI.conf
`

// whole is the whole set, which adds up what its rules say and denies above
// the usual threshold. Left out are the rules about including files by their address, and about addresses of this machine: no
// door includes any, people send addresses of pages, and those that the server
// calls are judged when it calls them. So are two about requests as such: each door says itself which types of body it
// takes (920420; a browser calls a CSV by the name of whatever would open it), and the program may be reached by a bare address (920350).
const whole = `
Include @crs-setup.conf.example
SecAction "id:900000,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=%d,setvar:tx.detection_paranoia_level=%[1]d"
SecAction "id:900200,phase:1,pass,nolog,setvar:'tx.allowed_methods=GET HEAD POST OPTIONS PUT PATCH DELETE'"
Include @owasp_crs/REQUEST-*.conf
SecRuleRemoveById 920350 920420 931100 931110 931120 934110 934190
`

func wholeSet(s Settings) (coraza.WAF, error) {
	return engine(engineSetup, fmt.Sprintf(whole, s.level()), s.without())
}

// build makes an engine of directives.
func build(parts ...string) (coraza.WAF, error) {
	registerRX()
	w, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(strings.Join(parts, "\n")))
	if err != nil {
		return nil, fmt.Errorf("firewall: %w", err)
	}
	return w, nil
}

// Settings are what an operator chooses.
type Settings struct {
	Paranoia int   // 1 to 4; 0 is 1
	Exclude  []int // rules that are not asked
}

func (s Settings) level() int { return min(max(s.Paranoia, 1), 4) }

// without are the directives that take the excluded rules out.
func (s Settings) without() string {
	if len(s.Exclude) == 0 {
		return ""
	}
	ids := make([]string, len(s.Exclude))
	for i, id := range s.Exclude {
		ids[i] = strconv.Itoa(id)
	}
	return "SecRuleRemoveById " + strings.Join(ids, " ")
}

// engines are shared: houses of one process, of which tests start many, have
// the same settings.
var engines sync.Map // of string to func() (coraza.WAF, error)

func engine(directives ...string) (coraza.WAF, error) {
	key := strings.Join(directives, "\n")
	make, _ := engines.LoadOrStore(key, sync.OnceValues(func() (coraza.WAF, error) { return build(key) }))
	return make.(func() (coraza.WAF, error))()
}
