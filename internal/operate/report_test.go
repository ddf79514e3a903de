package operate_test

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/caller"
	"catchment/internal/concern"
	"catchment/internal/store/concerns"
)

const attack = `<script>alert(1)</script> ' OR 1=1 --`

var told = url.Values{"kind": {"misuse"}, "place": {"https://example.com/offer"}, "message": {"It asks for a card number. " + attack}, "email": {"ada@example.com"}, "website": {""}}

func with(name, value string) url.Values {
	out := url.Values{}
	for k, v := range told {
		out[k] = v
	}
	out.Set(name, value)
	return out
}

// page asks as a browser at the address does, whose page has the origin.
func (p *platform) page(method, path string, form url.Values, from, origin string) *httptest.ResponseRecorder {
	p.Helper()
	within := p.within
	if within == nil {
		within = p.Context()
	}
	r := httptest.NewRequestWithContext(within, method, "https://leads.example.com"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	p.api.Mux().ServeHTTP(w, r.WithContext(caller.With(r.Context(), caller.Peer(from))))
	return w
}

const ours, here = "https://leads.example.com", "192.0.2.7:4711"

func (p *platform) shows(w *httptest.ResponseRecorder, status int, words ...string) {
	p.Helper()
	text := html.UnescapeString(w.Body.String())
	if w.Code != status {
		p.Fatalf("%d, want %d: %s", w.Code, status, text)
	}
	for _, s := range words {
		if !strings.Contains(text, s) {
			p.Errorf("the page does not say %q: %s", s, text)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	if w.Code != http.StatusSeeOther && (!strings.Contains(policy, "default-src 'none'") || strings.Contains(w.Body.String(), "<script") || w.Header().Get("Cache-Control") != "no-store") {
		p.Errorf("its policy: %q", policy)
	}
}

// A stranger's report reaches an operator, who reads it on the record, answers,
// and closes it; the stranger reads the answer by the link, and nobody without
// it does. Controls: a link with another secret, support, an admin, nobody.
func TestReport(t *testing.T) {
	each(t, func(t *testing.T, p *platform) {
		p.shows(p.page("GET", "/report?lang=ar", nil, here, ""), 200, `dir="rtl"`, "الإبلاغ عن مشكلة")
		w := p.page("POST", "/report?lang=en", told, here, ours)
		p.shows(w, 303)
		link := w.Header().Get("Location")
		id, _, _ := strings.Cut(strings.TrimPrefix(link, "/report/"), "?")
		p.shows(p.page("GET", link, nil, here, ""), 200, "Your report has arrived", "Nobody has read it yet", id, ours+"/report/"+id+"?key=")
		p.shows(p.page("GET", "/report/"+id+"?key="+strings.Repeat("A", 22), nil, here, ""), 404, "There is no report here")
		p.shows(p.page("GET", "/report/"+concerns.NewID().String()+link[strings.Index(link, "?"):], nil, here, ""), 404)

		const path = "/v1/platform/reports"
		list := p.get(path+"?open=true", p.token, 200)
		items := list["items"].([]any)
		if first := items[0].(map[string]any); len(items) != 1 || list["waiting"] != 1.0 || first["id"] != id || first["state"] != "new" || first["has_email"] != true {
			t.Fatal(list)
		}
		p.documentedIn("operating.md", "report", items[0].(map[string]any))
		_, support := p.staff(account.Support, "sam@example.com")
		admin := p.company("First").Token
		for _, who := range []string{support, admin} {
			p.post(path+"/"+id+"/open", who, nil, 403)
			p.get(path, who, 403)
		}
		opened := p.post(path+"/"+id+"/open", p.token, nil, 200)
		if word(opened, "message") != told.Get("message") || word(opened, "place") != told.Get("place") || word(opened, "email") != "ada@example.com" || word(opened, "state") != "looked" {
			t.Error(opened.Text)
		}
		p.shows(p.page("GET", link, nil, here, ""), 200, "Somebody is looking at it")
		p.post(path+"/"+id+"/notes", p.token, map[string]any{"text": "Rang the company."}, 200)
		p.post(path+"/"+id+"/answers", p.token, map[string]any{"text": " "}, 422)
		p.post(path+"/"+id+"/answers", p.token, map[string]any{"text": "The page is <b>down</b>."}, 200)
		w = p.page("GET", link, nil, here, "")
		if p.shows(w, 200, "Answered", "The page is <b>down</b>."); strings.Contains(w.Body.String(), "<b>down") || strings.Contains(w.Body.String(), "Rang the company") || strings.Contains(w.Body.String(), "card number") {
			t.Error("the page shows more than the answer, or as markup:", w.Body)
		}
		closed := p.post(path+"/"+id+"/close", p.token, nil, 200)
		if words, _ := closed.Body["words"].([]any); len(words) != 2 || word(closed, "state") != "closed" || word(closed, "gone_at") == "" {
			t.Error(closed.Text)
		}
		p.post(path+"/"+id+"/close", p.token, nil, 409)
		p.post(path+"/"+id+"/answers", p.token, map[string]any{"text": "Once more."}, 409)
		for _, action := range []string{"report.open", "report.note", "report.answer", "report.close"} {
			got := entries(p.get("/v1/platform/record?action="+action, p.token, 200))
			if len(got) != 1 || got[0]["about"] != id || got[0]["review"] != true {
				t.Errorf("%s on the platform's record: %v", action, got)
			}
		}
		if open := p.get(path+"?open=true", p.token, 200); len(open["items"].([]any)) != 0 || open["waiting"] != 0.0 {
			t.Error(open)
		}
		p.gone(id, link)
	})
}

// gone looks half a year ahead, and a moment less.
func (p *platform) gone(id, link string) {
	p.Helper()
	for _, x := range []struct {
		later  time.Duration
		gone   int
		status int
	}{{concern.Keep - time.Hour, 0, 200}, {concern.Keep + time.Hour, 1, 404}} {
		p.later = x.later
		n, err := p.concerns.Forget(p.Context())
		p.ok(err)
		if n != x.gone {
			p.Errorf("%s after its end %d went", x.later, n)
		}
		p.shows(p.page("GET", link, nil, here, ""), x.status)
		p.post("/v1/platform/reports/"+id+"/open", p.token, nil, x.status)
	}
	p.later = 0
}

// What is not taken is shown again as it was typed, with the reason; the form of
// a foreign page and a third report within the hour are not taken at all.
func TestReportRefused(t *testing.T) {
	p := open(t, sqlite(t))
	for _, x := range []struct {
		form url.Values
		says string
	}{
		{with("kind", "else"), "Choose what it is about."},
		{with("message", " \n "), "Write what you saw."},
		{with("message", strings.Repeat("x", 8001)), "This is too long."},
		{with("email", "nobody"), "This is no e-mail address."},
		{with("website", "https://example.com"), "A field that people do not see was filled in."},
	} {
		p.shows(p.page("POST", "/report?lang=en", x.form, here, ours), 422, x.says, told.Get("place"))
	}
	p.shows(p.page("POST", "/report?lang=en", with("role", "operator"), here, ours), 422, "The form could not be read")
	p.shows(p.page("POST", "/report?lang=en", with("message", strings.Repeat("x", concern.MostBody)), here, ours), 413, "too long")
	p.shows(p.page("POST", "/report?lang=en", told, here, "https://example.com"), 403, "The form was sent from another page")
	p.shows(p.page("POST", "/report", told, here, ours), 303)
	p.shows(p.page("POST", "/report", told, here, ours), 303)
	w := p.page("POST", "/report", told, here, ours)
	if p.shows(w, 429, "Too many reports came from your network", told.Get("message")); w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), attack) {
		t.Error(w.Header(), w.Body)
	}
	p.shows(p.page("POST", "/report", told, "198.51.100.7:4711", ours), 303)
	if l := p.get("/v1/platform/reports", p.token, 200); l["waiting"] != 3.0 {
		t.Error(l)
	}
}

// When it cannot be stored in time the page says so, and keeps what was typed.
func TestReportInVain(t *testing.T) {
	p := open(t, sqlite(t))
	over, end := context.WithCancel(t.Context())
	end()
	p.within = over
	p.shows(p.page("POST", "/report", told, here, ours), 503, "It cannot be stored just now", told.Get("place"))
}
