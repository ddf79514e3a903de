package capture

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
	"time"

	"catchment/internal/problem"
)

// The two pages that a visitor may see. They need no script and nothing from
// elsewhere, and the style sheet is allowed by its hash.
var (
	//go:embed page.css
	pageStyle string
	//go:embed thanks.html
	thanksText string
	//go:embed refused.html
	refusedText string

	thanksPage  = page(thanksText)
	refusedPage = page(refusedText)

	// frame-ancestors: site builders put forms into frames, and the page that
	// follows must show there. It has nothing to click.
	pagePolicy = []string{"default-src 'none'; style-src 'sha256-" + styleHash() + "'; base-uri 'none'; form-action 'none'; frame-ancestors *"}
)

func page(text string) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(pageStyle) }, //nolint:gosec // it is ours
	}).Parse(text))
}

func styleHash() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// thanksView holds nothing that was not read strictly before.
type thanksView struct {
	Enquiry string
	At      time.Time
	Receipt string
}

type refusedView struct {
	Title, Detail string
	Faults        []faultView
	Again         bool // trying again unchanged may help
	Unsure        bool // it may be stored
	RequestID     string
}

type faultView struct{ Field, Detail string }

// refusePage says what to do. The browser's Back has the form as it was
// filled in; nothing of it stands here.
func refusePage(w http.ResponseWriter, p *problem.Problem) {
	v := refusedView{Detail: p.Detail, Again: p.RetryAfter > 0, Unsure: p.Code == "unconfirmed", RequestID: p.RequestID}
	switch {
	case v.Unsure:
		v.Title, v.Detail = "Your message may not have arrived", ""
	case v.Again:
		v.Title, v.Detail = "We could not take your message just now", ""
	case p.Status == http.StatusNotFound:
		v.Title = "This form leads nowhere"
	case len(p.Errors) > 0:
		v.Title, v.Detail = "Please look at your message once more", ""
	default:
		v.Title = "We could not take your message"
	}
	for _, f := range p.Errors {
		v.Faults = append(v.Faults, faultView{fieldWords(f.Field), f.Detail})
	}
	writePage(w, p.Status, refusedPage, v)
}

// fieldWords names a field as a visitor knows it.
func fieldWords(path string) string {
	switch path {
	case "person":
		return "Phone or e-mail"
	case "person.name":
		return "Name"
	case "person.phone":
		return "Phone"
	case "person.email":
		return "E-mail"
	case "message":
		return "Message"
	case "":
		return "Form"
	}
	return strings.TrimPrefix(path, "custom.")
}

func writePage(w http.ResponseWriter, status int, t *template.Template, view any) {
	var b bytes.Buffer
	if err := t.Execute(&b, view); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h["Content-Type"] = htmlType
	h["Content-Security-Policy"] = pagePolicy
	h["Referrer-Policy"] = []string{"no-referrer"} // the address holds the receipt
	h["Cache-Control"] = noStore
	delete(h, "X-Frame-Options") // the older word for frame-ancestors
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the visitor has gone
}
