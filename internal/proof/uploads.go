package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"catchment/internal/upload/specimen"

	"golang.org/x/sync/errgroup"
)

// proveUploads sends files that are made to do harm, too large, too slow, too
// many, and looks at each answer, at what is kept, and at the process.
func proveUploads(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.fresh(ctx, e, "--firewall", "on")
		if err != nil {
			return err
		}
		u := &uploads{t: t, i: i, label: string(e) + ": "}
		if err := u.begin(ctx); err != nil {
			return err
		}
		// endless before anything else: what the others take would hide what it takes
		for _, step := range []func(context.Context) error{u.endless, u.honest, u.harmful, u.tails, u.public, u.names, u.slow, u.crowd, u.sealed} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		u.t.check(u.label+"the program did not panic", i.panics() == 0, "%d", i.panics())
		return nil
	})
}

// uploads is the proof on its way.
type uploads struct {
	t     *trial
	i     *instance
	label string
	a     *api
	leads []string
}

const (
	fileCanary = "Only-the-file-has-this-4711"
	limitOfOne = 25 << 20 // bytes, docs/files.md
	filesOfOne = 50       // of a lead
	crowdSize  = 10_000
)

// begin makes leads for the files.
func (u *uploads) begin(ctx context.Context) error {
	company := u.i.world.Accounts[0]
	u.a = u.i.api(company.SecretKey)
	u.a.purpose = "proof"
	for n := range 4 {
		body := map[string]any{"source": company.apiSource(), "person": map[string]any{"name": "Asha Example", "phone": phone(7000 + n)}}
		if err := u.a.post(ctx, "/v1/leads", body, nil); err != nil {
			return err
		}
	}
	if _, err := u.i.drain(ctx, 60*time.Second); err != nil {
		return err
	}
	var list struct{ Items []struct{ ID string } }
	if err := u.a.get(ctx, "/v1/leads?limit=4", &list); err != nil {
		return err
	}
	for _, l := range list.Items {
		u.leads = append(u.leads, l.ID)
	}
	if len(u.leads) < 4 {
		return fmt.Errorf("%d leads came in, want 4", len(u.leads))
	}
	return nil
}

func (u *uploads) check(name string, ok bool, format string, args ...any) {
	u.t.check(u.label+name, ok, format, args...)
}

// send gives "201", or the status with the problem's code and the field's.
func (u *uploads) send(ctx context.Context, to int, name string, body []byte) (said, id string, err error) {
	h := http.Header{"Content-Type": {"application/octet-stream"}, "Content-Disposition": {mime.FormatMediaType("attachment", map[string]string{"filename": name})}}
	r, err := u.a.do(ctx, http.MethodPost, "/v1/leads/"+u.leads[to]+"/files", h, body)
	if err != nil {
		return "", "", err
	}
	said, id = saidOf(r)
	return said, id, nil
}

func saidOf(r answer) (said, id string) {
	var p struct {
		ID, Code string
		Errors   []struct{ Field, Code string }
	}
	_ = json.Unmarshal(r.body, &p) // no answer of ours has none of them
	switch {
	case r.status == http.StatusCreated:
		return "201", p.ID
	case len(p.Errors) == 1 && p.Errors[0].Field == "file":
		return fmt.Sprint(r.status, " ", p.Errors[0].Code), ""
	}
	return fmt.Sprint(r.status, " ", p.Code), ""
}

func (u *uploads) fetch(ctx context.Context, of int, id string) (answer, error) {
	return u.a.do(ctx, http.MethodGet, "/v1/leads/"+u.leads[of]+"/files/"+id, nil, nil)
}

// honest is the control of all refusals: what they are like is taken, and comes
// back as it was, under headers with which a browser runs nothing.
func (u *uploads) honest(ctx context.Context) error {
	text := []byte(strings.Repeat(fileCanary+"\n", 2000))
	for name, body := range map[string][]byte{"a.pdf": specimen.PDF(), "a.txt": text, "a.docx": specimen.Word()} {
		said, id, err := u.send(ctx, 0, name, body)
		if err != nil {
			return err
		}
		got, err := u.fetch(ctx, 0, id)
		if err != nil {
			return err
		}
		h := got.header
		safe := h.Get("Content-Security-Policy") == "sandbox; default-src 'none'" && h.Get("X-Content-Type-Options") == "nosniff" && strings.HasPrefix(h.Get("Content-Disposition"), "attachment")
		u.check("control: an honest "+name+" is taken and comes back as it was, to be kept and not shown", said == "201" && bytes.Equal(got.body, body) && safe, "%s, %d bytes", said, len(got.body))
	}
	whole := bytes.Repeat([]byte("0123456789abcdef"), limitOfOne/16)
	said, _, err := u.send(ctx, 0, "whole.txt", whole)
	u.check("control: a file of exactly 25 MiB is taken", said == "201", "%s", said)
	return err
}

// harmful are files of which each has its own refusal.
func (u *uploads) harmful(ctx context.Context) error {
	js := []byte("<script>alert(1)</script>")
	archive := specimen.Zip(specimen.Part{Name: "a.js", Data: js})
	bomb := specimen.Word(specimen.Part{Name: "word/media/a.bin", Data: make([]byte, 210<<20)})
	overlapped := specimen.Overlapped(4000, 1<<20)
	for _, c := range []struct {
		name string
		body []byte
		want string
	}{
		{"an SVG with a script", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "415 page"},
		{"a page", []byte("<!doctype html>" + string(js)), "415 page"},
		{"a PDF that is an archive too", append(specimen.PDF(), archive...), "422 two_kinds"},
		{"a text that is an archive too", append([]byte("hello\n"), archive...), "422 two_kinds"},
		{"an archive", archive, "415 kind_not_taken"},
		{"a program", []byte("MZ\x90\x00\x03\x00\x00\x00"), "415 kind_not_taken"},
		{"an office file with macros", specimen.Word(specimen.Part{Name: "word/vbaProject.bin", Data: js}), "415 macros"},
		{fmt.Sprintf("a bomb: %d KiB that unpack to 210 MiB", len(bomb)>>10), bomb, "422 bomb"},
		{fmt.Sprintf("a bomb of 4,000 overlapping parts: %d KiB for 4 GiB", len(overlapped)>>10), overlapped, "422 bomb"},
		{"an archive within an archive", specimen.Word(specimen.Part{Name: "word/media/a", Data: archive}), "422 nested"},
		{"parts that lead elsewhere", specimen.Word(specimen.Part{Name: "../../etc/passwd", Data: js}), "422 damaged"},
		{"a PNG of 50,000 × 50,000", specimen.HugePNG(50_000, 50_000), "422 too_many_pixels"},
		{"half a JPEG", specimen.JPEG(400, 200)[:2000], "422 damaged"},
		{"half a PDF", specimen.PDF()[:100], "422 damaged"},
		{"nothing", nil, "422 empty"},
	} {
		said, _, err := u.send(ctx, 1, "a.jpg", c.body) // the name says what it is not
		if err != nil {
			return err
		}
		u.check(c.name, said == c.want, "%s", said)
	}
	n, err := u.count(ctx, 1)
	u.check("of the refused nothing is kept", n == 0, "%d files of the lead", n)
	return err
}

func (u *uploads) count(ctx context.Context, of int) (int, error) {
	var list struct{ Items []struct{ ID string } }
	err := u.a.get(ctx, "/v1/leads/"+u.leads[of]+"/files?limit=500", &list)
	return len(list.Items), err
}

// tails are pictures that are something else besides: what is kept is a picture.
func (u *uploads) tails(ctx context.Context) error {
	js := []byte("*/=1;alert(1)//<script>")
	archive := specimen.Zip(specimen.Part{Name: "a.js", Data: js})
	comment := append(append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, byte(2 + len(js))}, js...), specimen.JPEG(40, 20)[2:]...)
	for _, c := range []struct {
		name string
		body []byte
		gone string
	}{
		{"a photo with its camera and place", specimen.Photo(40, 20, 6), specimen.Place},
		{"a JPEG with a page in its comment", comment, "<script>"},
		{"a GIF that is a script", append(specimen.GIF(40, 20), js...), "alert"},
		{"a PNG with an archive behind it", append(specimen.PNG(40, 20), archive...), "PK\x03\x04"},
	} {
		said, id, err := u.send(ctx, 1, "a.jpg", c.body)
		if err != nil {
			return err
		}
		got, err := u.fetch(ctx, 1, id)
		if err != nil {
			return err
		}
		u.check("control: "+c.name+" has it when it is sent", bytes.Contains(c.body, []byte(c.gone)), "%d bytes", len(c.body))
		kept := said == "201" && got.status == http.StatusOK && strings.HasPrefix(got.header.Get("Content-Type"), "image/")
		u.check(c.name+" is a picture alone when it is fetched", kept && !bytes.Contains(got.body, []byte(c.gone)) && !bytes.Contains(got.body, []byte("Exif")), "%s, %d bytes", said, len(got.body))
	}
	return nil
}

// public sends the same to the door of public pictures, and asks for what came of
// it as a mailbox does.
func (u *uploads) public(ctx context.Context) error {
	show := func(body []byte) (said string, made struct{ ID, URL string }, err error) {
		r, err := u.a.do(ctx, http.MethodPost, "/v1/images", http.Header{"Content-Type": {"application/octet-stream"}}, body)
		if err != nil {
			return "", made, err
		}
		said, _ = saidOf(r)
		_ = json.Unmarshal(r.body, &made) // a refusal has neither
		return said, made, nil
	}
	stranger := u.i.api("")
	link := func(url string) (answer, error) {
		_, token, _ := strings.Cut(url, "/i/")
		return stranger.do(ctx, http.MethodGet, "/i/"+token, nil, nil)
	}
	js := []byte("<script>alert(1)</script>")
	for _, c := range []struct {
		name string
		body []byte
		want string
	}{
		{"an SVG with a script", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "415 page"},
		{"a page", []byte("<!doctype html>" + string(js)), "415 page"},
		{"a PDF", specimen.PDF(), "415 not_a_picture"},
		{"a text", []byte("text"), "415 not_a_picture"},
		{"an office file", specimen.Word(), "415 not_a_picture"},
		{"an archive", specimen.Zip(specimen.Part{Name: "a.js", Data: js}), "415 kind_not_taken"},
		{"a PNG of 50,000 × 50,000", specimen.HugePNG(50_000, 50_000), "422 too_many_pixels"},
		{"half a JPEG", specimen.JPEG(400, 200)[:2000], "422 damaged"},
	} {
		said, made, err := show(c.body)
		if err != nil {
			return err
		}
		u.check("as a public picture: "+c.name+" is refused", said == c.want && made.URL == "", "%s", said)
	}
	var list struct{ Items []struct{ ID string } }
	if err := u.a.get(ctx, "/v1/images", &list); err != nil {
		return err
	}
	u.check("of these no picture is kept", len(list.Items) == 0, "%d", len(list.Items))
	for name, c := range map[string]struct {
		body []byte
		gone string
	}{
		"a photo with its camera and place": {specimen.Photo(40, 20, 6), specimen.Place},
		"a GIF that is a script":            {append(specimen.GIF(40, 20), js...), "<script>"},
	} {
		said, made, err := show(c.body)
		if err != nil {
			return err
		}
		got, err := link(made.URL)
		if err != nil {
			return err
		}
		h := got.header
		safe := h.Get("Content-Security-Policy") == "sandbox; default-src 'none'" && h.Get("X-Content-Type-Options") == "nosniff" && strings.HasPrefix(h.Get("Content-Type"), "image/") &&
			h.Get("Cache-Control") == "public, max-age=31536000, immutable" && len(h.Values("Set-Cookie")) == 0
		alone := len(got.body) > 0 && !bytes.Contains(got.body, []byte(c.gone)) && !bytes.Contains(got.body, []byte("Exif"))
		u.check(name+" is a picture alone for whoever has its link", said == "201" && got.status == http.StatusOK && safe && alone, "%s, %d, %d bytes", said, got.status, len(got.body))
		_, token, _ := strings.Cut(made.URL, "/i/")
		found := u.searchFor(token)
		u.check("its link is in no log and no journal", len(found) == 0, "%v", found)
		if _, err := u.a.do(ctx, http.MethodDelete, "/v1/images/"+made.ID, nil, nil); err != nil {
			return err
		}
		if got, err = link(made.URL); err != nil {
			return err
		}
		u.check("removed, its link says so", got.status == http.StatusGone && !bytes.Contains(got.body, []byte("JFIF")), "%d", got.status)
		other := []byte(token)
		other[7] = map[bool]byte{true: 'B', false: 'A'}[other[7] == 'A']
		if got, err = link("/i/" + string(other)); err != nil {
			return err
		}
		u.check("a link that differs in one letter leads to nothing", got.status == http.StatusNotFound, "%d", got.status)
	}
	return nil
}

// searchFor looks for a text in what is written beside database and bucket: log
// and journal.
func (u *uploads) searchFor(text string) (in []string) {
	if b, err := os.ReadFile(u.i.logs); err != nil || bytes.Contains(b, []byte(text)) {
		in = append(in, fmt.Sprint("the log ", err))
	}
	_ = filepath.WalkDir(u.i.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "catchment.db") || strings.Contains(path, string(filepath.Separator)+"files"+string(filepath.Separator)) {
			return nil // gone meanwhile, or where it belongs
		}
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(text)) {
			in = append(in, filepath.Base(path))
		}
		return nil
	})
	return in
}

func (u *uploads) names(ctx context.Context) error {
	for said, want := range map[string]string{"../../etc/passwd": "passwd.txt", "invoice.pdf.exe": "invoice.pdf_exe.txt", "gpj.\u202eexe.txt": "gpj.exe.txt", "a\x00b.txt": "ab.txt"} {
		answer, _, err := u.send(ctx, 2, said, []byte("name "+want))
		if err != nil {
			return err
		}
		u.check(fmt.Sprintf("the name %q is no reason to refuse a file", said), answer == "201", "%s", answer)
	}
	var list struct{ Items []struct{ Name string } }
	err := u.a.get(ctx, "/v1/leads/"+u.leads[2]+"/files", &list)
	got := map[string]bool{}
	for _, f := range list.Items {
		got[f.Name] = true
	}
	ok := got["passwd.txt"] && got["invoice.pdf_exe.txt"] && got["gpj.exe.txt"] && got["ab.txt"]
	u.check("names with ../, a second ending, a turned direction and a NUL are harmless", ok && len(list.Items) == 4, "%d of 4", len(got))
	return err
}

// endless sends ten gigabytes, once with their length and once without.
func (u *uploads) endless(ctx context.Context) error {
	const all = 10 << 30
	_, before := u.i.memory()
	disk := u.disk()
	for name, length := range map[string]int64{"10 GB that say so": all, "10 GB that do not": -1} {
		from := &spring{left: all}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.a.base+"/v1/leads/"+u.leads[3]+"/files", from)
		if err != nil {
			return err
		}
		r.ContentLength = length
		r.Header.Set("Authorization", "Bearer "+u.a.token)
		r.Header.Set("Content-Type", "application/octet-stream")
		said := "hung up on"
		if resp, err := u.a.http.Do(r); err == nil {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16)) // a refusal is short
			resp.Body.Close()
			said, _ = saidOf(answer{resp.StatusCode, resp.Header, text})
		}
		sent := all - from.now()
		u.check(name+" are refused", said == "413 file_too_large" && sent < 100<<20, "%s after %d MiB", said, sent>>20)
	}
	_, after := u.i.memory()
	grown := u.disk() - disk
	u.check("neither memory nor disk grew with them", after-before < 64 && grown < 32<<20, "memory %.0f MiB, disk %d KiB", after-before, grown>>10)
	return nil
}

// disk is how much the instance has in its folder.
func (u *uploads) disk() (total int64) {
	_ = filepath.WalkDir(u.i.dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil // what has gone meanwhile has no size
	})
	return total
}

// spring is a body of so many bytes, of which it tells how many are left.
type spring struct {
	left int64
	gone atomic.Int64
}

// Read implements io.Reader.
func (s *spring) Read(b []byte) (int, error) {
	if s.now() <= 0 {
		return 0, io.EOF
	}
	n := int64(len(b))
	for k := range b {
		b[k] = 'a'
	}
	s.gone.Add(n)
	return int(n), nil
}

func (s *spring) now() int64 { return s.left - s.gone.Load() }

// slow sends a byte and no more.
func (u *uploads) slow(ctx context.Context) error {
	r, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte("a")) }()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, u.a.base+"/v1/leads/"+u.leads[3]+"/files", r)
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+u.a.token)
	q.Header.Set("Content-Type", "application/octet-stream")
	began, said := time.Now(), "hung up on"
	if resp, err := u.a.http.Do(q); err == nil {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16)) // a refusal is short
		resp.Body.Close()
		said, _ = saidOf(answer{resp.StatusCode, resp.Header, text})
	} else if errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err) {
		said = "waited for"
	}
	u.check("who sends a byte and stops is not waited for", said == "400 body_too_slow" || said == "hung up on", "%s after %.0f s", said, time.Since(began).Seconds())
	n, err := u.count(ctx, 3)
	u.check("of these nothing is kept", n == 0, "%d files of the lead", n)
	return err
}

// crowd sends many small files at once to one lead, which takes fifty.
func (u *uploads) crowd(ctx context.Context) error {
	var taken, full, busy, other atomic.Int64
	_, before := u.i.memory()
	began := time.Now()
	g, ctx2 := errgroup.WithContext(ctx)
	g.SetLimit(48)
	for n := range crowdSize {
		g.Go(func() error {
			said, _, err := u.send(ctx2, 3, "n.txt", fmt.Appendf(nil, "file %d", n))
			switch {
			case err != nil:
				return err
			case said == "201":
				taken.Add(1)
			case said == "413 too_many_files":
				full.Add(1)
			case said == "503 uploads_busy" || strings.HasPrefix(said, "429 "):
				busy.Add(1)
			default:
				other.Add(1)
				u.t.say("answered %s", said)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	took := time.Since(began)
	n, err := u.count(ctx, 3)
	_, after := u.i.memory()
	u.check(fmt.Sprintf("of %d small files at once to one lead as many are kept as it has room for", crowdSize), other.Load() == 0 && taken.Load() == int64(n) && n == filesOfOne,
		"%d taken, %d kept, %d full, %d told to come again, %d other, in %.0f s", taken.Load(), n, full.Load(), busy.Load(), other.Load(), took.Seconds())
	u.check("memory does not grow with them", after-before < 128, "%.0f MiB", after-before)
	_, peak := u.i.memory()
	u.t.figure(u.label+"peak of the process's memory", peak, "MiB")
	return err
}

// sealed looks for a file's text in all files of the instance, and then for one
// that is put there.
func (u *uploads) sealed(context.Context) error {
	found := u.search()
	u.check("no file of the instance has a file's text in clear", len(found) == 0, "%v", found)
	planted := filepath.Join(u.i.dir, "files", "planted")
	if err := os.WriteFile(planted, []byte(fileCanary), 0o600); err != nil {
		return err
	}
	found = u.search()
	u.check("control: one that is put there is found", len(found) == 1, "%d", len(found))
	return os.Remove(planted)
}

func (u *uploads) search() (in []string) {
	_ = filepath.WalkDir(u.i.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // gone meanwhile
		}
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(fileCanary)) {
			in = append(in, filepath.Base(path))
		}
		return nil
	})
	return in
}
