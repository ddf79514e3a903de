package proof

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// entry is one opening on the account's record.
type entry struct {
	ID, Actor, Purpose string
	Grant              string `json:"grant_id"`
	Count              int
	Of                 []struct {
		ID     string
		Fields []string
	}
}

// find is a text of somebody in an answer.
type find struct {
	of    *enquirer
	field string
}

// ask sends the route about somebody, and judges what comes back.
func (w *walk) ask(ctx context.Context, who *credential, r route, of *enquirer) error {
	ids := w.idsOf(who, r, of)
	api, err := w.prepare(ctx, r, who, ids)
	if err != nil {
		return err
	}
	req := r.request(w.m.doc, ids, nil, "")
	req.body = w.bodyOf(r, ids, of, req.body)
	if more := strings.Trim(asks[r.name]+"&"+w.includes(r), "&"); more != "" {
		sep := "?"
		if strings.Contains(req.path, "?") {
			sep = "&"
		}
		req.path += sep + more
	}
	w.requests++
	asking := api.as(api.token)
	asking.origin = api.origin
	if asking.purpose = fmt.Sprintf("walk %d", w.requests); !who.session && w.requests%8 == 0 {
		asking.purpose = "" // a key that states none
	}
	got, err := w.m.send(ctx, asking, req)
	if err != nil {
		return err
	}
	who.renew(r, got)
	if err := w.judge(ctx, who, r, of, ids, asking.purpose, req.body, got); err != nil {
		return err
	}
	return w.after(ctx, who, r, got)
}

// after keeps the model in step with what a request that was drawn has changed.
func (w *walk) after(ctx context.Context, who *credential, r route, got answer) error {
	if r.name == "merge-persons" && !who.stranger {
		return w.unmerge(ctx, got)
	}
	return nil
}

// idsOf are what the path names: of the enquirer what is theirs, of everything
// else what nobody needs.
func (w *walk) idsOf(who *credential, r route, of *enquirer) map[string]string {
	ids := maps.Clone(who.near)
	maps.Copy(ids, map[string]string{"lead": of.deal.lead, "enquiry": of.deal.enquiry, "person": of.deal.person})
	if of.request != "" {
		ids["request"] = of.request
	}
	if of.export != "" {
		ids["export"] = of.export
	}
	if strings.HasPrefix(r.path, "/v1/operator/grants") || r.name == "get-grant" {
		for _, id := range slices.Sorted(maps.Keys(w.grants)) { // one that names the lead, where there is one
			g := w.grants[id]
			if ids["grant"] = g.id; g.leads[of.deal.lead] && !g.over {
				break
			}
		}
	}
	if r.name == "transfer-lead" || r.name == "handover-lead" {
		ids["user"] = w.north.seller.id
	}
	if strings.HasPrefix(r.path, "/v1/quarantine/") {
		ids["enquiry"] = ids["held"]
	}
	if r.name == "attempt-result" { // of an attempt that somebody makes for it
		return maps.Clone(who.near)
	}
	return ids
}

// bodyOf is one that leaves the walk what it stands on.
func (w *walk) bodyOf(r route, ids map[string]string, of *enquirer, body []byte) []byte {
	switch r.name {
	case "search-leads":
		return fmt.Appendf(nil, `{"text":%q}`, of.texts["phone"][0])
	case "put-masking":
		return fmt.Appendf(nil, `{"on_offer":%v}`, w.masks)
	case "put-quarantine-rules":
		return []byte(holdingRules)
	case "merge-persons":
		mate := maps.Clone(ids)
		mate["person"] = w.near["person"]
		return r.request(w.m.doc, mate, nil, "").body
	case "create-subject-request", "fulfil-subject-request":
		return []byte(`{}`)
	}
	if text, ok := harmless[r.name]; ok {
		return []byte(text)
	}
	return body
}

const holdingRules = `{"domains":["held.example"],"patterns":[],"person_an_hour":0,"address_ten_minutes":0}`

// judge looks for every text in the answer: what the request itself said is no
// find.
func (w *walk) judge(ctx context.Context, who *credential, r route, of *enquirer, ids map[string]string, purpose string, sent []byte, got answer) error {
	finds, err := w.look(got, sent)
	if err != nil || len(finds) == 0 {
		return err
	}
	w.found += len(finds)
	w.gave[r.name] += len(finds)
	w.finds[who.name] += len(finds)
	entries, err := w.entries(ctx, r, of, purpose)
	if err != nil {
		return err
	}
	w.compared += len(entries)
	at := fmt.Sprintf("%s as %s, after %s", r, who.name, strings.Join(w.lately, ", "))
	for _, f := range finds {
		may, why, err := w.may(ctx, who, r, ids, f)
		if err != nil {
			return err
		}
		if !may {
			w.faults = append(w.faults, fmt.Sprintf("%s: %s of lead %s is not theirs to have: %s", at, f.field, f.of.deal.lead, why))
		}
		if !onRecord(entries, who, r, ids, f) {
			w.faults = append(w.faults, fmt.Sprintf("%s: %s of lead %s, and nothing on the record", at, f.field, f.of.deal.lead))
		}
	}
	return nil
}

// look finds the texts in head and body of an answer, in all their spellings.
func (w *walk) look(got answer, sent []byte) ([]find, error) {
	var head bytes.Buffer
	_ = got.header.Write(&head) // to memory
	said := map[string]bool{}
	if _, err := w.search.scan("sent", bytes.NewReader(sent), func(h hit) { said[h.kind] = true }); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []find
	take := func(h hit) {
		if said[h.kind] || seen[h.kind] {
			return
		}
		seen[h.kind] = true
		n, field, _ := strings.Cut(h.kind, "/")
		k, _ := strconv.Atoi(n) // it was made from a number
		out = append(out, find{w.people[k], field})
	}
	for _, text := range [][]byte{head.Bytes(), got.body} {
		if _, err := w.search.scan("answer", bytes.NewReader(text), take); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// entries are those that the record has for the purpose: each request states
// one of its own, but for a file, which was asked for with its purpose.
func (w *walk) entries(ctx context.Context, r route, of *enquirer, purpose string) (out []entry, err error) {
	if r.name == "fetch-export-file" {
		purpose = of.exportFor
	}
	if purpose == "" {
		return nil, nil // who states none is given nothing
	}
	err = pages(ctx, w.admin, "/v1/openings?purpose="+url.QueryEscape(purpose), func(e entry) { out = append(out, e) })
	return out, err
}

// onRecord reports whether the entries are of this find: by them, of this person, of
// this field or of what came in as it came, which has it in it; by a grant, by
// the one that the path names. Of a file one has what was put in, by whom it was
// asked for, and another that it was given to them.
func onRecord(entries []entry, who *credential, r route, ids map[string]string, f find) bool {
	grant, fetched := "", r.name != "fetch-export-file"
	if r.name == "operator-open-lead" {
		grant = ids["grant"]
	}
	var named bool
	for _, e := range entries {
		if e.Actor != who.id || e.Grant != grant {
			continue
		}
		fetched = fetched || len(e.Of) == 0 && e.Count > 0
		for _, of := range e.Of {
			named = named || of.ID == f.of.deal.person && (slices.Contains(of.Fields, f.field) || slices.Contains(of.Fields, "raw"))
		}
	}
	return named && fetched
}

// may is docs/rights.md: its table of permissions, and that of fields.
func (w *walk) may(ctx context.Context, who *credential, r route, ids map[string]string, f find) (bool, string, error) {
	switch {
	case f.of.erased:
		return false, "the person is erased", nil
	case who.role == "support" || who.role == "operator":
		ok, why := w.granted(who, r, ids, f)
		return ok, why, nil
	case who.stranger || who.publishable || who.owing || who.abroad:
		return false, "they hold nothing here", nil
	case r.name == "fetch-export-file":
		return w.table.reach(&who.standing, "leads:export") != "", "they take no files out", nil
	case r.name == "get-subject-data":
		return w.table.reach(&who.standing, "privacy:manage") != "", "they answer no requests", nil
	}
	reads, opens := w.table.reach(&who.standing, "leads:read"), w.table.reach(&who.standing, "persons:open")
	switch {
	case reads == "" || opens == "":
		return false, "they open nothing", nil
	case reads == reachAll && opens == reachAll:
		return true, "", nil
	case !who.session:
		return false, "a key is nobody's owner and in no team", nil
	}
	owner, offered, err := w.stands(ctx, f.of)
	switch {
	case err != nil:
		return false, "", err
	case owner == who.id:
		return true, "", nil
	case reads != reachMine && opens != reachMine && who.leadsTeam[f.of.office.project]:
		return true, "", nil
	case offered != who.id:
		return false, "it is neither theirs nor offered to them", nil
	}
	return !w.masks || f.field == "name", "it is on offer, and the account masks", nil
}

// granted is the column of a grant.
func (w *walk) granted(who *credential, r route, ids map[string]string, f find) (bool, string) {
	g := w.grants[ids["grant"]]
	switch {
	case r.name != "operator-open-lead" || g == nil:
		return false, "it is not by a grant"
	case g.over:
		return false, "the grant is over"
	case g.to != who || !g.leads[f.of.deal.lead] || ids["lead"] != f.of.deal.lead:
		return false, "the grant is to somebody else, or of another lead"
	case !slices.Contains(g.fields, f.field) && (f.field != "place" || !slices.Contains(g.fields, "note")):
		return false, "the grant does not name the field"
	}
	return true, ""
}

// stands is whose the lead is, and to whom it is on offer.
func (w *walk) stands(ctx context.Context, of *enquirer) (owner, offered string, err error) {
	if of.deal.lead == "" {
		return "", "", nil
	}
	var l struct {
		Owner string `json:"owner_id"`
		Offer string `json:"offer_id"`
	}
	if err := w.admin.get(ctx, "/v1/leads/"+of.deal.lead, &l); err != nil || l.Offer == "" {
		return l.Owner, "", err
	}
	var o struct {
		User string `json:"user_id"`
	}
	err = w.admin.call(ctx, http.MethodGet, "/v1/offers/"+l.Offer, nil, &o)
	return l.Owner, o.User, err
}
