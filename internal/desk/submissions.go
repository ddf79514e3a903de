package desk

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/keyring"
	"catchment/internal/lead"
	"catchment/internal/receipt"
	"catchment/internal/rights"
	"catchment/internal/store"
	"catchment/internal/store/leads"
	"catchment/internal/web"
)

// Submission is raw input as it was received for an enquiry, with the receipt
// that its sender was given.
type Submission struct {
	ID         string          `json:"id" example:"subm_01h455vb4pex5vsknk084sn02q"`
	ReceivedAt time.Time       `json:"received_at"`
	Format     string          `json:"format" enum:"json,form"`
	Conflict   bool            `json:"conflict" doc:"Another body came under the same idempotency key."`
	Stream     string          `json:"stream" doc:"The log that it was durable in."`
	Seq        uint64          `json:"seq" doc:"The commit's place in that log."`
	Receipt    json.RawMessage `json:"receipt" doc:"The receipt, byte for byte as the door gave it; null: without a purpose, after an erasure, or when nothing was kept to write it again."`
	Body       *string         `json:"body,omitempty" doc:"What was received, in base64url; with include=body and a purpose."`
}

type submissionsIn struct {
	ID      string   `path:"id" doc:"The enquiry's id." example:"enq_01h455vb4pex5vsknk084sn02q"`
	Include []string `query:"include" enum:"body" doc:"Also the raw bodies."`
}

func (d *Desk) submissionRoutes() {
	web.Meet(d.API, web.Op{Method: http.MethodGet, Path: "/v1/enquiries/{id}/submissions", Name: "list-submissions", Tag: tagLeads, Opens: true, Permission: account.ReadLeads,
		Summary: "What was received for an enquiry, with its receipts, oldest first",
		Detail:  "With a purpose each has its receipt, for whoever lost it; the body is opened for that, on the record. Check it by docs/receipt.md, with the body, offline."},
		d.listSubmissions)
}

func (d *Desk) listSubmissions(ctx context.Context, v *web.Visit, in *submissionsIn) (*web.List[Submission], error) {
	id, err := lead.ParseEnquiryID(in.ID)
	if err != nil {
		return nil, unknownEnquiry()
	}
	var list *web.List[Submission]
	var page *album
	err = d.DB.Read(ctx, v.Scope, func(tx *store.Tx) error {
		page, list = &album{}, &web.List[Submission]{}
		e, err := enquiryFor(tx, v, id)
		if err != nil {
			return err
		}
		with, err := opensEnquiries(tx, v, []leads.Enquiry{e}, includes{message: mayOpen(v)})
		if err != nil {
			return err
		}
		found, err := leads.Submissions(tx, id)
		if err != nil {
			return err
		}
		list.Items = make([]Submission, len(found))
		for i, s := range found {
			list.Items[i] = Submission{ID: s.ID.String(), ReceivedAt: s.ReceivedAt, Format: s.Format, Conflict: s.Conflict, Stream: s.Stream, Seq: s.Seq}
			if with(e).sees.Of(rights.Submission) == rights.Clear {
				d.receiptOf(s, &list.Items[i], slices.Contains(in.Include, "body"), page)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, page.open(ctx, d.Opener, v)
}

// receiptOf has the album fill in the receipt and, if asked for, the body.
func (d *Desk) receiptOf(s leads.Submission, out *Submission, withBody bool, page *album) {
	var body string
	var kept struct {
		Receipt *receipt.Kept `json:"receipt"`
	}
	whole := true
	page.add(s.Raw, rights.Clear, func(text string, state keyring.State) {
		body, whole = text, state == keyring.Clear
		if whole && withBody {
			out.Body = new(base64.RawURLEncoding.EncodeToString([]byte(text)))
		}
	})
	page.add(s.Trace, rights.Clear, func(text string, _ keyring.State) {
		_ = json.Unmarshal([]byte(text), &kept) // without what was kept there is no receipt
	})
	page.then(func() {
		if !whole || kept.Receipt == nil {
			return
		}
		r, err := kept.Receipt.Again(s.Enquiry, s.ReceivedAt, []byte(body), s.Stream, s.Seq,
			func(message []byte) ([]byte, string) { return d.SignReceipt(s.ReceivedAt, message) })
		if err != nil {
			d.Log.Error("desk: what was kept of a receipt does not fit its submission", "submission", s.ID, "error", err)
			return
		}
		out.Receipt = receipt.AppendJSON(nil, r)
	})
}
