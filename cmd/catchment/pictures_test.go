package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var picturesInto = flag.String("pictures", "", "take the README's pictures of the web app into this folder, as `make pictures` does")

// TestPictures takes the few small pictures that the README shows.
func TestPictures(t *testing.T) {
	if *picturesInto == "" {
		t.Skip("make pictures")
	}
	axe, err := os.ReadFile(axeScript)
	if err != nil {
		t.Fatal(err)
	}
	g := openGallery(t, string(axe))
	admin := api{t, g.url, tokenOf(g.sessions["admin"])}
	for range 5 { // a story needs its time
		if a := admin.send("GET", "/v1/leads?came=contacted&limit=1", nil); len(a.items()) > 0 {
			break
		}
		admin.until("a few leads more", "/v1/leads?state=owned&limit=100", func(a answer) bool { return len(a.items()) > 30 })
	}
	for _, s := range []screen{
		{name: "desk", as: "salesperson", quiet: true, path: "/app/desk?list=new", shows: "My day", act: firstLead},
		{name: "board", as: "manager", path: "/app/console/board", shows: "The oldest waiting lead"},
		{name: "story", as: "manager", path: "/app/console/leads?came=contacted", act: first("Speed to lead", "The story")},
	} {
		l := look{"desktop", "light", "en"}
		if s.quiet {
			l.size = "phone"
		}
		page := g.open(l)
		g.visit(page, s, l)
		picture := page.Small()
		if len(picture) > 60<<10 {
			t.Errorf("%s has %d bytes", s.name, len(picture))
		}
		if err := os.WriteFile(filepath.Join(*picturesInto, s.name+".webp"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
		page.Close()
	}
}
