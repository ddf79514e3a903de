package firewall

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/types"
	"go.yaml.in/yaml/v3"
)

// The regression suite of the Core Rule Set comes with its module, as YAML for
// a runner of its own. This one sends no packets: it writes each request as it
// would go over the wire, has net/http read it, and gives it to the engine.

// crsCase is one stage of one test.
type crsCase struct {
	Name  string // rule-test
	Rule  int
	Input struct {
		Method, URI, Version, Data string
		Headers                    yaml.Node // a mapping whose keys may be repeated
		Encoded                    string    `yaml:"encoded_request"`
		Autocomplete               *bool     `yaml:"autocomplete_headers"`
	}
	Output struct {
		Status int
		Log    struct {
			Expect []int `yaml:"expect_ids"`
			Never  []int `yaml:"no_expect_ids"`
		}
		Fails bool `yaml:"expect_error"`
	}
}

// crsCases is the suite, in the order of its files.
func crsCases(t testing.TB) []crsCase {
	t.Helper()
	all, err := readCases()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var readCases = sync.OnceValues(func() (all []crsCase, err error) {
	err = fs.WalkDir(tests.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		text, err := fs.ReadFile(tests.FS, path)
		if err != nil {
			return err
		}
		var file struct {
			Rule  int `yaml:"rule_id"`
			Tests []struct {
				ID     int       `yaml:"test_id"`
				Stages []crsCase `yaml:"stages"`
			}
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, one := range file.Tests {
			for _, stage := range one.Stages {
				stage.Name, stage.Rule = fmt.Sprintf("%d-%d", file.Rule, one.ID), file.Rule
				all = append(all, stage)
			}
		}
		return nil
	})
	return all, err
})

// wire writes the request as a client would send it.
func (c *crsCase) wire() []byte {
	if c.Input.Encoded != "" {
		raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(c.Input.Encoded, "\n", ""))
		if err == nil {
			return raw
		}
	}
	in := &c.Input
	auto := in.Autocomplete == nil || *in.Autocomplete
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", or(in.Method, "GET"), or(in.URI, "/"), or(in.Version, "HTTP/1.1"))
	has := map[string]string{}
	for i := 0; i+1 < len(in.Headers.Content); i += 2 {
		name, value := in.Headers.Content[i].Value, in.Headers.Content[i+1].Value
		has[strings.ToLower(name)] = value
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	data := in.Data
	if auto {
		if _, ok := has["connection"]; !ok {
			b.WriteString("Connection: close\r\n")
		}
		if data != "" {
			if _, ok := has["content-type"]; !ok {
				has["content-type"] = "application/x-www-form-urlencoded"
				b.WriteString("Content-Type: application/x-www-form-urlencoded\r\n")
			}
			if has["content-type"] == "application/x-www-form-urlencoded" {
				data = encodeForm(data)
			}
			if _, ok := has["content-length"]; !ok {
				fmt.Fprintf(&b, "Content-Length: %d\r\n", len(data))
			}
		}
	}
	b.WriteString("\r\n")
	b.WriteString(data)
	return b.Bytes()
}

// encodeForm percent-encodes a form that was written down in clear.
func encodeForm(data string) string {
	if clear, err := url.QueryUnescape(data); err != nil || clear != data {
		return data
	}
	values, err := url.ParseQuery(data)
	if err != nil {
		return data
	}
	return values.Encode()
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// run returns the rules that spoke; an error is net/http's or the engine's.
func (c *crsCase) run(waf coraza.WAF) (all []types.MatchedRule, err error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.wire())))
	if err != nil {
		return nil, err
	}
	tx := waf.NewTransaction()
	defer tx.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if err := process(tx, r, body); err != nil {
		return nil, err
	}
	reflect(tx, r, body)
	return tx.MatchedRules(), nil
}

// inArguments reports whether a rule of the test's family speaks of a form's
// or a query's values.
func (c *crsCase) inArguments(waf coraza.WAF) bool {
	all, _ := c.run(waf)
	for _, m := range all {
		if id := m.Rule().ID(); id/1000 != c.Rule/1000 || !speaks(id) {
			continue
		}
		for _, d := range m.MatchedDatas() {
			if strings.HasPrefix(d.Variable().Name(), "ARGS") {
				return true
			}
		}
	}
	return false
}

func process(tx types.Transaction, r *http.Request, body []byte) error {
	tx.ProcessConnection("192.0.2.1", 1234, "", 0)
	tx.ProcessURI(r.URL.String(), r.Method, r.Proto)
	for k, vs := range r.Header {
		for _, v := range vs {
			tx.AddRequestHeader(k, v)
		}
	}
	if r.Host != "" {
		tx.AddRequestHeader("Host", r.Host)
		tx.SetServerName(r.Host)
	}
	for _, te := range r.TransferEncoding {
		tx.AddRequestHeader("Transfer-Encoding", te)
	}
	tx.ProcessRequestHeaders()
	if _, _, err := tx.WriteRequestBody(body); err != nil {
		return err
	}
	_, err := tx.ProcessRequestBody()
	return err
}

// reflect answers as the suite's own server does: what the body says, at
// /reflect.
func reflect(tx types.Transaction, r *http.Request, body []byte) {
	var says struct {
		Status  int
		Headers map[string]string
		Body    string
		Encoded string `json:"encodedBody"`
	}
	says.Status = 200
	if strings.HasPrefix(r.URL.Path, "/reflect") {
		_ = json.Unmarshal(body, &says)
	}
	if says.Encoded != "" {
		raw, _ := base64.StdEncoding.DecodeString(says.Encoded)
		says.Body = string(raw)
	}
	if says.Headers["Content-Type"] == "" {
		tx.AddResponseHeader("Content-Type", "text/plain; charset=utf-8")
	}
	for k, v := range says.Headers {
		tx.AddResponseHeader(k, v)
	}
	tx.AddResponseHeader("Content-Length", strconv.Itoa(len(says.Body)))
	tx.ProcessResponseHeaders(says.Status, "HTTP/1.1")
	_, _, _ = tx.WriteResponseBody([]byte(says.Body))
	_, _ = tx.ProcessResponseBody()
	tx.ProcessLogging()
}

// passes says why the test does not pass; "" when it does.
func (c *crsCase) passes(waf coraza.WAF) string {
	all, err := c.run(waf)
	var ids []int
	for _, m := range all {
		ids = append(ids, m.Rule().ID())
	}
	want := c.Output
	switch {
	case want.Fails || want.Status == http.StatusBadRequest && err != nil:
		return ""
	case err != nil:
		return "not readable: " + err.Error()
	}
	for _, id := range want.Log.Expect {
		if !slices.Contains(ids, id) {
			return fmt.Sprintf("%d did not speak", id)
		}
	}
	for _, id := range want.Log.Never {
		if slices.Contains(ids, id) {
			return fmt.Sprintf("%d spoke", id)
		}
	}
	return ""
}

// allCases has the suite run whole, which takes seconds.
var allCases = flag.Bool("firewall.whole", false, "run all of the rules' own tests")

//go:embed testdata/misses.txt
var misses string

// The suite passes but for what the file names, which is net/http's doing.
func TestSuite(t *testing.T) {
	waf, err := build(`Include @coraza.conf-recommended
SecRxPreFilter Off
SecAuditEngine Off
SecAction "id:900005,phase:1,nolog,pass,ctl:ruleEngine=DetectionOnly,setvar:tx.blocking_paranoia_level=4,setvar:tx.crs_validate_utf8_encoding=1,setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535"
Include @crs-setup.conf.example
Include @owasp_crs/*.conf`)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(misses) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" && name != "#" {
			known[name] = true
		}
	}
	ran, failed := 0, 0
	for i, c := range crsCases(t) {
		if !*allCases && i%32 != 0 {
			continue
		}
		ran++
		why := c.passes(waf)
		switch {
		case why != "" && !known[c.Name]:
			t.Error(c.Name, why)
		case why == "" && known[c.Name]:
			t.Error(c.Name, "passes, and is listed as one that does not")
		}
		if why != "" {
			failed++
		}
	}
	t.Logf("%d of %d pass, %.2f %%", ran-failed, ran, 100-100*float64(failed)/float64(ran))
	if float64(failed) > 0.004*float64(ran) {
		t.Error("fewer than 99.6 % pass")
	}
}

// Control: without a family of rules its tests fail.
func TestSuiteWithoutRules(t *testing.T) {
	waf, err := build("SecRuleEngine DetectionOnly\nSecRequestBodyAccess On\nInclude @crs-setup.conf.example\nInclude @owasp_crs/REQUEST-901-INITIALIZATION.conf\nInclude @owasp_crs/REQUEST-941-APPLICATION-ATTACK-XSS.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range crsCases(t) {
		if c.Rule == 942100 && len(c.Output.Log.Expect) > 0 {
			if c.passes(waf) == "" {
				t.Error(c.Name, "passes without its rule")
			}
			return
		}
	}
	t.Error("no test of 942100")
}

// values are what a form of the test's request says; false when it is none.
func (c *crsCase) values() (out []string, ok bool) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.wire())))
	if err != nil {
		return nil, false
	}
	if err := r.ParseForm(); err != nil {
		return nil, false
	}
	for name, all := range r.Form {
		out = append(append(out, name), all...)
	}
	slices.Sort(out)
	return out, len(out) > 0
}
