package firewall

import (
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"sync"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
)

// rule is what the set says of one of its rules.
type rule struct {
	name  string
	level int // of paranoia, from which on it is asked; 0 when it says nothing
}

var (
	ruleID    = regexp.MustCompile(`(?m)^\s*"?(?:SecRule .*")?id:(\d{6}),`)
	ruleName  = regexp.MustCompile(`msg:'([^']*)'`)
	ruleLevel = regexp.MustCompile(`paranoia-level/(\d)`)
)

// rules reads the numbers and names out of the set's files.
var rules = sync.OnceValue(func() map[int]rule {
	out := map[int]rule{}
	files, _ := fs.Glob(coreruleset.FS, "@owasp_crs/*.conf") // embedded: it is there
	for _, file := range files {
		text, err := fs.ReadFile(coreruleset.FS, file)
		if err != nil {
			continue
		}
		s := string(text)
		at := ruleID.FindAllStringSubmatchIndex(s, -1)
		for i, m := range at {
			end := len(s)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			id, _ := strconv.Atoi(s[m[2]:m[3]])
			var r rule
			if name := ruleName.FindStringSubmatch(s[m[1]:end]); name != nil && !strings.Contains(name[1], "%{") {
				r.name = name[1]
			}
			if level := ruleLevel.FindStringSubmatch(s[m[1]:end]); level != nil {
				r.level, _ = strconv.Atoi(level[1])
			}
			out[id] = r
		}
	}
	return out
})

// Name is what a verdict's number means, in a few English words; "" for one
// that is not known, of another version of the set.
func Name(id int) string {
	switch id {
	case TooLarge:
		return "More text than is judged at once"
	case Unjudged:
		return "Not judged yet"
	}
	return rules()[id].name
}
