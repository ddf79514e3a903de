package proof

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// proveScanners has sqlmap and wapiti look for holes behind every route of the
// API's document, each route asked by somebody who may ask it. The firewall is
// off, so that it hides nothing that is beneath; then on. The control is a
// server with holes, which both must find.
func proveScanners(ctx context.Context, t *trial) error {
	var s scanners
	var err error
	if s.sqlmap, err = tool("sqlmap"); err != nil {
		return err
	}
	if s.wapiti, err = tool("wapiti"); err != nil {
		return err
	}
	s.t = t
	if err := s.holes(ctx); err != nil {
		return err
	}
	for n, e := range t.Engines {
		for _, firewall := range []string{"off", "on"} {
			if firewall == "on" && n > 0 { // what it refuses reaches no database
				continue
			}
			if err := s.program(ctx, e, firewall); err != nil {
				return fmt.Errorf("%s, firewall %s: %w", e, firewall, err)
			}
		}
	}
	return nil
}

type scanners struct {
	t              *trial
	sqlmap, wapiti string // the programs
}

// The longest that one scanner may take, and how often each target is asked at
// least by one that tried it.
const (
	scanFor   = 40 * time.Minute
	leastAsks = 20
)

// notScanned are routes that a scanner would end itself by, or wait at.
var notScanned = map[string]string{
	"sign-out": "ends the session that it asks with", "end-own-sessions": "the same", "end-other-sessions": "the same", "follow-events": "a stream without end",
}

// program scans a fresh instance.
func (s *scanners) program(ctx context.Context, e Engine, firewall string) error {
	label := fmt.Sprintf("%s, firewall %s: ", e, firewall)
	c, err := s.t.castOf(ctx, e, label) // by a server that refuses nothing
	if err != nil {
		return err
	}
	i := c.i
	targets, left, err := c.targets(ctx)
	if err != nil {
		return err
	}
	s.t.check(label+"every route is scanned, but those that end or hold the scanner", len(left) <= len(notScanned) && len(targets) > 150, "%d routes; left out %s", len(targets), counted(left))
	if err := i.stop(); err != nil {
		return err
	}
	i.args = append([]string{"--firewall", firewall}, i.args...)
	if err := i.again(ctx); err != nil {
		return err
	}
	f := newFront(i.url(), targets)
	if err := s.scan(ctx, label, f); err != nil {
		return err
	}
	out := f.shutOut(ctx)
	s.t.check(label+"who asked may still ask", len(out) == 0, "shut out %s", counted(out))
	s.t.check(label+"no panic in the log", i.panics() == 0, "%d", i.panics())
	return i.stop()
}

// targets gives each route to one of those who may ask it, to whom has the
// fewest so far, so that each kind of credential is tried.
func (c *cast) targets(ctx context.Context) (out []*target, left []string, err error) {
	given := map[*credential]int{}
	for _, r := range inOrder(c.m.routes) {
		if why := notScanned[r.name]; why != "" {
			left = append(left, r.String()+" "+why)
			continue
		}
		var who *credential
		for _, w := range c.all {
			if w.stranger && w.api.token != "" { // is nobody, like who shows nothing
				continue
			}
			if c.table.expect(&w.standing, r, w.near, false) == passed && (who == nil || given[w] < given[who]) {
				who = w
			}
		}
		if who == nil { // it is nobody's here: who might ask if it were theirs, or else the first
			who = c.all[max(0, slices.IndexFunc(c.all, func(w *credential) bool { return c.table.expect(&w.standing, r, w.near, false) == notThere }))]
		}
		given[who]++
		tg, err := c.target(ctx, r, who)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", r, err)
		}
		out = append(out, tg)
	}
	return out, left, nil
}

// target is the route with all of its parameters filled in.
func (c *cast) target(ctx context.Context, r route, who *credential) (*target, error) {
	ids := map[string]string{}
	for k, v := range who.near {
		ids[k] = v
	}
	if strings.HasPrefix(r.path, "/v1/quarantine/") {
		ids["enquiry"] = ids["held"]
	}
	api, err := c.prepare(ctx, r, who, ids)
	if err != nil {
		return nil, err
	}
	every := r
	every.params = slices.Clone(r.params)
	for n := range every.params {
		every.params[n].required = true
		if s, ok := every.params[n].sample.([]any); ok && len(s) > 0 {
			every.params[n].sample = s[0]
		}
	}
	req := every.request(c.m.doc, ids, nil, "")
	if text, ok := harmless[r.name]; ok {
		req.body = []byte(text)
	}
	return &target{request: req, name: r.String(), api: api, who: who.name, link: withoutCursor(req.path), marked: marked(r, req.path, ids)}, nil
}

// withoutCursor leaves out what no page would have: the place in a list where
// another page of it begins. With a wrong one the answer is about that alone.
func withoutCursor(path string) string {
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return path
	}
	if values.Del("cursor"); len(values) > 0 {
		path += "?" + values.Encode()
	}
	return path
}

// marked is the path with sqlmap's mark behind each value.
func marked(r route, path string, ids map[string]string) string {
	path, query, _ := strings.Cut(path, "?")
	for _, p := range r.params {
		if id := ids[r.pathKind(p.name)]; p.in == "path" && id != "" {
			path = strings.Replace(path, id, id+"*", 1)
		}
	}
	if query != "" {
		path += "?" + strings.ReplaceAll(query, "&", "*&") + "*"
	}
	return path
}

// scan has both scanners look at what is behind the front.
func (s *scanners) scan(ctx context.Context, label string, f *front) error {
	if err := f.open(s.t); err != nil {
		return err
	}
	began := time.Now()
	found, err := s.bySQLMap(ctx, f)
	if err != nil {
		return err
	}
	n, few := f.asks(func(*target) bool { return true })
	s.t.check(label+"sqlmap finds nothing", len(found) == 0, "%d requests; found %s", n, counted(found))
	s.t.check(label+"sqlmap has tried every parameter", len(few) == 0, "%d targets; hardly asked %s", len(f.targets), counted(few))
	s.t.figure(label+"sqlmap took", time.Since(began).Seconds(), "s")
	began = time.Now()
	f.again()
	if found, err = s.byWapiti(ctx, f); err != nil {
		return err
	}
	n, few = f.asks((*target).inPages)
	s.t.check(label+"wapiti finds nothing", len(found) == 0, "%d requests; found %s", n, counted(found))
	pages := 0
	for _, tg := range f.targets {
		if tg.inPages() {
			pages++
		}
	}
	s.t.check(label+"wapiti has tried the links and forms", pages > 50 && len(few) <= pages/20, "%d of %d; hardly asked %s", pages-len(few), pages, counted(few))
	s.t.figure(label+"wapiti took", time.Since(began).Seconds(), "s")
	broken := f.faults()
	s.t.check(label+"no request led to a fault of the server", len(broken) == 0, "%s", counted(broken))
	return nil
}

// bySQLMap runs two of them, each on half of the targets.
func (s *scanners) bySQLMap(ctx context.Context, f *front) (found []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, scanFor)
	defer cancel()
	var wg sync.WaitGroup
	halves := [2][]string{}
	errs := [2]error{}
	for n := range halves {
		wg.Go(func() { halves[n], errs[n] = s.half(ctx, f, f.half(n)) })
	}
	wg.Wait()
	for n := range halves {
		if errs[n] != nil {
			return nil, errs[n]
		}
		found = append(found, halves[n]...)
	}
	if len(found) == 0 || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.t.say("sqlmap suspects %s, and looks again", counted(found)) // two answers differ by what others do meanwhile, too
	return s.half(ctx, f, f.suspects(found))
}

// half runs sqlmap on some of the targets, by their numbers.
func (s *scanners) half(ctx context.Context, f *front, these []int) ([]string, error) {
	s.t.say("sqlmap, %d targets", len(these))
	dir, err := os.MkdirTemp(s.t.dir, "sqlmap-")
	if err != nil {
		return nil, err
	}
	requests, results := filepath.Join(dir, "requests"), filepath.Join(dir, "results.csv")
	if err := os.WriteFile(requests, f.requests(these), 0o600); err != nil {
		return nil, err
	}
	said, runErr := command(ctx, dir, "env", "HOME="+dir, s.sqlmap, "-l", requests, "--batch", "--answers", "skip further tests=N", "--ignore-stdin", "--disable-coloring", "--level", "1", "--risk", "1",
		"--threads", "4", "--skip-waf", "--ignore-code", "*", "--time-sec", "3", "--timeout", "20", "--output-dir", dir, "--results-file", results)
	text, err := os.ReadFile(results)
	if err != nil {
		return nil, fmt.Errorf("sqlmap left no report: %w: %v: %s", err, runErr, lastOf(said))
	}
	return readSQLMap(text)
}

// readSQLMap lists what sqlmap's table of results has found: Target URL, Place,
// Parameter, Technique(s), Note(s).
func readSQLMap(text []byte) (found []string, err error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("sqlmap's report: %w", err)
	}
	if len(rows) == 0 || len(rows[0]) < 4 || rows[0][0] != "Target URL" {
		return nil, fmt.Errorf("sqlmap's report begins with %q", text[:min(len(text), 80)])
	}
	for _, row := range rows[1:] {
		if len(row) > 3 && row[3] != "" {
			found = append(found, row[0]+" "+row[2]+" ("+row[3]+")")
		}
	}
	return found, nil
}

// byWapiti runs it on the front's page of links and forms.
func (s *scanners) byWapiti(ctx context.Context, f *front) ([]string, error) {
	s.t.say("wapiti")
	dir, err := os.MkdirTemp(s.t.dir, "wapiti-")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, scanFor)
	defer cancel()
	out := filepath.Join(dir, "report.json")
	said, runErr := command(ctx, dir, "env", "HOME="+dir, s.wapiti, "-u", f.url+"/", "--scope", "folder", "-d", "1", "-S", "insane", "--max-links-per-page", "10000", "--flush-session", "--no-bugreport",
		"-m", "sql,blindsql,xss,permanentxss,exec,file,redirect,crlf", "-t", "20", "--max-scan-time", strconv.Itoa(int(scanFor.Seconds())-60),
		"--store-session", dir, "--store-config", dir, "-f", "json", "-o", out)
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("wapiti left no report: %w: %v: %s", err, runErr, lastOf(said))
	}
	found, err := readWapiti(text)
	if err != nil {
		return nil, err
	}
	return found, ctx.Err()
}

// readWapiti lists what wapiti's report has found.
func readWapiti(text []byte) (found []string, err error) {
	type entry struct{ Method, Path, Info, Parameter string }
	var r struct {
		Vulnerabilities map[string][]entry
		Anomalies       map[string][]entry
	}
	if err := json.Unmarshal(text, &r); err != nil || r.Vulnerabilities == nil {
		return nil, fmt.Errorf("wapiti's report: %v, %d bytes", err, len(text))
	}
	for _, part := range []map[string][]entry{r.Vulnerabilities, r.Anomalies} {
		for kind, all := range part {
			for _, x := range all {
				found = append(found, kind+": "+x.Method+" "+x.Path+" "+x.Parameter)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// holes is the control: both scanners look at a server whose holes are known,
// in the same way.
func (s *scanners) holes(ctx context.Context) error {
	url, err := s.t.servePlanted()
	if err != nil {
		return err
	}
	a := &api{base: url, http: http.DefaultClient}
	page := func(method, path, marked, body string) *target {
		r := request{method: method, path: path, body: []byte(body)}
		if body != "" {
			r.contentType = "application/json"
		}
		return &target{request: r, name: method + " " + path, api: a, link: path, marked: marked}
	}
	f := newFront(url, []*target{
		page("GET", "/search?name=Ann", "/search?name=Ann*", ""), page("GET", "/hello?name=Ann", "/hello?name=Ann*", ""), page("POST", "/find", "/find", `{"name":"Ann"}`),
		page("GET", "/sound?name=Ann", "/sound?name=Ann*", ""),
	})
	if err := f.open(s.t); err != nil {
		return err
	}
	bySQLMap, err := s.bySQLMap(ctx, f)
	if err != nil {
		return err
	}
	byWapiti, err := s.byWapiti(ctx, f)
	if err != nil {
		return err
	}
	finds := func(all []string, words ...string) bool {
		return slices.ContainsFunc(all, func(x string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(x, w) })
		})
	}
	s.t.check("control: sqlmap finds SQL put together from a query's text", finds(bySQLMap, "/search"), "%s", counted(bySQLMap))
	s.t.check("control: sqlmap finds SQL put together from a field of JSON", finds(bySQLMap, "/find"), "%s", counted(bySQLMap))
	s.t.check("control: wapiti finds the same SQL", finds(byWapiti, "SQL", "/search") && finds(byWapiti, "SQL", "/find"), "%s", counted(byWapiti))
	s.t.check("control: wapiti finds a text that is shown as HTML", finds(byWapiti, "Cross Site Scripting", "/hello"), "%s", counted(byWapiti))
	s.t.check("control: neither finds anything where nothing is wrong", !finds(bySQLMap, "/sound") && !finds(byWapiti, "/sound"), "%d and %d findings in all", len(bySQLMap), len(byWapiti))
	return nil
}
