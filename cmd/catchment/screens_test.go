package main

import (
	"fmt"

	"catchment/internal/app/apptest"
	"catchment/internal/upload/specimen"
)

// screen is a place in the app and what shows that it is there.
type screen struct {
	name, as string // as: the role who sees it, empty for nobody signed in
	path     string
	shows    string // words, or none: its heading
	act      func(p *apptest.Page)
	quiet    bool   // in the demo where nobody else moves
	offer    bool   // a lead is offered meanwhile
	lost     bool   // and another gets it
	empty    bool   // in an account where nothing happened yet
	broken   string // how the server answers: "away", "500" or "odd", see breaks
	alone    bool   // its page serves no other screen
	phone    bool   // only a phone has it
	tablet   bool   // looked at on a tablet, too
}

// firstLead opens the first lead of a list.
func firstLead(p *apptest.Page) {
	apptest.Row(p)
	p.See("What happened")
}

// filesOf opens the lead of this name, where its files stand.
func filesOf(name string) func(p *apptest.Page) {
	return func(p *apptest.Page) {
		p.Press(name)
		p.Down("Add files")
	}
}

// first opens the first row of a list by the keyboard, when the list shows
// these words, and waits for those of its page.
func first(list, page string) func(p *apptest.Page) {
	return func(p *apptest.Page) {
		p.See(list)
		apptest.RowByKeys(p)
		p.See(page)
	}
}

var askedFor int

var screens = []screen{
	{name: "sign-in", path: "/app/sign-in"},
	{name: "sign-in-password", path: "/app/sign-in", act: func(p *apptest.Page) { p.Press("Use a password"); p.See("E-mail") }},
	{name: "sign-in-code", path: "/app/sign-in", act: func(p *apptest.Page) {
		askedFor++ // a number is sent a code every half minute
		p.Type("Your phone number", fmt.Sprintf("+4420794601%02d", 50+askedFor))
		p.Press("Send code")
		p.See("Six-digit code")
	}},
	{name: "profile", as: "salesperson", quiet: true, path: "/app/me", shows: "This device"},
	{name: "profile-step-up", as: "manager", path: "/app/me", shows: "This device", act: func(p *apptest.Page) {
		p.Open("Set up", "Send a code to my phone")
	}},
	{name: "profile-enrol", as: "salesperson", quiet: true, path: "/app/me", shows: "This device", act: func(p *apptest.Page) {
		p.Open("Set up", "The code that the app shows")
	}},
	{name: "console-board", as: "manager", tablet: true, path: "/app/console/board", shows: "The oldest waiting lead"},
	{name: "console-leads", as: "manager", tablet: true, path: "/app/console/leads?names=true", shows: "Harbour View"},
	{name: "console-story", as: "manager", tablet: true, path: "/app/console/leads?state=owned", act: first("Speed to lead", "The story")},
	{name: "console-alarms", as: "manager", path: "/app/console/alarms", shows: "What somebody has to look at"},
	{name: "console-roles", as: "admin", path: "/app/console/roles", shows: "Reads leads, without the persons"},
	{name: "console-role-new", as: "admin", path: "/app/console/roles", act: func(p *apptest.Page) {
		p.Press("New role")
		p.See("Save the role")
	}},
	{name: "console-settings", as: "admin", path: "/app/console/settings", shows: "Company sign-in"},
	{name: "console-settings-keys", as: "admin", path: "/app/console/settings", act: func(p *apptest.Page) { p.Down("Finds people") }},
	{name: "console-settings-end", as: "admin", path: "/app/console/settings", shows: "End of the account", act: func(p *apptest.Page) {
		p.Press("End the account")
		p.See("Grace time, days")
	}},
	{name: "console-settings-retention", as: "admin", path: "/app/console/settings", shows: "What goes by itself", act: func(p *apptest.Page) {
		p.Type("Leads without activity, days", "30")
		p.Press("Count and go on")
		p.See("Should this go by itself?")
	}},
	{name: "console-settings-masking", as: "admin", path: "/app/console/settings", shows: "Masked until accepted", act: func(p *apptest.Page) {
		p.Down("The whole person")
	}},
	{name: "console-settings-archive", as: "admin", path: "/app/console/settings", shows: "Everything in one file", act: func(p *apptest.Page) {
		p.Press("Take everything out")
		p.See("Sealed for")
	}},
	{name: "console-record", as: "admin", path: "/app/console/record", shows: "What was done"},
	{name: "console-team", as: "manager", path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Team and offers")
		p.See("How leads are offered")
	}},
	{name: "console-team-changes", as: "manager", path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Team and offers")
		p.Down("Changes")
		p.Gone("Nothing was changed yet")
	}},
	{name: "console-leads-views", as: "manager", path: "/app/console/leads?state=owned", shows: "Harbour View", act: func(p *apptest.Page) {
		p.Press("Views")
		p.Press("Keep this filter")
		p.See("Keep it")
	}},
	{name: "console-start", as: "admin", path: "/app/console/start", shows: "What do you sell?"},
	{name: "day", as: "salesperson", quiet: true, tablet: true, path: "/app/desk", shows: "My day"},
	{name: "day-empty", as: "salesperson", quiet: true, path: "/app/desk?list=returned", shows: "Nobody came back"},
	{name: "presence", as: "salesperson", quiet: true, path: "/app/desk", shows: "My day", act: func(p *apptest.Page) {
		p.Press("Choose presence")
		p.See("Engaged")
	}},
	{name: "search", as: "salesperson", quiet: true, path: "/app/desk/search", shows: "Find one of your leads", act: func(p *apptest.Page) { p.Type("Name, phone", "ex"); apptest.Settle(p) }},
	{name: "lead", as: "salesperson", quiet: true, tablet: true, path: "/app/desk?list=new", shows: "My day", act: firstLead},
	{name: "lead-next", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Press("Follow-up")
		p.See("In a week")
	}},
	{name: "lead-booking", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Open("More to do", "Booking")
		p.Press("Booking")
		p.See("Unit")
	}},
	{name: "lead-correct", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Open("More to do", "Correct name or number")
		p.Press("Correct name or number")
		p.See("What stood there is kept")
	}},
	{name: "lead-files", as: "salesperson", quiet: true, tablet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		filesOf("Asha Example")(p)
		p.Down("Booking form, signed.pdf")
	}},
	{name: "lead-files-none", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: filesOf("Esther Example")},
	{name: "lead-files-picture", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		filesOf("Asha Example")(p)
		p.Press("Open Passport, page 2.jpg")
		p.See("Save to this device")
	}},
	{name: "lead-files-remove", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		filesOf("Asha Example")(p)
		p.Press("Remove Passport, page 2.jpg")
		p.See("Remove this file?")
	}},
	{name: "lead-files-coming", as: "salesperson", quiet: true, alone: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		filesOf("Esther Example")(p)
		apptest.Eval[bool](p, halts)
		choose(p, chosen{"Title deed.txt", make([]byte, 4000)}, chosen{"Floor plan.txt", []byte("x")})
		p.See("62")
		p.Down("Floor plan.txt")
	}},
	{name: "lead-files-refused", as: "salesperson", quiet: true, alone: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		filesOf("Esther Example")(p)
		choose(p, chosen{"IMG 4711.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")}, chosen{"Prices.docx", specimen.Zip(specimen.Part{Name: "a", Data: []byte("b")})}, chosen{"empty.txt", nil})
		p.See("empty.txt")
		apptest.Settle(p)
		p.Down("IMG 4711.heic")
	}},
	{name: "lead-files-away", as: "salesperson", quiet: true, alone: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		filesOf("Esther Example")(p)
		apptest.Eval[bool](p, severs)
		apptest.Eval[bool](p, `localStorage.setItem('test.broken', 'away'), true`)
		choose(p, chosen{"Title deed.txt", []byte("x")})
		p.See("Files need one")
		p.Down("Title deed.txt")
	}},
	{name: "console-story-files", as: "manager", quiet: true, tablet: true, path: "/app/console/leads?names=true", act: func(p *apptest.Page) {
		p.See("Asha Example")
		apptest.Eval[bool](p, `([...document.querySelectorAll('main [data-row]')].find((r) => r.innerText.includes('Asha Example')).click(), true)`)
		p.Down("Booking form, signed.pdf")
	}},
	{name: "outcome", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Outside()
		p.Press("Call")
		p.Press("How did it go?")
		p.See("Interested")
	}},
	{name: "outcome-next", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: func(p *apptest.Page) {
		firstLead(p)
		p.Outside()
		p.Press("Call")
		p.Press("How did it go?")
		p.Press("No answer")
		p.See("What is next?")
	}},
	{name: "team", as: "manager", path: "/app/desk/team", shows: "People"},
	{name: "offer", as: "salesperson", path: "/app/desk", quiet: true, offer: true, act: func(p *apptest.Page) { p.See("Accept") }},
	{name: "offer-lost", as: "salesperson", path: "/app/desk", quiet: true, offer: true, lost: true, act: func(p *apptest.Page) { p.See("A colleague has it") }},
	{name: "console-routing", as: "manager", path: "/app/console/routing", shows: "Write a new version"},
	{name: "console-draft", as: "manager", path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Write a new version")
		p.Press("Add a rule")
		p.See("It says")
		p.See("Rule 1")
	}},
	{name: "console-policy", as: "manager", path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Version 1, In turn")
		p.Press("Try it")
		p.See("decisions would have been")
	}},
	{name: "console-reports", as: "manager", tablet: true, path: "/app/console/reports", shows: "How far they came"},
	{name: "console-reports-people", as: "marketer", path: "/app/console/reports?by=salesperson&days=1", shows: "Compared"},
	{name: "console-people", as: "manager", path: "/app/console/people", shows: "Imogen Quill"},
	{name: "console-person", as: "manager", path: "/app/console/people?role=salesperson", act: first("Priya", "This week")},
	{name: "console-projects", as: "manager", path: "/app/console/projects", shows: "Harbour View"},
	{name: "console-project", as: "admin", path: "/app/console/projects", act: first("Harbour View", "Latest leads")},
	{name: "console-days-off", as: "manager", path: "/app/console/routing", shows: "Days off of the company", act: func(p *apptest.Page) {
		p.Press("Add days off")
		p.See("First day off")
	}},
	{name: "console-sources", as: "admin", path: "/app/console/sources", shows: "landing page"},
	{name: "console-source", as: "admin", path: "/app/console/sources", act: first("landing page", "<form method")},
	{name: "console-webhooks", as: "admin", path: "/app/console/webhooks", shows: "Addresses of your own"},
	{name: "console-webhook-new", as: "admin", path: "/app/console/webhooks", act: func(p *apptest.Page) {
		p.Press("Add a webhook")
		p.See("What it is for")
	}},
	{name: "console-webhook-events", as: "admin", path: "/app/console/webhooks", act: func(p *apptest.Page) {
		p.Press("Add a webhook")
		p.See("Only what I choose")
		apptest.Eval[bool](p, `(document.querySelector('input[value=some]').click(), true)`)
		p.Tick("Offers")
		apptest.Eval[bool](p, `(document.querySelector('fieldset button[aria-expanded]').click(), true)`) // its words hold a name
		p.Tick("A lead came in")
		p.See("7 events chosen")
	}},
	{name: "console-webhook", as: "admin", path: "/app/console/webhooks", act: func(p *apptest.Page) {
		p.Press("Add a webhook")
		p.Type("Address", "https://localhost/catchment")
		p.Press("Add the webhook")
		p.See("shown this once")
		p.Press("Close")
		apptest.Row(p)
		p.See("Last answers")
	}},
	{name: "console-keys", as: "admin", path: "/app/console/keys", shows: "Demo pages"},
	{name: "console-files", as: "admin", path: "/app/console/files", shows: "No file was brought in yet"},
	{name: "console-pictures", as: "admin", path: "/app/console/pictures", act: func(p *apptest.Page) { pictured(p) }},
	{name: "console-picture", as: "admin", path: "/app/console/pictures", act: onePicture("Copy HTML")},
	{name: "console-held", as: "manager", path: "/app/console/held", shows: "Dead letters"},
	{name: "console-platform", as: "operator", path: "/app/console/platform", shows: "Saltmarsh"},
	{name: "console-openings", as: "admin", path: "/app/console/openings", shows: "to make contact"},
	{name: "console-openings-one", as: "admin", path: "/app/console/openings", act: first("to make contact", "Entry on the record")},
	{name: "console-grants", as: "admin", path: "/app/console/grants", shows: "Ticket 4711"},
	{name: "console-grants-one", as: "admin", path: "/app/console/grants", act: func(p *apptest.Page) { p.Press("Ticket 4711"); p.See("What was opened by it") }},
	{name: "console-grants-new", as: "admin", path: "/app/console/grants", act: func(p *apptest.Page) { p.Press("Let support open leads"); p.See("For how long") }},
	{name: "console-requests", as: "admin", tablet: true, path: "/app/console/requests", shows: "Overdue by 10 days"},
	{name: "console-requests-answered", as: "admin", path: "/app/console/requests?tab=answered", shows: "Refused"},
	{name: "console-requests-none", as: "admin", empty: true, path: "/app/console/requests", shows: "Nobody waits for an answer"},
	{name: "console-requests-new", as: "admin", path: "/app/console/requests", shows: "Overdue by 10 days", act: func(p *apptest.Page) {
		p.Press("Write down a request")
		p.See("The day they asked")
	}},
	{name: "console-requests-one", as: "admin", path: "/app/console/requests", act: func(p *apptest.Page) {
		p.Press("A copy of what is kept")
		p.See("Download everything")
	}},
	{name: "console-requests-rectify", as: "admin", path: "/app/console/requests", act: func(p *apptest.Page) {
		p.Press("Something put right")
		p.Press("Show what stands there")
		p.See("Put it right")
	}},
	{name: "console-requests-refuse", as: "admin", path: "/app/console/requests", act: func(p *apptest.Page) {
		p.Press("A copy of what is kept")
		p.Press("Refuse")
		p.See("Refuse this request?")
	}},
	{name: "console-requests-late", as: "admin", path: "/app/console/requests", act: func(p *apptest.Page) {
		p.Press("To be erased")
		p.Press("Show who it is")
		p.See("on the record")
	}},
	{name: "console-requests-erase", as: "admin", path: "/app/console/requests", act: func(p *apptest.Page) {
		p.Press("To be erased")
		p.Press("Erase…")
		p.See("Nobody can bring it back")
	}},
	{name: "console-granted", as: "support", path: "/app/console/platform/grants", shows: "Ticket 4711"},
	{name: "console-granted-one", as: "support", path: "/app/console/platform/grants", act: func(p *apptest.Page) {
		p.Press("Ticket 4711")
		p.Type("Why you open it", "ticket 4711")
		p.Press("Open")
		p.See("Phone number")
	}},
	{name: "console-approvals", as: "operator", path: "/app/console/platform/approvals", shows: "Leads arrive without numbers"},
	{name: "console-approvals-ask", as: "operator", path: "/app/console/platform/approvals", act: func(p *apptest.Page) { p.Press("Ask for access"); p.See("What is opened") }},
	{name: "report-form", path: "/report"},
	{name: "report-form-arabic", path: "/report?lang=ar"},
	{name: "console-concerns", as: "operator", path: "/app/console/platform/reports", shows: "A form or page that deceives"},
	{name: "console-concerns-one", as: "operator", path: "/app/console/platform/reports", act: func(p *apptest.Page) {
		p.Press("A form or page that deceives")
		p.Press("Read it")
		p.See("asks for a card number")
	}},
	{name: "console-approvals-log", as: "operator", path: "/app/console/platform/approvals", act: func(p *apptest.Page) {
		p.Press("Read")
		p.See("jobs: a job failed")
	}},
	{name: "console-platform-keys", as: "operator", path: "/app/console/platform/keys", shows: "Wraps the accounts"},
	{name: "console-platform-record", as: "operator", path: "/app/console/platform/record", shows: "operator.create"},
	{name: "join", path: "/app/join#one-time", shows: "Choose a password"},
	{name: "nowhere", as: "salesperson", path: "/app/not/there"},
}
