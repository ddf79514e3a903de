package operate

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"catchment/internal/concern"
	"catchment/internal/problem"
	"catchment/internal/store/concerns"
	"catchment/internal/vault/reveal"
	"catchment/internal/web"
)

// The form by which anybody reports something to the operators, and the page
// that follows it. They need no script and nothing from elsewhere, and the
// style sheet is allowed by its hash.
var (
	//go:embed page/report.css
	reportStyle string
	//go:embed page/report.html
	reportText string

	reportPages = template.Must(template.New("").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(reportStyle) }, //nolint:gosec // it is ours
	}).Parse(reportText))

	reportPolicy = "default-src 'none'; style-src 'sha256-" + sumOf(reportStyle) + "'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ReportPath is where the form is. What is sent there may hold attack text, being
// about it: the firewall leaves it alone, and nothing reads it but the form.
const ReportPath = "/report"

// reportView is what a page shows; Words are those of its language.
type reportView struct {
	Words    reportWords
	Typed    concern.Typed
	Kinds    []kindView
	Faults   map[string]string // by field; "" is of the whole
	State    string
	Kind     string
	ID, Link string
	Received time.Time
	Answers  []answerView
}

type kindView struct {
	Value, Words, Help string
	Chosen             bool
}

type answerView struct {
	At   time.Time
	Text string
}

func (p Parts) reportPage() {
	p.API.Page("GET "+ReportPath, "report-form", func(w http.ResponseWriter, r *http.Request) error {
		writeReport(w, http.StatusOK, "form", formView(r, nil, nil))
		return nil
	}, refuseReport)
	p.API.Page("POST "+ReportPath, "report", p.takeReport, refuseReport)
	p.API.Page("GET "+ReportPath+"/{id}", "report-course", p.showReport, refuseReport)
}

// typedError is why a form was not taken, with what was typed.
type typedError struct {
	typed concern.Typed
	error
}

// Unwrap returns the cause.
func (e typedError) Unwrap() error { return e.error }

// takeReport keeps a form and leads to the page that follows it. What cannot be
// taken is shown again as it was typed.
func (p Parts) takeReport(w http.ResponseWriter, r *http.Request) error {
	if err := p.ownPage(r); err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Second)) // a recorder in a test has none
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, concern.MostBody))
	if err != nil {
		return problem.TooLarge("too_large", "The form is too long.").Because(err)
	}
	form, typed, faults := concern.Decode(r.Header.Get("Content-Type"), body)
	if len(faults) > 0 {
		writeReport(w, http.StatusUnprocessableEntity, "form", formView(r, typed, faults))
		return nil
	}
	if err := p.Counts.Report(web.Caller(r)); err != nil {
		return typedError{typed, err}
	}
	link, err := p.Concerns.Take(r.Context(), form)
	if err != nil {
		return typedError{typed, err}
	}
	h := w.Header()
	h.Set("Location", ReportPath+"/"+link.ID.String()+"?"+url.Values{"key": {link.Secret}, "lang": {wordsFor(r).Lang}}.Encode())
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// ownPage refuses what another page has a visitor's browser send.
func (p Parts) ownPage(r *http.Request) error {
	check := http.NewCrossOriginProtection()
	if u, err := url.Parse(p.PublicURL); err == nil && u.Host != "" {
		_ = check.AddTrustedOrigin(u.Scheme + "://" + u.Host) // a proxy may change Host
	}
	if err := check.Check(r); err != nil {
		return problem.Forbidden("foreign_origin", "The form is sent from its own page.").Because(err)
	}
	return nil
}

func formView(r *http.Request, typed concern.Typed, faults []concern.Fault) reportView {
	words := wordsFor(r)
	v := reportView{Words: words, Typed: typed, Faults: map[string]string{}}
	for _, k := range concerns.Kinds() {
		text := words.Kinds[k]
		v.Kinds = append(v.Kinds, kindView{string(k), text[0], text[1], typed[concern.FieldKind] == string(k)})
	}
	for _, f := range faults {
		v.Faults[f.Field] = words.fault(f)
	}
	return v
}

// refuseReport shows the form with what was typed, if anything was, and why it
// was not taken.
func refuseReport(w http.ResponseWriter, r *http.Request, p *problem.Problem, err error) {
	var kept typedError
	errors.As(err, &kept)
	v := formView(r, kept.typed, nil)
	if p.Status == http.StatusNotFound {
		writeReport(w, p.Status, "none", v)
		return
	}
	v.Faults[""] = v.Words.refusal(p)
	writeReport(w, p.Status, "form", v)
}

// showReport is the page of who holds the link: the reference, how far the report
// is, and the answers. Not what was written: it may be read over a shoulder.
func (p Parts) showReport(w http.ResponseWriter, r *http.Request) error {
	id, err := web.PathID(r.PathValue("id"), concerns.ParseID)
	if err != nil {
		return err
	}
	secret := r.URL.Query().Get("key")
	row, answers, err := p.Concerns.Followed(r.Context(), concern.Link{ID: id, Secret: secret})
	if err != nil {
		return err
	}
	words := wordsFor(r)
	v := reportView{Words: words, ID: id.String(), Received: row.ReceivedAt, State: words.States[row.State()], Kind: words.Kinds[row.Kind][0],
		Link: strings.TrimSuffix(p.PublicURL, "/") + ReportPath + "/" + id.String() + "?key=" + url.QueryEscape(secret)}
	for _, a := range answers {
		v.Answers = append(v.Answers, answerView{a.At, reveal.Text(a.Text)})
	}
	writeReport(w, http.StatusOK, "course", v)
	return nil
}

func writeReport(w http.ResponseWriter, status int, name string, v reportView) {
	var b bytes.Buffer
	if err := reportPages.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Words.Lang)
	h.Set("Content-Security-Policy", reportPolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
	h.Set("Referrer-Policy", "no-referrer") // the address of the second page holds its secret
	if name == "form" {
		h.Set("Referrer-Policy", "same-origin") // the form says by Origin that it is ours
	}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the visitor has gone
}
