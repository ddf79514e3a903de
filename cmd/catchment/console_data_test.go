package main

import (
	"strings"
	"testing"
	"time"

	"catchment/internal/app/apptest"
)

// comesIn is what an admin does for what comes in: a key that is shown once, a
// sample of somebody else's fields, and a file that is tried before it is taken.
func comesIn(t *testing.T, page *apptest.Page, url string, admin api) {
	t.Helper()
	page.Go(url + "/app/console/keys")
	page.Press("Make a key")
	page.Type("Name", "Second page")
	page.Type("From which pages", "https://homes.example")
	page.Press("Make the key")
	page.See("shown this once")
	if text := apptest.Eval[string](page, `document.querySelector('[role=dialog] p.font-mono').innerText`); !strings.HasPrefix(text, "cpk_") {
		t.Errorf("the key's text: %q", text)
	}
	if got := admin.want(200, "GET", "/v1/keys", nil); !strings.Contains(string(got.body), `"origins":["https://homes.example"]`) {
		t.Errorf("keys: %s", got.body)
	}

	page.Go(url + "/app/console/sources")
	page.See("Website form")
	page.Key("j")
	page.Key("\r")
	page.Type("Try it with a sample", "q1=Asha+Example&tel=%2B12025550141")
	page.See("+12025550141")
	page.Press("Save the mapping")
	page.See("Saved.")

	page.Go(url + "/app/console/files")
	page.Press("Bring a file in")
	page.See("Website form") // there is one source alone
	apptest.Eval[bool](page, `(() => { const d = new DataTransfer(); d.items.add(new File(['name,phone,email\nAsha Example,+442079460142,\nNobody,,\n'], 'leads.csv', { type: 'text/csv' }));
		const i = document.getElementById('leads-file'); i.files = d.files; return i.dispatchEvent(new Event('change', { bubbles: true })) })()`)
	page.See("Where its columns go")
	page.Press("Send and try it")
	page.See("Would be taken")
	page.See("A lead needs a phone or an e-mail")
	page.Press("Bring it in")
	page.See("Brought in")
	page.See("Done")
	page.Go(url + "/app/console/reports?compare=true")
	page.See("How far they came")
	page.Press("Website form") // a row leads to its leads, of its days
	page.See("Speed to lead")
	if at := apptest.Eval[string](page, "location.search"); !strings.Contains(at, "source=src_") || !strings.Contains(at, "from=") || !strings.Contains(at, "to=") {
		t.Errorf("the list behind a figure is at %s", at)
	}
	page.Go(url + "/app/console/leads?came=booked")
	page.See("No lead fits this filter")
	page.Press("Take away: Came as far as: Booked")
	page.See("Website form")

	done := admin.want(200, "GET", "/v1/imports", nil).items()[0].(fields)
	if done["state"] != "done" || done["taken"] != 1.0 || done["refused"] != 1.0 {
		t.Errorf("the import: %v", done)
	}
}

// daysOff gives the company a day off, on the page of routing, and takes it away.
func daysOff(t *testing.T, page *apptest.Page, url string, admin api) {
	t.Helper()
	last := time.Now().Format("2006") + "-12-31"
	page.Go(url + "/app/console/routing")
	page.Press("Add days off")
	page.Type("What it is called", "Old Year")
	apptest.Eval[bool](page, `(() => { const i = document.querySelector('[role=dialog] input[name=from]');
		Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(i, '`+last+`'); return i.dispatchEvent(new Event('input', { bubbles: true })) })()`)
	page.Press("Add")
	page.See("Old Year")
	page.See("Dec 31")
	if got := string(admin.want(200, "GET", "/v1/holidays", nil).body); !strings.Contains(got, `"from":"`+last+`","until":"`+last+`"`) {
		t.Errorf("days off: %s", got)
	}
	page.Press("Take away: Old Year")
	page.Gone("Old Year")
	admin.until("no day off", "/v1/holidays", func(a answer) bool { return len(a.items()) == 0 })
}

// oneProject goes through a project's own page: its figures, sources and latest
// leads, another name, and what becomes of it in the archive.
func oneProject(t *testing.T, page *apptest.Page, url string, admin api) {
	t.Helper()
	page.Go(url + "/app/console/projects")
	page.See("On sale")
	apptest.RowByKeys(page)
	page.See("The last four weeks")
	page.See("Latest leads")
	page.See("Website form")
	page.See("Ravi Example") // of its team
	page.Type("Name of the project", " East")
	page.Press("Save")
	page.See("Harbour Lofts East")
	page.Press("Archive")
	page.See("Its sources go on taking leads until you stop them")
	page.Press("Archive it")
	page.See("Sell it again")
	if got := string(admin.want(200, "GET", "/v1/projects", nil).body); !strings.Contains(got, `"name":"Harbour Lofts East"`) || !strings.Contains(got, `"active":false`) {
		t.Errorf("projects: %s", got)
	}
	page.Press("Sell it again")
	page.See("On sale")
}
