package firewall

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/types"

	"catchment/internal/account"
	"catchment/internal/limits"
)

// What stands in a verdict in the place of a rule: why there is none.
const (
	TooLarge = 1 // more text than a request has rules' time for
	Unjudged = 2 // the rules could not be asked, or were too busy
)

// The bounds of what is judged in a request. The job judges the rest.
const (
	maxValue = 16 << 10 // bytes of one value
	maxText  = 32 << 10 // bytes of all values of a lead that are not inert

	patience = 50 * time.Millisecond // for a turn to be judged
)

// Judge judges the values of leads. It is safe for concurrent use.
type Judge struct {
	Lookout *Lookout // is told of what rules spoke of; nil: nobody is

	waf, all func() (coraza.WAF, error) // of the families, of the whole set
	gate     func() (gate, error)       // nil: every value is judged
	turns    *limits.Turns[account.SourceID]
	clean    headers
	counts   counts
}

// NewJudge returns a Judge, whose engine is made when it is first asked, or by
// Warm.
func NewJudge(s Settings) *Judge {
	n := runtime.GOMAXPROCS(0)
	j := &Judge{
		waf:   func() (coraza.WAF, error) { return engine(engineSetup, fmt.Sprintf(families, s.level()), s.without()) },
		all:   func() (coraza.WAF, error) { return wholeSet(s) },
		turns: limits.NewTurns[account.SourceID](2*n, n, patience),
	}
	if s.level() == 1 { // what the gate promises it promises of that level
		j.gate = func() (gate, error) {
			t, err := foldTable()
			return gate{t}, err
		}
	}
	return j
}

// Warm makes what Verdict needs.
func (j *Judge) Warm() error {
	if _, err := j.waf(); err != nil {
		return err
	}
	if j.gate == nil {
		return nil
	}
	_, err := j.gate()
	return err
}

// Suspicious returns those values that are not inert.
func (j *Judge) Suspicious(values []string) []string {
	if j.gate == nil {
		return values
	}
	g, err := j.gate()
	if err != nil {
		return values
	}
	var out []string
	for _, v := range values {
		if !g.inert(v) {
			out = append(out, v)
		}
	}
	return out
}

// Verdict returns the rules that speak of the values, sorted; none when there
// is nothing to say. It looks at all values given, whether inert or not.
func (j *Judge) Verdict(values []string) []int {
	size := 0
	for _, v := range values {
		size += len(v)
		if len(v) > maxValue || size > maxText {
			return []int{TooLarge}
		}
	}
	return ask(j.waf, values, func(types.Transaction) {})
}

// Whole returns the rules of the whole set that speak of the values, however
// large they are. It may take a hundredth of a second, and is for a job.
func (j *Judge) Whole(values []string) []int {
	return ask(j.all, values, func(tx types.Transaction) { // a request that nothing is to be said of
		tx.ProcessURI("/", "POST", "HTTP/1.1")
		tx.AddRequestHeader("Host", "localhost")
		tx.AddRequestHeader("User-Agent", "catchment")
		tx.AddRequestHeader("Accept", "*/*")
		tx.AddRequestHeader("Content-Type", "application/x-www-form-urlencoded")
		tx.AddRequestHeader("Content-Length", "1")
	})
}

func ask(engine func() (coraza.WAF, error), values []string, begin func(types.Transaction)) (ids []int) {
	waf, err := engine()
	if err != nil {
		return []int{Unjudged}
	}
	tx := waf.NewTransaction()
	defer tx.Close()
	begin(tx)
	for _, v := range values {
		tx.AddPostRequestArgument("v", v)
	}
	tx.ProcessRequestHeaders()
	if _, err := tx.ProcessRequestBody(); err != nil {
		return []int{Unjudged}
	}
	for _, m := range tx.MatchedRules() {
		if id := m.Rule().ID(); speaks(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// speaks reports whether a rule of this number is about an attack: the first
// hundred of each family steer which of its rules are asked.
func speaks(id int) bool { return id >= 910_000 && id < 949_000 && id%1000 >= 100 }
