package carry

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"catchment/internal/account"
	"catchment/internal/jobs"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/store/leads"
	"catchment/internal/store/members"
	"catchment/internal/store/people"
	"catchment/internal/store/setup"
	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

const exportPage = 500

var exportColumns = []string{"lead_id", "created_at", "project", "source", "stage", "category", "reason", "route_state", "owner",
	"enquiries", "enquired_at", "accepted_at", "attempted_at", "contacted_at", "closed_at", "name", "phone", "email", "country"}

// NewExport is what an export begins with.
type NewExport struct {
	Project account.ProjectID // zero: every project
	Filter  leads.LeadFilter  // which of its leads
	Asked   any               // the filter in the words it was asked in, for who looks later; nil: there is none
	By      string
	Purpose vault.Purpose // for which persons are opened
	At      time.Time
}

// Export adds an export and the job that makes it.
func (c *Carrier) Export(tx *store.Tx, n NewExport) (*files.Export, error) {
	if !n.Purpose.Valid() {
		return nil, problem.InvalidField("Catchment-Purpose", "purpose_missing", "Say why the persons are opened: it goes on the record.")
	}
	keys, err := c.Accounts.Get(tx.Context(), tx.Account())
	if err != nil {
		return nil, err
	}
	e := &files.Export{ID: lead.NewExportID(), Project: n.Project, By: n.By, Purpose: string(n.Purpose), KeysetVersion: int64(keys.Version()), CreatedAt: n.At}
	if err := n.keepFilter(e); err != nil {
		return nil, err
	}
	e.Wrapped, _ = keys.NewSubjectKey(vault.Subject(e.ID.UUID()))
	if err := files.AddExport(tx, e); err != nil {
		return nil, err
	}
	if err := record(tx, n.At, n.By, "export.created", e.ID.String(), map[string]any{"project_id": n.Project.String(), "purpose": n.Purpose, "filter": n.Asked}); err != nil {
		return nil, err
	}
	if err := c.Jobs.Add(tx, ExportJob, e.ID.String(), n.At); err != nil {
		return nil, err
	}
	return files.GetExport(tx, e.ID)
}

// keepFilter keeps the filter with the export: a stopped one goes on by it.
func (n NewExport) keepFilter(e *files.Export) error {
	if n.Asked == nil {
		return nil
	}
	asked, err := json.Marshal(n.Asked)
	if err != nil {
		return err
	}
	filter, err := json.Marshal(n.Filter)
	e.Asked, e.Filter = string(asked), string(filter)
	return err
}

// filterOf is which leads the export gives out.
func filterOf(e *files.Export) (f leads.LeadFilter, err error) {
	if e.Filter != "" {
		err = json.Unmarshal([]byte(e.Filter), &f)
	}
	if f.Project.IsZero() {
		f.Project = e.Project
	}
	return f, err
}

// CancelExport ends an export and destroys what it has made.
func (c *Carrier) CancelExport(tx *store.Tx, id lead.ExportID, actor string, at time.Time) error {
	for _, from := range []string{"running", "ready"} {
		ok, err := files.MoveExport(tx, id, from, Cancelled, at)
		if err != nil {
			return err
		}
		if ok {
			if err := files.EndExport(tx, id); err != nil {
				return err
			}
			e, err := files.GetExport(tx, id)
			if err != nil {
				return err
			}
			return record(tx, at, actor, actionOf(e, "cancelled"), id.String(), nil)
		}
	}
	return problem.Conflict("export_ended", "This export was fetched or cancelled already.")
}

// actionOf is what the record calls it.
func actionOf(e *files.Export, what string) string {
	if e.Kind == files.OfAccount {
		return "account.export." + what
	}
	return "export." + what
}

// runExport makes the pages of an export, each with the place of the next in
// one transaction: stopped anywhere, it goes on from there.
func (c *Carrier) runExport(ctx context.Context, j jobs.Job) error {
	for {
		var e *files.Export
		id := must(j.Key)
		err := c.DB.Read(ctx, j.Scope, func(tx *store.Tx) (err error) {
			e, err = files.GetExport(tx, id)
			return err
		})
		if err != nil || e.State != "running" {
			return err
		}
		more, err := c.exportPage(ctx, j.Scope, e)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		return c.DB.Write(ctx, j.Scope, func(tx *store.Tx) error {
			if _, err := files.MoveExport(tx, id, "running", "ready", time.Now()); err != nil {
				return err
			}
			return j.Done(tx)
		})
	}
}

func must(key string) lead.ExportID {
	id, _ := lead.ParseExportID(key) // the zero id is found nowhere
	return id
}

// page is what a page of an export is made of.
type page struct {
	leads   []leads.Lead
	persons map[lead.PersonID]people.Person
	names   map[string]string // of projects, sources, stages and users, by id
}

func (c *Carrier) exportPage(ctx context.Context, s account.Scope, e *files.Export) (more bool, err error) {
	var p *page
	err = c.DB.Read(ctx, s, func(tx *store.Tx) error {
		p, err = loadPage(tx, e)
		return err
	})
	if err != nil || len(p.leads) == 0 {
		return false, err
	}
	text, err := c.pageText(ctx, s, e, p)
	if err != nil {
		return false, err
	}
	key, err := c.fileKey(ctx, s.Account(), e.ID.UUID(), e.Wrapped)
	if err != nil {
		return false, err
	}
	sealed := key.Seal(place(files.ExportTable, e.ID.UUID(), e.Chunks), vault.Hide(text))
	last := p.leads[len(p.leads)-1]
	err = c.DB.Write(ctx, s, func(tx *store.Tx) error {
		_, err := files.AddPage(tx, e, int64(len(p.leads)), last.CreatedAt, last.ID, sealed.Data)
		return err
	})
	return len(p.leads) == exportPage, err
}

func loadPage(tx *store.Tx, e *files.Export) (*page, error) {
	p := &page{persons: map[lead.PersonID]people.Person{}, names: map[string]string{}}
	f, err := filterOf(e)
	if err != nil {
		return p, err
	}
	p.leads, err = leads.ListLeads(tx, f, leads.LeadPage{CreatedAt: e.AtCreated, ID: e.AtLead}, exportPage)
	if err != nil || len(p.leads) == 0 {
		return p, err
	}
	var ids []lead.PersonID
	for _, l := range p.leads {
		ids = append(ids, l.Person)
	}
	found, err := people.Get(tx, ids...)
	if err != nil {
		return nil, err
	}
	for _, x := range found {
		p.persons[x.ID] = x
	}
	return p, p.loadNames(tx)
}

func (p *page) loadNames(tx *store.Tx) error {
	projects, err := setup.Projects(tx)
	if err != nil {
		return err
	}
	for _, x := range projects {
		p.names[x.ID.String()] = x.Slug
	}
	sources, err := setup.Sources(tx)
	if err != nil {
		return err
	}
	for _, x := range sources {
		p.names[x.ID.String()] = x.Slug
	}
	stages, err := setup.Stages(tx)
	if err != nil {
		return err
	}
	for _, x := range stages {
		p.names[x.ID.String()] = x.Slug
	}
	users, err := members.All(tx)
	for _, x := range users {
		p.names[x.ID.String()] = x.Name
	}
	return err
}

// pageText opens the page's persons, as one entry on the record, and writes
// the lines.
func (c *Carrier) pageText(ctx context.Context, s account.Scope, e *files.Export, p *page) (string, error) {
	var sealed []vault.Sealed
	for _, l := range p.leads {
		x := p.persons[l.Person]
		sealed = append(sealed, x.Name, x.Phone, x.Email)
	}
	opened, err := c.Persons.Open(ctx, s, e.By, vault.Purpose(e.Purpose), sealed...)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if e.Chunks == 0 {
		_ = w.Write(exportColumns) // a Buffer takes everything
	}
	for i, l := range p.leads {
		v := opened.Values[3*i:]
		line := []string{l.ID.String(), when(l.CreatedAt), p.names[l.Project.String()], p.names[l.Source.String()], p.names[l.Stage.String()],
			string(l.Category), l.Reason, string(l.RouteState), p.names[l.Owner.String()], itoa(l.Enquiries), when(l.EnquiredAt), when(l.AcceptedAt),
			when(l.AttemptedAt), when(l.ContactedAt), when(l.ClosedAt), reveal.Text(v[0]), reveal.Text(v[1]), reveal.Text(v[2]), p.persons[l.Person].Country}
		for n := range line {
			line[n] = Inert(line[n])
		}
		_ = w.Write(line)
	}
	w.Flush()
	return b.String(), w.Error()
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Inert gives a value that no spreadsheet takes for a formula: one that begins
// like a formula gets a quote in front
// (https://owasp.org/www-community/attacks/CSV_Injection). A telephone number
// does so too: read it without the quote.
func Inert(s string) string {
	if t := strings.TrimLeft(s, " "); t != "" && strings.ContainsRune("=+-@\t\r\n|", rune(t[0])) {
		return "'" + s
	}
	return s
}

// Fetch gives the file out, once: what is left of it afterwards is destroyed,
// also if the caller hangs up halfway. write is not called before the caller
// is known to be the one who gets it.
func (c *Carrier) Fetch(ctx context.Context, s account.Scope, kind string, id lead.ExportID, actor string, at time.Time, write func(text string) error) error {
	var e *files.Export
	err := c.DB.Write(ctx, s, func(tx *store.Tx) (err error) {
		if e, err = files.GetExport(tx, id); err == nil && e.Kind != kind {
			err = store.ErrNone
		}
		if err != nil {
			return err
		}
		ok, err := files.MoveExport(tx, id, "ready", "fetched", at)
		if err == nil && !ok {
			err = problem.Conflict("not_ready", "The file is not ready yet, or was fetched already: an export is given out once.")
		}
		if err != nil {
			return err
		}
		return record(tx, at, actor, actionOf(e, "fetched"), id.String(), map[string]any{"rows": e.Rows})
	})
	if errors.Is(err, store.ErrNone) {
		return problem.NotFound()
	}
	if err != nil {
		return err
	}
	err = c.giveOut(ctx, s, e, actor, write)
	end := c.DB.Write(context.WithoutCancel(ctx), s, func(tx *store.Tx) error { return files.EndExport(tx, id) })
	return errors.Join(err, end)
}

// giveOut opens the file's pieces: one entry on the record.
func (c *Carrier) giveOut(ctx context.Context, s account.Scope, e *files.Export, actor string, write func(string) error) error {
	open, err := c.Files.Everything(ctx, s, actor, vault.Purpose(e.Purpose), int(e.Chunks))
	if err != nil {
		return err
	}
	for n := range e.Chunks {
		var data []byte
		err := c.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
			data, err = files.Page(tx, e.ID, n)
			return err
		})
		if err != nil {
			return err
		}
		opened, err := open(ctx, vault.Sealed{Binding: place(files.ExportTable, e.ID.UUID(), n), Subject: vault.Subject(e.ID.UUID()), Data: data})
		if err != nil {
			return err
		}
		if opened.States[0] != keyring.Clear {
			return errPiece
		}
		if err := write(reveal.Text(opened.Values[0])); err != nil {
			return err
		}
	}
	return nil
}
