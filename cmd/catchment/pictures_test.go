package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
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
	for end := time.Now().Add(6 * patience); time.Now().Before(end); time.Sleep(time.Second) { // a story needs its time
		if len(admin.want(200, "GET", "/v1/leads?came=contacted&limit=5", nil).items()) > 3 {
			break
		}
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
