package console

import (
	"bytes"
	"encoding/json"
	"html/template"
	"slices"
	"strings"
)

// Snippet is a source, ready to be put into a page or a program.
type Snippet struct {
	HTML  string `json:"html" doc:"A plain form. It works without JavaScript; put a new UUID into _key for each view of the page, or leave it out."`
	Fetch string `json:"fetch" doc:"One lead by a page's own script, with a publishable key that names the page's origin."`
	Curl  string `json:"curl" doc:"One lead by curl. Put a key in the place of $KEY."`
}

// Written for the reader of the page it goes into: it says which field is
// what, and nothing about us.
var formHTML = template.Must(template.New("form").Parse(`<form method="post" action="{{.URL}}/f/{{.ID}}" accept-charset="utf-8">
  <label>Name <input name="person.name" autocomplete="name" maxlength="200"></label>
  <label>Phone <input name="person.phone" type="tel" autocomplete="tel" maxlength="40"></label>
  <label>E-mail <input name="person.email" type="email" autocomplete="email" maxlength="254"></label>
{{- range .Fields}}
  <label>{{.}} <input name="custom.{{.}}"></label>
{{- end}}
  <label>Message <textarea name="message" maxlength="8000"></textarea></label>
  <input type="hidden" name="_key" value="">
  <input name="_hp" tabindex="-1" autocomplete="off" aria-hidden="true" style="position:absolute;left:-9999px">
  <button>Send</button>
</form>
`))

// snippetFields is how many custom fields a snippet shows at most.
const snippetFields = 10

// snippet writes both for a source. The names in it are escaped for where
// they stand, because a field's name is free text.
func snippet(url, id, slug string, fields []string) (Snippet, error) {
	url = strings.TrimRight(url, "/")
	fields = slices.Clone(fields)
	slices.Sort(fields)
	fields = fields[:min(len(fields), snippetFields)]
	var form bytes.Buffer
	if err := formHTML.Execute(&form, map[string]any{"URL": url, "ID": id, "Fields": fields}); err != nil {
		return Snippet{}, err
	}
	lead := exampleLead(slug, fields)
	return Snippet{HTML: form.String(), Fetch: byFetch(url, lead), Curl: curl(url, lead)}, nil
}

// exampleLead is a lead of the source, of somebody invented.
func exampleLead(slug string, fields []string) any {
	body := struct {
		Source  string            `json:"source"`
		Person  map[string]string `json:"person"`
		Message string            `json:"message"`
		Custom  map[string]string `json:"custom,omitempty"`
	}{slug, map[string]string{"name": "Ada Example", "phone": "+1 202 555 0143", "email": "ada@example.com"}, "Please call after six.", map[string]string{}}
	for _, f := range fields {
		body.Custom[f] = "…"
	}
	return body
}

// inScript is v as JSON for a script, which HTML around it does not end.
func inScript(v any) string {
	b, _ := json.Marshal(v) // of strings: always succeeds
	return string(b)
}

func inShell(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of strings: always succeeds
	return strings.TrimSpace(b.String())
}

// byFetch puts the lead into a script. Each view of the page sends one key, so
// that a second press is the same enquiry.
func byFetch(url string, lead any) string {
	return "const once = crypto.randomUUID()\n" +
		"const answer = await fetch(" + inScript(url+"/v1/leads") + ", {\n" +
		"  method: 'POST',\n" +
		"  headers: {\n" +
		"    'Authorization': 'Bearer cpk_…', // a publishable key of this page\n" +
		"    'Content-Type': 'application/json',\n" +
		"    'Idempotency-Key': once,\n" +
		"  },\n" +
		"  body: JSON.stringify(" + inScript(lead) + "),\n" +
		"})\n" +
		"if (!answer.ok) throw new Error((await answer.json()).detail)\n"
}

func curl(url string, lead any) string {
	return "curl -X POST " + quoted(url+"/v1/leads") + " \\\n" +
		"  -H \"Authorization: Bearer $KEY\" \\\n" +
		"  -H 'Content-Type: application/json' \\\n" +
		"  -H \"Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)\" \\\n" +
		"  --data " + quoted(inShell(lead)) + "\n"
}

// quoted is one word for a POSIX shell, whatever is in it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
