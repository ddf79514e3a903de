package console

import (
	"context"
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/people"
	"catchment/internal/vault"
	"catchment/internal/web"
)

// SubjectRequest is what a person asked of the account about their own data.
type SubjectRequest struct {
	ID         string     `json:"id" example:"dsr_01h455vb4pex5vsknk084sn02q"`
	Kind       string     `json:"kind" enum:"access,rectify,erase,restrict,unrestrict"`
	PersonID   string     `json:"person_id" example:"prsn_01h455vb4pex5vsknk084sn02q"`
	State      string     `json:"state" enum:"open,running,done,refused"`
	Reason     *string    `json:"reason" doc:"A code: why it was refused." example:"not-identified"`
	ReceivedAt time.Time  `json:"received_at" doc:"When the person asked."`
	DueAt      time.Time  `json:"due_at" doc:"By when the law wants an answer: thirty days later."`
	Overdue    bool       `json:"overdue" doc:"It is not answered, and should be."`
	By         string     `json:"by" doc:"Who wrote it down: a user's or key's id."`
	DoneBy     *string    `json:"done_by" doc:"Who answered it."`
	CreatedAt  time.Time  `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

func requestView(now time.Time) func(people.Request) SubjectRequest {
	return func(r people.Request) SubjectRequest {
		return SubjectRequest{ID: r.ID.String(), Kind: string(r.Kind), PersonID: r.Person.String(), State: string(r.State), Reason: web.OrNull(r.Reason),
			ReceivedAt: r.ReceivedAt, DueAt: r.DueAt, Overdue: r.FinishedAt.IsZero() && now.After(r.DueAt), By: r.By, DoneBy: web.OrNull(r.DoneBy),
			CreatedAt: r.CreatedAt, FinishedAt: web.TimeOrNull(r.FinishedAt)}
	}
}

type requestsIn struct {
	web.Page
	State string `query:"state" enum:"open,running,done,refused,waiting,answered" doc:"Only these. waiting: open or running; answered: done or refused."`
}

// SubjectRequestPath is the input of a route about one request.
type SubjectRequestPath struct {
	ID string `path:"id" doc:"The request's id." example:"dsr_01h455vb4pex5vsknk084sn02q"`
}

type newRequestIn struct {
	Body struct {
		Kind       string     `json:"kind" enum:"access,rectify,erase,restrict,unrestrict"`
		PersonID   string     `json:"person_id" example:"prsn_01h455vb4pex5vsknk084sn02q"`
		ReceivedAt *time.Time `json:"received_at,omitempty" doc:"When the person asked, up to a year ago; left out: now."`
	}
}

type refuseRequestIn struct {
	SubjectRequestPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"40" doc:"A code: letters and hyphens. The law wants the person told." example:"not-identified"`
	}
}

func (c *Console) privacyRoutes() {
	op := func(method, path, name, summary, detail string) web.Op {
		return web.Op{Method: method, Path: "/v1/subject-requests" + path, Name: name, Tag: "privacy", Permission: account.ManagePrivacy, Summary: summary, Detail: detail}
	}
	web.See(c.API, op("GET", "", "list-subject-requests", "What people asked about their data", "Newest first, each with its clock."), listRequests)
	ask := op("POST", "", "create-subject-request", "Write down what a person asked for", "Its clock of thirty days runs from received_at. Nothing is done yet.")
	ask.Status = 201
	web.Do(c.API, ask, c.newRequest)
	web.See(c.API, op("GET", "/{id}", "get-subject-request", "One request", ""), seeRequest)
	fulfil := op("POST", "/{id}/fulfil", "fulfil-subject-request", "Do what was asked",
		"erase: everything personal of the person, and of all who are merged with them, is destroyed within moments, for good; state is running until it is done. restrict: the person is not contacted any more. access and rectify: notes that you have done it.")
	fulfil.StepUp = true
	web.Do(c.API, fulfil, c.fulfilRequest)
	web.Do(c.API, op("POST", "/{id}/refuse", "refuse-subject-request", "Refuse a request, with a reason", ""), c.refuseRequest)
	data := op("GET", "/{id}/data", "get-subject-data", "Everything that is kept of the person", "Of all who are merged with them. Give it to nobody before you know who asks. The opening is on the record, with every value that was opened.")
	data.Opens, data.StepUp = true, true
	web.Meet(c.API, data, c.subjectData)
}

func listRequests(v *web.Visit, tx *store.Tx, in *requestsIn) (*web.List[SubjectRequest], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	rows, err := people.ListRequests(tx, people.RequestState(in.State), from.At, web.IDAt[lead.RequestID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, rows, func(r people.Request) web.Place { return web.Place{At: r.CreatedAt, ID: r.ID.UUID()} }, requestView(v.At)), nil
}

func (c *Console) newRequest(v *web.Visit, tx *store.Tx, in *newRequestIn) (*SubjectRequest, error) {
	of, err := lead.ParsePersonID(in.Body.PersonID)
	if err != nil {
		return nil, problem.InvalidField("person_id", "unknown_person", "No person of this account has this id.")
	}
	r, err := c.Privacy.Ask(tx, people.RequestKind(in.Body.Kind), of, orNone(in.Body.ReceivedAt), v.Actor, v.At)
	return shown(v, r, err)
}

func shown(v *web.Visit, r people.Request, err error) (*SubjectRequest, error) {
	if err != nil {
		return nil, err
	}
	return new(requestView(v.At)(r)), nil
}

func seeRequest(v *web.Visit, tx *store.Tx, in *SubjectRequestPath) (*SubjectRequest, error) {
	r, err := requestOf(tx, *in)
	return shown(v, r, err)
}

func requestOf(tx *store.Tx, in SubjectRequestPath) (people.Request, error) {
	id, err := web.PathID(in.ID, lead.ParseRequestID)
	if err != nil {
		return people.Request{}, err
	}
	r, err := people.RequestByID(tx, id)
	if errors.Is(err, store.ErrNone) {
		err = problem.NotFound()
	}
	return r, err
}

func (c *Console) fulfilRequest(v *web.Visit, tx *store.Tx, in *SubjectRequestPath) (*SubjectRequest, error) {
	id, err := web.PathID(in.ID, lead.ParseRequestID)
	if err != nil {
		return nil, err
	}
	r, err := c.Privacy.Fulfil(tx, id, v.Actor, v.At)
	return shown(v, r, err)
}

func (c *Console) refuseRequest(v *web.Visit, tx *store.Tx, in *refuseRequestIn) (*SubjectRequest, error) {
	id, err := web.PathID(in.ID, lead.ParseRequestID)
	if err != nil {
		return nil, err
	}
	r, err := c.Privacy.Refuse(tx, id, in.Body.Reason, v.Actor, v.At)
	return shown(v, r, err)
}

// subjectData opens for the purpose that was stated; a key that states none has
// to.
func (c *Console) subjectData(ctx context.Context, v *web.Visit, in *SubjectRequestPath) (*SubjectData, error) {
	if v.Purpose == "" {
		return nil, problem.InvalidField("Catchment-Purpose", "required", "Say in this header why you open everything of a person.")
	}
	if err := c.Privacy.Taken(ctx); err != nil {
		return nil, err
	}
	var out *SubjectData
	var texts opening
	var found []people.Entry
	var of lead.PersonID
	err := c.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		r, err := requestOf(tx, *in)
		if err != nil {
			return err
		}
		texts, of = opening{}, r.Person
		if out, err = gatherSubject(tx, r.Person, v.At, &texts); err != nil {
			return err
		}
		found, err = foundBy(tx, r.Person)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := texts.open(ctx, c.Opener, v); err != nil {
		return nil, err
	}
	return out, c.unread(ctx, v, of, found, out)
}

// opening gathers sealed values, to open them with one entry on the record.
type opening struct {
	sealed []vault.Sealed
	put    []**string
	last   []func()
}

func (o *opening) add(s vault.Sealed, to **string) {
	o.sealed, o.put = append(o.sealed, s), append(o.put, to)
}
