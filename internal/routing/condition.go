package routing

import (
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
)

// Attributes are what a condition may look at: nothing of them is personal.
// Hour and weekday come from the round's clock.
type Attributes struct {
	Source   string   `json:"source,omitempty"`
	Project  string   `json:"project,omitempty"`
	Campaign string   `json:"campaign,omitempty"`
	Medium   string   `json:"medium,omitempty"`
	Country  string   `json:"country,omitempty"`
	Area     string   `json:"area,omitempty"`
	Language string   `json:"language,omitempty"`
	Value    float64  `json:"value,omitempty"`
	Tags     []string `json:"tags,omitempty"`
}

// conditionCost bounds the work of one evaluation, in CEL's units: a condition
// of the allowed length with plain comparisons stays below a hundredth of it.
const conditionCost = 10_000

var environment = sync.OnceValues(func() (*cel.Env, error) {
	opts := []cel.EnvOption{cel.Variable("value", cel.DoubleType), cel.Variable("hour", cel.IntType), cel.Variable("weekday", cel.IntType),
		cel.Variable("tags", cel.ListType(cel.StringType)), cel.CrossTypeNumericComparisons(true)}
	for _, name := range []string{"source", "project", "campaign", "medium", "country", "area", "language"} {
		opts = append(opts, cel.Variable(name, cel.StringType))
	}
	return cel.NewEnv(opts...)
})

// condition is a compiled one; nil always holds.
type condition struct{ program cel.Program }

// compile reads a condition. The error names the line and the column.
func compile(text string) (*condition, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > 2000 {
		return nil, fmt.Errorf("a condition has at most 2000 bytes")
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues != nil && len(issues.Errors()) > 0 {
		e := issues.Errors()[0]
		return nil, fmt.Errorf("line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, e.Message)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("line 1, column 1: a condition is true or false, this is %s", ast.OutputType())
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(conditionCost))
	if err != nil {
		return nil, err
	}
	return &condition{program}, nil
}

// holds evaluates it. One that fails (a division by zero, too much work) does
// not hold: the last rule takes the lead then.
func (c *condition) holds(a Attributes, hour, weekday int) bool {
	if c == nil {
		return true
	}
	tags := a.Tags
	if tags == nil {
		tags = []string{}
	}
	out, _, err := c.program.Eval(map[string]any{"source": a.Source, "project": a.Project, "campaign": a.Campaign, "medium": a.Medium, "country": a.Country,
		"area": a.Area, "language": a.Language, "value": a.Value, "tags": tags, "hour": int64(hour), "weekday": int64(weekday)})
	if err != nil {
		return false
	}
	yes, ok := out.Value().(bool)
	return ok && yes
}

// compiled is a policy that is ready to be asked.
type compiled struct {
	Policy
	when []*condition
}

func compilePolicy(p Policy) (*compiled, error) {
	c := &compiled{Policy: p}
	for i, r := range p.Rules {
		when, err := compile(r.When)
		if err != nil {
			return nil, fmt.Errorf("routing: rule %d: %w", i, err)
		}
		c.when = append(c.when, when)
	}
	return c, nil
}

// rule is the place of the first rule that holds; the last one always does.
func (c *compiled) rule(a Attributes, hour, weekday int) int {
	for i, w := range c.when {
		if w.holds(a, hour, weekday) {
			return i
		}
	}
	return len(c.when) - 1
}
