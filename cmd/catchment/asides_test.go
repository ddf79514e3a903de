package main

import (
	"catchment/internal/app/apptest"
)

// asides are the screens that no address leads to: dialogs, faults, lists with
// nothing in them yet, the keyboard's help, what paper shows.
var asides = []screen{
	{name: "lead-note", as: "salesperson", quiet: true, path: "/app/desk?list=new", act: func(p *apptest.Page) {
		firstLead(p)
		p.Press("Note")
		p.Type("Note", "Prefers the fourth floor.")
		p.Press("Keep note")
		p.See("Kept") // the message, and the story behind it
	}},
	{name: "lead-visit", as: "salesperson", quiet: true, path: "/app/desk?list=new", act: func(p *apptest.Page) {
		firstLead(p)
		p.Press("Site visit")
		p.See("Where")
	}},
	{name: "lead-close", as: "salesperson", quiet: true, path: "/app/desk?list=new", act: moreOfLead("Close as lost", "Too expensive")},
	{name: "lead-give-back", as: "salesperson", quiet: true, path: "/app/desk?list=new", act: moreOfLead("Give back", "For whoever gets it next")},
	{name: "lead-stop", as: "salesperson", quiet: true, path: "/app/desk?list=new", act: moreOfLead("Must not be contacted", "What they said")},
	{name: "lead-missing", as: "salesperson", quiet: true, path: "/app/desk/leads/lead_01kb4n2b0xfk5rs8e3m7y1q6da", shows: "It may have been removed"},
	{name: "search-none", as: "salesperson", quiet: true, path: "/app/desk/search", act: func(p *apptest.Page) {
		p.Type("Name, phone", "Zz")
		p.See("Nobody of this name or number")
	}},
	{name: "desk-keys", as: "salesperson", quiet: true, path: "/app/desk", shows: "My day", act: keyed("?", "All keys")},
	{name: "desk-notifications", as: "salesperson", quiet: true, alone: true, path: "/app/sign.svg", act: func(p *apptest.Page) {
		p.Notifications("prompt")
		apptest.Eval[bool](p, `(location.href = '/app/desk', true)`)
		p.See("Hear of leads when the app is closed")
	}},
	{name: "profile-notifications", as: "salesperson", quiet: true, alone: true, path: "/app/sign.svg", act: func(p *apptest.Page) {
		p.Notifications("granted")
		apptest.Eval[bool](p, `fetch('/v1/me/push', { method: 'DELETE', headers: { Authorization: 'Bearer ' + JSON.parse(localStorage.getItem('catchment.session')).token } }).then(() => (location.href = '/app/me', true))`)
		p.Press("Turn on")
		p.See("This device has had none yet")
		p.Down("Notifications")
	}},
	{name: "console-menu", as: "admin", phone: true, path: "/app/console/held", shows: "Dead letters", act: func(p *apptest.Page) {
		p.Press("Menu")
		p.See("Leads")
	}},
	{name: "console-leads-filters", as: "manager", phone: true, path: "/app/console/leads", shows: "Speed to lead", act: func(p *apptest.Page) {
		p.Press("Filter")
		p.See("Any stage")
	}},
	{name: "console-refused", as: "salesperson", quiet: true, path: "/app/console/settings"},
	{name: "console-away", as: "manager", quiet: true, broken: "away", path: "/app/console/leads", shows: "Nothing was lost"},
	{name: "console-fault", as: "manager", quiet: true, broken: "500", path: "/app/console/leads", shows: "Support finds it as"},
	{name: "console-crash", as: "manager", quiet: true, broken: "odd", path: "/app/console/board", shows: "Try again"},
	{name: "console-missing", as: "manager", quiet: true, path: "/app/console/leads/lead_01kb4n2b0xfk5rs8e3m7y1q6da", shows: "There is nothing at this address"},
	{name: "console-keys-help", as: "manager", path: "/app/console/routing", shows: "Write a new version", act: keyed("?", "All keys")},
	{name: "console-palette", as: "manager", path: "/app/console/routing", shows: "Write a new version", act: keyed(".", "Do something")},
	{name: "console-story-receipt", as: "admin", path: "/app/console/leads?state=owned", act: func(p *apptest.Page) {
		first("Speed to lead", "The story")(p)
		p.Press("Receipt")
		p.See("Valid")
	}},
	{name: "console-story-openings", as: "admin", path: "/app/console/leads?state=owned", act: func(p *apptest.Page) {
		first("Speed to lead", "The story")(p)
		p.Down("Who opened its data")
	}},
	{name: "console-leads-chosen", as: "manager", path: "/app/console/leads", act: func(p *apptest.Page) {
		p.See("Speed to lead")
		p.Tick("Choose this lead")
		p.Press("Give to somebody")
		p.See("To whom")
	}},
	{name: "console-people-invite", as: "admin", path: "/app/console/people", act: func(p *apptest.Page) {
		p.Press("Invite somebody")
		p.See("With the country code")
	}},
	{name: "console-person-leaves", as: "admin", quiet: true, path: "/app/console/people?role=salesperson", act: func(p *apptest.Page) {
		first("Priya", "Shifts")(p)
		p.Press("More")
		p.Press("Switch off")
		p.See("Who has their open leads")
	}},
	{name: "console-person-phones", as: "admin", quiet: true, path: "/app/console/people?role=salesperson", act: func(p *apptest.Page) {
		first("Priya", "Shifts")(p)
		p.Down("Phones that keep leads")
	}},
	{name: "console-draft-limits", as: "manager", quiet: true, path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Write a new version")
		p.Press("Add a limit of time")
		p.Down("Limits of one person")
	}},
	{name: "console-draft-leaving", as: "manager", quiet: true, alone: true, path: "/app/console/routing", act: func(p *apptest.Page) {
		p.Press("Write a new version")
		p.Type("Name of the version", "Form first")
		p.Key("\x1b")
		apptest.Eval[bool](p, `(history.back(), true)`)
		p.See("Leave without saving?")
	}},
	{name: "console-roles-printed", as: "admin", path: "/app/console/roles", alone: true, shows: "Reads leads, without the persons", act: func(p *apptest.Page) { p.Printed() }},
	{name: "console-source-mapping", as: "admin", path: "/app/console/sources", act: func(p *apptest.Page) {
		first("landing page", "<form method")(p)
		p.Type("Try it with a sample", "q1=Asha+Example&q2=%2B442079460142&floor=4")
		p.See("+442079460142")
		p.Down("Their fields and ours")
	}},
	{name: "console-file-columns", as: "admin", path: "/app/console/files", act: func(p *apptest.Page) {
		p.Press("Bring a file in")
		p.See("CSV, up to 4 GiB")
		apptest.Eval[bool](p, `(() => { const d = new DataTransfer(); d.items.add(new File(['name,phone,floor\nAsha Example,+442079460142,4\n'], 'leads.csv', { type: 'text/csv' }));
			const i = document.getElementById('leads-file'); i.files = d.files; return i.dispatchEvent(new Event('change', { bubbles: true })) })()`)
		p.See("Where its columns go")
	}},
	{name: "console-picture-remove", as: "admin", path: "/app/console/pictures", act: func(p *apptest.Page) {
		onePicture("Copy HTML")(p)
		p.Press("Remove")
		p.See("Remove this picture?")
	}},
	{name: "console-pictures-refused", as: "admin", path: "/app/console/pictures", act: func(p *apptest.Page) {
		pictured(p)
		apptest.Eval[bool](p, `(() => { const d = new DataTransfer(); d.items.add(new File(['<svg xmlns="http://www.w3.org/2000/svg"/>'], 'logo.svg', { type: 'image/png' }));
			const i = document.getElementById('picture-file'); i.files = d.files; return i.dispatchEvent(new Event('change', { bubbles: true })) })()`)
		p.See("Put away")
	}},
	{name: "console-held-one", as: "manager", quiet: true, path: "/app/console/held", act: func(p *apptest.Page) {
		p.See("Throw-away address")
		p.Press("Open what they say")
		p.See("Grigor Example")
	}},
	{name: "console-alarms-raised", as: "manager", quiet: true, path: "/app/console/alarms", shows: "Accepted, and not tried in time"},
	{name: "console-platform-limits", as: "operator", path: "/app/console/platform", act: func(p *apptest.Page) {
		p.Press("Limits")
		p.See("Requests of one key or user")
	}},
	{name: "empty-board", as: "admin", empty: true, path: "/app/console/board"},
	{name: "empty-pictures", as: "admin", empty: true, path: "/app/console/pictures", shows: "No pictures yet"},
	{name: "empty-leads", as: "admin", empty: true, path: "/app/console/leads", shows: "No leads yet"},
	{name: "empty-reports", as: "admin", empty: true, path: "/app/console/reports"},
	{name: "empty-alarms", as: "admin", empty: true, path: "/app/console/alarms", shows: "No alarm waits"},
	{name: "empty-held", as: "admin", empty: true, path: "/app/console/held", shows: "Nothing is held back"},
	{name: "empty-dead-letters", as: "admin", empty: true, path: "/app/console/held?tab=dead", shows: "No dead letters"},
	{name: "empty-team", as: "manager", empty: true, path: "/app/desk/team", shows: "Nobody waits"},
	{name: "empty-overdue", as: "salesperson", quiet: true, path: "/app/desk?list=idle"},
}

// moreOfLead opens the first new lead and one of the acts behind its menu.
func moreOfLead(act, shows string) func(p *apptest.Page) {
	return func(p *apptest.Page) {
		firstLead(p)
		p.Open("More to do", act)
		p.Press(act)
		p.See(shows)
	}
}

// pictured has five pictures in the account, which are drawn here and sent as a
// human chooses them.
func pictured(p *apptest.Page) {
	p.See("Add a picture")
	apptest.Eval[bool](p, `(async () => {
		const until = async (f) => { for (let n = 0; n < 400 && !f(); n++) await new Promise((go) => setTimeout(go, 25)); return !!f() }
		const all = () => [...document.querySelectorAll('main li button img')]
		await until(() => all().length || document.body.innerText.includes('JPEG'))
		if (all().length < 5) {
			const d = new DataTransfer()
			for (const [w, h, hue] of [[1200, 630, 170], [600, 800, 30], [1000, 250, 260], [320, 320, 90], [900, 600, 210]]) {
				const c = Object.assign(document.createElement('canvas'), { width: w, height: h }), x = c.getContext('2d'), g = x.createLinearGradient(0, 0, w, h)
				g.addColorStop(0, 'hsl(' + hue + ' 60% 75%)'), g.addColorStop(1, 'hsl(' + hue + ' 45% 35%)')
				x.fillStyle = g, x.fillRect(0, 0, w, h), x.fillStyle = '#fff9', x.beginPath(), x.arc(w * 0.7, h * 0.35, Math.min(w, h) / 6, 0, 7), x.fill()
				d.items.add(new File([await new Promise((go) => c.toBlob(go, 'image/jpeg', 0.9))], 'picture.jpg', { type: 'image/jpeg' }))
			}
			const i = document.getElementById('picture-file')
			i.files = d.files
			i.dispatchEvent(new Event('change', { bubbles: true }))
		}
		const there = await until(() => all().length >= 5 && all().every((i) => i.complete && i.naturalWidth > 0))
		if (!there) throw new Error(all().length + ' pictures: ' + document.body.innerText.slice(0, 300))
		return true
	})()`)
}

// onePicture opens one of them.
func onePicture(shows string) func(p *apptest.Page) {
	return func(p *apptest.Page) {
		pictured(p)
		apptest.Eval[bool](p, `(document.querySelector('main li button').click(), true)`)
		p.See(shows)
	}
}

// keyed presses a key until the app, which listens a moment after it is
// drawn, shows the words.
func keyed(key, shows string) func(p *apptest.Page) {
	return func(p *apptest.Page) { p.KeyUntil(key, shows) }
}
