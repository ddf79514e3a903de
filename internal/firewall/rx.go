package firewall

import (
	"sync"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/wasilibs/go-re2"
	"github.com/wasilibs/go-re2/experimental"
)

// rx is Coraza's operator of that name on RE2. The rules are written for
// PCRE without its UTF mode, and their transformations make bytes that are no
// UTF-8 (%u00e9 becomes 0xe9), so text and expressions are bytes here: in
// UTF-8 mode RE2 stops at the first such byte, and what follows would pass.
type rx struct{ re *re2.Regexp }

// registerRX puts the operator in the place of Coraza's own, for the whole
// process.
var registerRX = sync.OnceFunc(func() {
	plugins.RegisterOperator("rx", newRX)
})

// newRX compiles an expression; equal ones of several rules and engines are
// one.
func newRX(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
	compile := func() (any, error) { return experimental.CompileLatin1("(?s)" + o.Arguments) }
	var re any
	var err error
	if o.Memoizer != nil {
		re, err = o.Memoizer.Do("re2:"+o.Arguments, compile)
	} else {
		re, err = compile()
	}
	if err != nil {
		return nil, err
	}
	return &rx{re.(*re2.Regexp)}, nil
}

// captures is how many groups a rule can name, with the whole match.
const captures = 10

// Evaluate implements plugintypes.Operator.
func (o *rx) Evaluate(tx plugintypes.TransactionState, value string) bool {
	if !tx.Capturing() {
		return o.re.MatchString(value)
	}
	at := o.re.FindStringSubmatchIndex(value)
	if at == nil {
		return false
	}
	for i := range min(len(at)/2, captures) {
		text := ""
		if at[2*i] >= 0 {
			text = value[at[2*i]:at[2*i+1]]
		}
		tx.CaptureField(i, text)
	}
	return true
}
