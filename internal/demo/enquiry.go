package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"mime/multipart"
	"net/url"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"
)

// enquiry is one request to the door, ready to be sent and sent again.
type enquiry struct {
	path, contentType string
	key               string // its idempotency key; a form carries its own
	body              []byte
}

// attribution is how a visit came about, as the page's address had it.
func attribution(r *rand.Rand, t trade, slug string) map[string]string {
	out := map[string]string{}
	land := t.site + "/" + slug
	switch r.IntN(6) {
	case 0: // typed the address
	case 1, 2:
		out["utm_source"], out["utm_medium"], out["utm_campaign"] = "search", "cpc", one(r, t.campaigns)
		out["gclid"] = clickID(r, "Cj0KCQ", 60)
		out["utm_term"] = one(r, t.terms)
		land += "?gclid=" + out["gclid"]
	case 3:
		out["utm_source"], out["utm_medium"], out["utm_campaign"] = "social", "paid-social", one(r, t.campaigns)
		out["fbclid"] = clickID(r, "IwAR", 50)
		out["utm_content"] = one(r, []string{"video-15s", "carousel-b", "still-1"})
	case 4:
		out["utm_source"], out["utm_medium"], out["utm_campaign"] = "newsletter", "email", one(r, t.campaigns)
	default:
		out["referrer"] = one(r, []string{"https://search.example/?q=reviews", "https://portal.example/listing/4471", "https://news.example/at-home"})
	}
	out["landing_page"] = land
	return out
}

func clickID(r *rand.Rand, head string, n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := []byte(head)
	for range n {
		b = append(b, letters[r.IntN(len(letters))])
	}
	return string(b)
}

// letter is what the face writes.
func letter(r *rand.Rand, t trade, f face) string {
	var fit []string
	for _, m := range t.messages {
		if m.tongue == f.tongue {
			fit = append(fit, m.text)
		}
	}
	if len(fit) == 0 || r.IntN(4) == 0 {
		return ""
	}
	return one(r, fit)
}

// slip makes a few of the faces write oddly, as people do.
func slip(r *rand.Rand, f face, region string) face {
	switch r.IntN(14) {
	case 0:
		f.phone = oddPhone(r, region)
		if f.email == "" {
			f.email = "reply@example.com" // else nobody could answer
		}
	case 1:
		if f.phone != "" {
			f.email = oddEmail(r)
		}
	}
	return f
}

// asJSON writes the enquiry as a page's script or an integration sends it.
func asJSON(r *rand.Rand, c company, src Source, slug string, f face, now time.Time, test bool) enquiry {
	person := map[string]string{}
	for k, v := range map[string]string{"name": f.name, "phone": f.phone, "email": f.email} {
		if v != "" {
			person[k] = v
		}
	}
	body := map[string]any{"source": src.Slug, "person": person, "attribution": attribution(r, c.trade, slug)}
	if m := letter(r, c.trade, f); m != "" {
		body["message"] = m
	}
	if r.IntN(3) > 0 {
		body["consent"] = map[string]any{"text": "Yes, you may contact me about this enquiry.", "version": "2026-02",
			"given_at": now.UTC().Format(time.RFC3339), "channels": one(r, [][]string{{"call"}, {"call", "email"}, {"call", "sms", "email"}})}
	}
	custom := map[string]any{}
	for name, values := range c.trade.custom {
		if r.IntN(3) > 0 {
			custom[name] = one(r, values)
		}
	}
	if len(custom) > 0 {
		body["custom"] = custom
	}
	if test {
		body["test"] = true
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return enquiry{path: "/v1/leads", contentType: "application/json", key: token(r), body: text}
}

// asForm writes the enquiry as a browser sends a plain HTML form: most in UTF-8,
// some in windows-1252, some as multipart.
func asForm(r *rand.Rand, c company, src Source, slug string, f face) enquiry {
	names := formNames(src.Slug)
	fields := [][2]string{{names.name, f.name}, {names.phone, f.phone}, {names.email, f.email}, {names.message, letter(r, c.trade, f)},
		{"_key", token(r)}, {"_hp", ""}}
	for k, v := range attribution(r, c.trade, slug) {
		fields = append(fields, [2]string{k, v})
	}
	for name, values := range c.trade.fields {
		fields = append(fields, [2]string{name, fmt.Sprint(one(r, values))})
	}
	if r.IntN(2) == 0 {
		fields = append(fields, [2]string{"consent", "I agree to be contacted"})
	}
	e := enquiry{path: "/f/" + src.ID}
	switch {
	case r.IntN(6) == 0:
		e.contentType, e.body = multipartForm(fields)
	case r.IntN(6) == 0 && fits1252(fields):
		e.contentType, e.body = "application/x-www-form-urlencoded; charset=windows-1252", urlEncoded(fields, true)
	default:
		e.contentType, e.body = "application/x-www-form-urlencoded", urlEncoded(fields, false)
	}
	return e
}

type names struct{ name, phone, email, message string }

// formNames are the names that a form's maker chose. The brochure form's own
// are in its source's mapping.
func formNames(slug string) names {
	switch slug {
	case "mill-brochure-form":
		return names{"full_name", "rueckruf", "email", "anliegen"}
	case "solar-quote-form":
		return names{"your-name", "Phone Number", "your-email", "Comments"}
	}
	return names{"name", "phone", "email", "message"}
}

func urlEncoded(fields [][2]string, latin bool) []byte {
	var b strings.Builder
	enc := charmap.Windows1252.NewEncoder()
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('&')
		}
		v := f[1]
		if latin {
			v, _ = enc.String(v) // fits1252 has tried it
		}
		b.WriteString(url.QueryEscape(f[0]) + "=" + url.QueryEscape(v))
	}
	return []byte(b.String())
}

func fits1252(fields [][2]string) bool {
	for _, f := range fields {
		if _, err := charmap.Windows1252.NewEncoder().String(f[1]); err != nil {
			return false
		}
	}
	return true
}

func multipartForm(fields [][2]string) (string, []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		_ = w.WriteField(f[0], f[1]) // into memory
	}
	_ = w.Close()
	return w.FormDataContentType(), b.Bytes()
}

// token is a key of a page view.
func token(r *rand.Rand) string { return fmt.Sprintf("demo-%016x%016x", r.Uint64(), r.Uint64()) }
