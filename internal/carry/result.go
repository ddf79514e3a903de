package carry

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/store"
	files "catchment/internal/store/carry"
	"catchment/internal/store/leads"
)

var resultColumns = []string{"row", "outcome", "column", "field", "reason", "detail", "enquiry_id", "lead_id"}

// WriteResult writes a line of CSV for each row that was worked on: created,
// attached (the person's lead was there), duplicate, refused, dead, or waiting
// for intake. Nothing in it is personal.
func (c *Carrier) WriteResult(ctx context.Context, s account.Scope, id lead.ImportID, w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(resultColumns); err != nil {
		return err
	}
	for n := int64(1); ; n++ {
		var lines [][]string
		err := c.DB.Read(ctx, s, func(tx *store.Tx) (err error) {
			lines, err = resultLines(tx, id, n)
			return err
		})
		if errors.Is(err, store.ErrNone) {
			out.Flush()
			return out.Error()
		}
		if err == nil {
			err = out.WriteAll(lines)
		}
		if err != nil {
			return err
		}
	}
}

func resultLines(tx *store.Tx, id lead.ImportID, n int64) ([][]string, error) {
	first, text, err := files.Result(tx, id, n)
	if err != nil {
		return nil, err
	}
	var outcomes []outcome
	if err := json.Unmarshal([]byte(text), &outcomes); err != nil {
		return nil, err
	}
	ids := make([]lead.EnquiryID, 0, len(outcomes))
	at := make([]lead.EnquiryID, len(outcomes))
	for i, o := range outcomes {
		if o.Enquiry == "" {
			continue
		}
		if at[i], err = lead.ParseEnquiryID(o.Enquiry); err != nil {
			return nil, err
		}
		ids = append(ids, at[i])
	}
	fates, err := leads.Fates(tx, ids)
	if err != nil {
		return nil, err
	}
	lines := make([][]string, len(outcomes))
	for i, o := range outcomes {
		f, known := fates[at[i]]
		lines[i] = []string{itoa(first + int64(i)), said(o, f, known), column(o.Column), o.Field, o.Code, wayOut(o.Code), o.Enquiry, f.Lead.String()}
	}
	return lines, nil
}

func column(n int) string {
	if n == 0 {
		return ""
	}
	return itoa(int64(n))
}

func said(o outcome, f leads.Fate, known bool) string {
	switch {
	case o.Was != wasTaken:
		return o.Was
	case !known:
		return "waiting"
	case f.State != lead.Attached:
		return string(f.State)
	case f.ReEnquiry:
		return "attached"
	}
	return "created"
}
