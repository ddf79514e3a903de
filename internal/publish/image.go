package publish

import (
	"errors"
	"time"

	"catchment/internal/account"
	"catchment/internal/audit"
	"catchment/internal/events"
	"catchment/internal/jobs"
	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/content"
	"catchment/internal/store/leads"
)

// MaxImages is how many public pictures an account has.
const MaxImages = 2000

// kindImage is filing's job that makes the bucket say of a picture what its row
// says; its key is the picture's id.
const kindImage jobs.Kind = "image"

// Images are the rows of public pictures: what an account shows to whoever has a
// link. What they show goes through filing.
type Images struct {
	jobs   *jobs.List
	events *events.Log
}

// NewImages returns it.
func NewImages(l *jobs.List, e *events.Log) *Images { return &Images{l, e} }

// Begin makes room for a picture, before any of it is read. room is how many
// bytes all files of the account may have together, those of leads too. What is
// begun and not kept is given up after content.ImageArrives.
func (s *Images) Begin(tx *store.Tx, i content.Image, room int64, now time.Time) error {
	n, bytes, err := content.CountImages(tx)
	if err != nil {
		return err
	}
	of, err := leads.FileBytes(tx)
	if err != nil {
		return err
	}
	if n >= MaxImages {
		return full("too_many_images", "This account has %d pictures, which is as many as an account has. Remove one that no mail and no page shows any more.", MaxImages)
	}
	if bytes+of+i.Size > room {
		return full("account_full", "The files of this account fill its %d MiB. Remove some, or ask whoever runs the server for more (--files-room).", room>>20)
	}
	if err := content.AddImage(tx, i); err != nil {
		return err
	}
	return s.jobs.Add(tx, kindImage, i.ID.String(), now.Add(content.ImageArrives))
}

// full is 413: what is too large is all files together.
func full(code, format string, args ...any) error {
	p := problem.TooLarge(code, format, args...)
	p.Errors = []problem.Field{{Field: "file", Code: code, Detail: p.Detail}}
	return p
}

// Keep says that a picture is whole in the bucket. The record has its id and not
// its token: who reads the record has no link.
func (s *Images) Keep(tx *store.Tx, actor string, user account.UserID, i content.Image, now time.Time) error {
	ok, err := content.KeepImage(tx, i)
	if err == nil && !ok {
		err = problem.Conflict("file_given_up", "The file took too long, or was removed while it arrived. Send it again.")
	}
	if err != nil {
		return err
	}
	detail := map[string]any{"image_id": i.ID.String(), "kind": i.Kind, "size": i.Size, "width": i.Width, "height": i.Height}
	s.events.Emit(tx, events.Event{Kind: events.ImageAdded, At: now, User: user, Data: detail})
	return audit.Write(tx, now, audit.Entry{Actor: actor, Action: "image.added", About: i.ID.String(), Detail: detail})
}

// GiveUp forgets a picture that does not arrive after all.
func (s *Images) GiveUp(tx *store.Tx, id account.ImageID, now time.Time) error {
	if _, err := content.TurnImage(tx, id, content.ImageArriving, content.ImageDropped); err != nil {
		return err
	}
	return s.jobs.Add(tx, kindImage, id.String(), now)
}

// Remove has a picture shown to nobody any more, and gives its row, so that the
// link can say so at once; what the caller does not do the job does.
func (s *Images) Remove(tx *store.Tx, actor string, user account.UserID, id account.ImageID, now time.Time) (content.Image, error) {
	row, err := content.ImageByID(tx, id)
	if errors.Is(err, store.ErrNone) || err == nil && row.State != content.ImageKept {
		return row, problem.NotFound()
	}
	if err == nil {
		_, err = content.TurnImage(tx, id, content.ImageKept, content.ImageRemoved)
	}
	if err == nil {
		err = s.jobs.Add(tx, kindImage, id.String(), now)
	}
	if err != nil {
		return row, err
	}
	s.events.Emit(tx, events.Event{Kind: events.ImageRemoved, At: now, User: user, Data: map[string]any{"image_id": id.String()}})
	return row, audit.Write(tx, now, audit.Entry{Actor: actor, Action: "image.removed", About: id.String(), Detail: map[string]any{"image_id": id.String()}})
}
