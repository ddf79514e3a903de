package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"catchment/internal/account"
	"catchment/internal/events"
)

// Kinds beside those of events.
const (
	KindTest       = "webhook.test"      // somebody has asked for it
	KindCheckpoint = "record.checkpoint" // the record was signed
)

// Kinds lists what a webhook can ask for, in the order of docs/api.md.
func Kinds() []string {
	var out []string
	for _, k := range events.Kinds() {
		out = append(out, string(k))
	}
	return append(out, KindCheckpoint)
}

// message is what goes out.
type message struct {
	id       string // the webhook-id: the same at every try and replay
	kind     string
	at       time.Time
	body     []byte
	position int64 // of the event; 0: it is none

	tried int // before
}

// envelope is the body: thin, ids and nothing personal.
type envelope struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// MessageID is a webhook-id: whoever has it already has had the event.
func MessageID(a account.ID, position int64) string { return fmt.Sprintf("%s.%d", a, position) }

func eventMessage(a account.ID, e events.Positioned) (message, error) {
	kind, at := string(e.Kind), e.At
	body, err := json.Marshal(envelope{kind, at, struct {
		Account  account.ID `json:"account_id"`
		Position int64      `json:"position"`
		events.Event
		Kind bool `json:"kind,omitempty"` // these two stand outside
		At   bool `json:"at,omitempty"`
	}{Account: a, Position: e.Position, Event: e.Event}})
	return message{id: MessageID(a, e.Position), kind: kind, at: at, body: body, position: e.Position}, err
}

// checkpointMessage carries the signed note as it stands: its receiver keeps
// it, and checks an export of the record against it (docs/audit.md).
func checkpointMessage(a account.ID, size int64, at time.Time, note string) (message, error) {
	body, err := json.Marshal(envelope{KindCheckpoint, at, struct {
		Account account.ID `json:"account_id"`
		Size    int64      `json:"size"`
		Note    string     `json:"note"`
	}{a, size, note}})
	return message{id: fmt.Sprintf("%s.checkpoint.%d", a, size), kind: KindCheckpoint, at: at, body: body}, err
}

func testMessage(a account.ID, w account.WebhookID, id string, at time.Time) (message, error) {
	body, err := json.Marshal(envelope{KindTest, at, struct {
		Account account.ID        `json:"account_id"`
		Webhook account.WebhookID `json:"webhook_id"`
	}{a, w}})
	return message{id: id, kind: KindTest, at: at, body: body}, err
}

// asksFor reports whether a webhook that names these kinds wants one. Who names
// none wants all that happens, and no checkpoints.
func asksFor(kinds []string, kind string) bool {
	if len(kinds) == 0 {
		return kind != KindCheckpoint
	}
	return slices.Contains(kinds, kind)
}
