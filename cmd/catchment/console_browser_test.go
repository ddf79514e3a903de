package main

import (
	"strings"
	"testing"
	"time"

	"catchment/internal/app/apptest"
	"catchment/internal/store"
	"catchment/internal/totp"
)

// The first hour of a company, in the browser of its first admin: from the
// one-time link to the first test lead, then a routing policy that is written,
// tried on what happened, published and taken back, and the story of a lead.
func TestConsoleInTheBrowser(t *testing.T) {
	t.Parallel()
	b := apptest.Open(t)
	c := settingsFor(t, store.Options{})
	web := serve(t, c)
	_, link := found(t, c)
	page := b.Page().Desktop().Dark(false)

	page.Go(web.url + "/app/join#" + link)
	page.Type("Choose a password", "a long password of Ada")
	page.Press("Come in")
	page.See("Any app for codes will do")
	page.See("The code that the app shows")
	code, err := totp.Code(strings.ReplaceAll(apptest.Eval[string](page, "document.querySelector('code').innerText"), " ", ""), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	page.Type("The code that the app shows", code)
	page.Press("I have kept them")
	firstSteps(page)
	apptest.Settle(page)
	page.Press("See a lead arrive")
	page.See("Ravi Example has not signed in yet") // why a lead would wait, and below what helps
	admin := web.as(t, apptest.Eval[string](page, "JSON.parse(localStorage.getItem('catchment.session')).token"))
	arrived := sellSome(t, web, admin, page)

	page.Key("g")
	page.Key("r")
	page.Press("Write a new version")
	page.Type("Name of the version", "Form first")
	page.Press("Add a rule")
	page.Type("For which leads", "source ==")
	page.See("line 1") // told while it is written
	page.Type("For which leads", " 'website-form'")
	page.See("when source == 'website-form'")
	page.Press("Save the version")
	page.See("Version 2, Form first")
	page.Press("Try it")
	page.See("decisions would have been")
	page.See("Matched no lead") // the rule for all others
	page.Press("Publish")
	page.Press("Publish it")
	page.See("Leads are now routed by version 2")
	if got := admin.want(200, "GET", "/v1/policies", nil); !strings.Contains(string(got.body), `"name":"Form first","published":true`) {
		t.Errorf("published: %s", got.body)
	}
	page.Press("Roll back")
	page.Press("Put it back")
	page.See("Version 1, In turn")
	loadOf(web, admin, page)

	page.Go(web.url + "/app/console/leads/" + arrived)
	page.See("Asha Example")
	page.See("Enquired by Website form")
	page.See("Is it still free?")
	page.See("Offered to Ravi Example")
	page.See("Eligible, and next by the rule")
	page.See("Who opened its data")
	page.See("to look after the work")
	page.Press("Receipt")
	page.See("Valid") // checked in the browser, by the published keys and the body
	page.See("Save the receipt")
	page.Press("Close")
	finds(page, web.url)
	rules(t, page, admin)
	comesIn(t, page, web.url, admin)
	daysOff(t, page, web.url, admin)
	oneProject(t, page, web.url, admin)
	aboutTheirData(t, page, web.url, admin)
}

// aboutTheirData is what an admin does for a person who asks: finds them by
// number, writes it down with the day they asked, gives the copy away, and
// erases them by another request, written down from the page of their lead.
func aboutTheirData(t *testing.T, page *apptest.Page, url string, admin api) {
	t.Helper()
	page.Go(url + "/app/console/requests")
	page.See("Nobody waits for an answer")
	page.Press("Write down a request")
	page.Type("Who it is", "+44 20 7946 0142")
	page.See("1 lead") // the only one who has it, and chosen
	asked := time.Now().AddDate(0, 0, -40).Format("2006-01-02")
	apptest.Eval[bool](page, `(() => { const i = document.querySelector('[role=dialog] input[name=on]');
		Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(i, '`+asked+`'); return i.dispatchEvent(new Event('input', { bubbles: true })) })()`)
	page.Press("Write it down")
	page.See("Overdue by 10 days") // from the beginning of the day they asked
	page.See("Download everything")
	if got := string(admin.want(200, "GET", "/v1/record?purpose=subject-access", nil).body); strings.Contains(got, `"purpose"`) {
		t.Errorf("opened before somebody asked: %s", got)
	}
	apptest.Eval[bool](page, `(() => { const make = URL.createObjectURL; URL.createObjectURL = (b) => { window.givenAway = b; return make.call(URL, b) }; return true })()`)
	page.Press("Download everything")
	page.See("The copy is on its way")
	if text := apptest.Eval[string](page, `window.givenAway.text()`); !strings.Contains(text, "Asha Example") || !strings.Contains(text, "+442079460142") || strings.Contains(text, "Ravi Example") {
		t.Errorf("the copy: %s", text)
	}
	if got := admin.want(200, "GET", "/v1/record?purpose=subject-access", nil).items(); len(got) != 1 {
		t.Errorf("%d openings on the record", len(got))
	}
	page.Press("They have their copy")
	page.See("Noted: they have their copy")
	page.See("Answered by")

	made := admin.want(200, "GET", "/v1/subject-requests?state=answered", nil).items()[0].(map[string]any)
	if made["kind"] != "access" || made["state"] != "done" || made["overdue"] != false {
		t.Errorf("%v", made)
	}
	person := made["person_id"].(string)
	theirs := admin.want(200, "POST", "/v1/leads/search", fields{"text": "+44 20 7946 0142"}).items()[0].(map[string]any)
	page.Go(url + "/app/console/leads/" + theirs["id"].(string))
	page.See("Asha Example")
	page.Press("They ask about their data")
	page.See("The day they asked")
	page.Press("A copy of what is kept")
	page.Press("To be erased")
	page.See("everything about them destroyed")
	page.Press("Write it down")
	page.See("30 days left")
	page.Press("Erase…")
	page.Type("Type “erase” to go on", "er")
	page.Press("Erase for good")
	page.See("Type “erase”.")
	if got := admin.want(200, "GET", "/v1/subject-requests?state=open", nil).items(); len(got) != 1 {
		t.Errorf("another word erased: %v", got)
	}
	page.Type("Type “erase” to go on", "ase") // behind what stands there
	page.Press("Erase for good")
	page.Gone("Erase this person?")
	page.See("Answered by")
	page.Press("Close")
	page.Press("Answered")
	page.See("To be erased")
	if got := string(admin.want(200, "GET", "/v1/subject-requests?state=answered", nil).body); strings.Count(got, person) != 2 || strings.Count(got, `"state":"done"`) != 2 {
		t.Errorf("answered: %s", got)
	}
	page.Go(url + "/app/console/leads")
	page.Type("Find by a whole number", "+44 20 7946 0142")
	page.See("Nobody of this number or address")
}

// finds looks for a lead by its whole number: in the table, and by the palette
// from anywhere.
func finds(page *apptest.Page, url string) {
	page.Go(url + "/app/console/leads")
	page.Type("Find by a whole number", "+44 20 7946 0999")
	page.See("Nobody of this number or address")
	page.Go(url + "/app/console/leads?names=true")
	page.See("Website form")
	page.Type("Find by a whole number", "+1 202 555 0141")
	page.See("Asha Example")
	page.Gone("Any owner") // the filters: one's number is looked for among all leads
	page.Go(url + "/app/console/routing")
	page.See("Write a new version")
	page.Key(".")
	page.Type("Do something", "+1 202 555 0141")
	page.See("Asha Example")
	page.Key("\r")
	page.See("Enquired by Website form")
}

// rules goes through what an admin sets for the people: a role of their own,
// how a team is offered leads, and the account's rules.
func rules(t *testing.T, page *apptest.Page, admin api) {
	t.Helper()
	page.Press("Roles")
	page.See("Reads leads, without the persons")
	page.Press("New role")
	page.See("Save the role")
	apptest.Settle(page)
	page.Type("Name of the role", "Team lead")
	page.Press("Save the role")
	page.See("1 right")
	if got := admin.want(200, "GET", "/v1/roles", nil); !strings.Contains(string(got.body), `"name":"Team lead"`) {
		t.Errorf("roles: %s", got.body)
	}

	page.Press("Routing")
	page.Press("Team and offers")
	page.Type("Time to accept, seconds", "0") // after the 45
	page.Press("Save")
	project := admin.want(200, "GET", "/v1/projects", nil).items()[0].(fields)["id"].(string)
	admin.until("the time to accept", "/v1/projects/"+project+"/pool", func(a answer) bool { return a.count("accept_seconds") == 450 })

	page.Press("Settings")
	page.See("Company sign-in")
	page.See("Hours without us")
	page.Press("Alarms")
	page.See("No alarm waits")
}

// sellSome has the invited salesperson come in and be offered leads that are
// no tests, and gives the first of them. The page shows the last of the first
// steps meanwhile.
func sellSome(t *testing.T, web *running, admin api, page *apptest.Page) (lead string) {
	t.Helper()
	var seller string
	for _, u := range admin.want(200, "GET", "/v1/users", nil).items() {
		if u := u.(fields); u["name"] == "Ravi Example" {
			seller, _ = u["id"].(string)
		}
	}
	link := admin.want(201, "POST", "/v1/users/"+seller+"/link", nil).text("link")
	token := web.as(t, "").want(201, "POST", "/v1/links/redeem", fields{"token": link, "password": "a long password of Ravi"}).text("token")
	invited := admin.want(200, "GET", "/v1/users/"+seller+"/shifts", nil)
	if got := string(invited.body); strings.Count(got, `"start_minute":540,"end_minute":1140`) != 7 {
		t.Errorf("who is invited works %s", got)
	}
	var week []fields
	for d := range 7 {
		week = append(week, fields{"weekday": d, "start_minute": 0, "end_minute": 1440})
	}
	admin.want(200, "PUT", "/v1/users/"+seller+"/shifts", fields{"shifts": week})
	web.as(t, token).want(200, "PUT", "/v1/me/presence", fields{"state": "available"})
	page.See("One like it would be offered to Ravi Example now")
	source := admin.want(200, "GET", "/v1/sources", nil).items()[0].(fields)["slug"]
	key := admin.want(201, "POST", "/v1/keys", fields{"kind": "publishable", "name": "Page", "any_origin": true}).text("key")
	awaitKey(t, web, key)
	id := web.as(t, key).want(202, "POST", "/v1/leads", fields{"source": source, "message": "Is it still free?", "person": fields{"name": "Asha Example", "phone": "+12025550141"}}).text("id")
	lead = attached(admin, id)
	admin.until("its offer", "/v1/leads/"+lead, func(a answer) bool { return a.text("state") == "offered" })
	return lead
}

// loadOf looks at how much a salesperson has, beside no limit and then beside
// one that a policy sets, and at their week without and with a day off.
func loadOf(web *running, admin api, page *apptest.Page) {
	var ravi string
	for _, u := range admin.want(200, "GET", "/v1/users", nil).items() {
		if u := u.(fields); u["name"] == "Ravi Example" {
			ravi = u["id"].(string)
		}
	}
	at := web.url + "/app/console/people/" + ravi
	page.Go(at)
	page.See("0 open leads")
	page.See("no limit")
	page.See("00:00–23:59") // of this week, for who cannot see the bars
	project := admin.want(200, "GET", "/v1/projects", nil).items()[0].(fields)["id"]
	rules := fields{"rules": []fields{{"name": "Everyone", "method": "round_robin"}}, "capacity_open": 7}
	policy := admin.want(201, "POST", "/v1/policies", fields{"project_id": project, "name": "Seven", "policy": rules}).text("id")
	admin.want(200, "POST", "/v1/policies/"+policy+"/publish", nil)
	day := func(off int) string { return time.Now().AddDate(0, 0, off).Format(time.DateOnly) }
	admin.want(201, "POST", "/v1/users/"+ravi+"/holidays", fields{"name": "Family", "from": day(-1), "until": day(1)})
	page.Go(at)
	page.See("7 open leads at most")
	page.See("off, Family")
	page.Go(web.url + "/app/console/people")
	page.See("of 7")
}

// firstSteps goes from an empty account to a test lead that was seen to arrive.
func firstSteps(page *apptest.Page) {
	page.See("What do you sell?")
	page.Type("Name of the project", "Harbour Lofts")
	page.Press("Make the project")
	page.Type("Name of the source", "Website form")
	page.Press("Make the source")
	page.See("/f/src_")
	page.Press("Leads") // none yet: on to what brings the first
	page.Press("The snippet of Website form")
	page.See("/f/src_")
	page.Press("Leads")
	page.See("No leads yet")
	page.Press("First steps")
	page.See("Who answers first?") // goes on where it was left
	page.Type("Name", "Ravi Example")
	page.Type("E-mail", "ravi@example.com")
	page.Type("Phone number", "+12025550124")
	page.Press("Invite")
	page.See("Ravi Example is invited.")
	page.See("In the team, with hours.")
	page.See("/app/join#")
	page.Press("Next step")
	page.Press("Send a test lead")
	page.See("It arrived,") // told by the stream
	page.Press("See its story")
	page.See("Ada Example")
	page.See("Enquired by Website form")
	page.Press("First steps")
}
