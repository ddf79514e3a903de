package privacy

import (
	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/keyring"
	"catchment/internal/lead"

	"github.com/google/uuid"
)

// Opened is the action of every opening of personal data.
const Opened = "opened"

// Masked follows the name of a field, in the record, of which only the masked
// form was given.
const Masked = ":masked"

type openedItem struct {
	Table string `json:"table"`
	Row   string `json:"row"`
	Field string `json:"field"`
	Whose string `json:"whose"`
}

type openedDetail struct {
	Count int          `json:"count"`
	Grant string       `json:"grant,omitempty"`
	Items []openedItem `json:"items"`
}

// Entry is how an opening stands on the account's record: it is found by whose
// data was opened, and by the grant.
func Entry(o keyring.Opening) audit.Entry {
	d := openedDetail{Count: o.Count, Items: make([]openedItem, len(o.Items))}
	var things []string
	for i, it := range o.Items {
		d.Items[i] = openedItem{it.Table, textID(it.Table, it.Row), string(it.Field), textID(whose(it.Table), it.Subject)}
		if it.Masked {
			d.Items[i].Field += Masked
		}
		things = append(things, d.Items[i].Whose)
	}
	if o.Grant != (keyring.GrantID{}) {
		d.Grant = account.GrantIDFrom(o.Grant).String()
		things = append(things, d.Grant)
	}
	return audit.Entry{Actor: o.Actor, Action: Opened, Purpose: o.Purpose, About: o.ID.String(), Things: things, Detail: d}
}

// textID writes a row's id as the API does.
func textID(table string, id [16]byte) string {
	switch table {
	case "person":
		return lead.PersonIDFrom(id).String()
	case "enquiry":
		return lead.EnquiryIDOf(id).String()
	case "lead_file":
		return lead.FileIDFrom(id).String()
	case "dead_letter":
		return lead.DeadIDFrom(id).String()
	case "note":
		return lead.NoteIDFrom(id).String()
	case "member":
		return account.UserIDFrom(id).String()
	case "session":
		return account.SessionIDFrom(id).String()
	case "submission":
		return lead.SubmissionIDFrom(id).String()
	case "site_visit":
		return lead.VisitIDFrom(id).String()
	case "suppression":
		return lead.SuppressionIDFrom(id).String()
	case "device":
		return account.DeviceIDFrom(id).String()
	}
	return uuid.UUID(id).String()
}

// whose is the kind of id under whose key a table's values are; "" for keys
// that are neither a person's nor a user's.
func whose(table string) string {
	switch table {
	case "person", "enquiry", "note", "submission", "site_visit", "suppression", "dead_letter", "lead_file":
		return "person"
	case "member", "session", "device", "passkey", "push_subscription":
		return "member"
	}
	return ""
}
