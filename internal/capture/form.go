package capture

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/receipt"
	"catchment/internal/snapshot"
	"catchment/internal/submission"
)

// postForm takes a plain HTML form at its source's address. A browser gets a
// page to look at, a script that accepts JSON gets the answer of postLead.
func (d *Door) postForm(w http.ResponseWriter, r *http.Request) error {
	d.limitTime(w)
	w.Header()["Access-Control-Allow-Origin"] = []string{"*"} // a receipt is for whoever sent the form
	if err := checkForm(r); err != nil {
		return err
	}
	v, source, err := d.admitForm(r)
	if err != nil {
		return err
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	if s.body, err = d.readBody(w, r, s.body, submission.MaxBody); err != nil {
		return err
	}
	it, err := d.formItem(r, v, source, s.body)
	if err != nil {
		return err
	}
	items := [1]item{it}
	if err := d.keep(r, s, items[:]); err != nil {
		return err
	}
	if acceptsJSON(r) {
		s.reply = appendAccepted(s.reply[:0], &items[0])
		writeAccepted(w, s.reply)
		return nil
	}
	thank(w, source, &items[0])
	return nil
}

// admitForm lets a form in by its source's address. Pages of any origin may
// send it, unless the account has bound the source's keys to origins.
func (d *Door) admitForm(r *http.Request) (visitor, *snapshot.Source, error) {
	if err := d.open(); err != nil {
		return visitor{}, nil, err
	}
	id, err := account.ParseSourceID(r.PathValue("source"))
	if err != nil {
		return visitor{}, nil, problem.NotFound()
	}
	a, source := d.o.Snapshot.BySource(id)
	switch {
	case source == nil:
		return visitor{}, nil, problem.NotFound()
	case a.Off:
		return visitor{}, nil, accountOff()
	case !source.Active:
		return visitor{}, nil, sourceOff()
	case !formOrigin(a, source, r.Header.Get("Origin"), d.o.Now()):
		return visitor{}, nil, problem.Forbidden("origin_not_allowed", "This form's source takes forms of other pages only. Add the page's origin to a publishable key of the source.")
	}
	return visitor{account: a}, source, d.count(a, 1)
}

// formOrigin reports whether a page of this origin may send forms to the
// source. "null" is what a page with a strict referrer policy sends, and says
// as little as no header at all.
func formOrigin(a *snapshot.Account, s *snapshot.Source, origin string, now time.Time) bool {
	if origin == "" || origin == "null" {
		return true
	}
	bound := false
	for i := range a.Keys {
		k := &a.Keys[i]
		if k.Kind != snapshot.Publishable || k.Expired(now) || !k.Serves(s.ID) {
			continue
		}
		if k.Allows(origin) {
			return true
		}
		bound = bound || len(k.Origins) > 0
	}
	return !bound
}

func (d *Door) formItem(r *http.Request, v visitor, source *snapshot.Source, body []byte) (item, error) {
	key, err := idempotencyKey(r)
	if err != nil {
		return item{}, err
	}
	contentType := r.Header.Get("Content-Type")
	sub, own, err := submission.DecodeForm(contentType, body, source.Mapping)
	if err != nil {
		return item{}, err
	}
	if key == "" {
		key = own
	}
	// The address says which source it is. A project that the account does
	// not have is an odd value: kept with the body, and the source's is taken.
	project := source.Project
	if p := v.account.Project(sub.Project); p != nil {
		project = p.ID
	}
	it := d.itemFor(v, source, project, sub.Test, submission.AsForm, contentType, body, key)
	d.judge(r, &it, sub)
	return it, nil
}

// thank sends a browser on to the thank-you page, with the proof in the address.
func thank(w http.ResponseWriter, s *snapshot.Source, it *item) {
	h := w.Header()
	h["Location"] = []string{thanksURL(s, it)}
	h["Cache-Control"] = noStore
	h["Referrer-Policy"] = []string{"no-referrer"}
	w.WriteHeader(http.StatusSeeOther)
}

func thanksURL(s *snapshot.Source, it *item) string {
	proof := base64.RawURLEncoding.EncodeToString(receipt.AppendJSON(nil, &it.receipt))
	query := "enquiry=" + it.header.Enquiry.String() + "&receipt=" + proof
	to, err := url.Parse(s.ThanksURL)
	if s.ThanksURL == "" || err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" {
		return "/f/" + s.ID.String() + "/thanks?" + query
	}
	if to.RawQuery != "" {
		query = to.RawQuery + "&" + query
	}
	to.RawQuery = query
	return to.String()
}

// thanks is the page for sources that have none of their own.
func (d *Door) thanks(w http.ResponseWriter, r *http.Request) error {
	if _, err := account.ParseSourceID(r.PathValue("source")); err != nil {
		return problem.NotFound()
	}
	q := r.URL.Query()
	var v thanksView
	if id, err := lead.ParseEnquiryID(q.Get("enquiry")); err == nil {
		v.Enquiry = id.String()
	}
	if text, err := base64.RawURLEncoding.DecodeString(q.Get("receipt")); err == nil {
		if rc, err := receipt.Parse(text); err == nil && rc.ID.String() == v.Enquiry {
			v.Receipt = string(receipt.AppendJSON(nil, rc))
			v.At, _ = receipt.ParseTime(rc.ReceivedAt)
		}
	}
	writePage(w, http.StatusOK, thanksPage, v)
	return nil
}

// acceptsJSON reports whether a script asks; browsers name text/html.
func acceptsJSON(r *http.Request) bool {
	a := r.Header.Get("Accept")
	return strings.Contains(a, "application/json") && !strings.Contains(a, "text/html")
}

// wantsPage reports whether a refusal is for somebody's eyes.
func wantsPage(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/f/") && !acceptsJSON(r)
}
