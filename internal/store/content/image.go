// Package content has the tables of what an account shows to everybody.
package content

import (
	"math"
	"time"

	"catchment/internal/account"
	"catchment/internal/store"
)

// The states of an image.
const (
	ImageArriving = "arriving" // its content is not whole in the bucket
	ImageKept     = "kept"
	ImageRemoved  = "removed" // its link has to say that it is gone
	ImageDropped  = "dropped" // it never was whole, and nobody knows its link
)

// ImageArrives is how long one may arrive: then it is given up.
const ImageArrives = time.Hour

// Image is a row of image: a picture that whoever has its link sees.
type Image struct {
	ID            account.ImageID
	Token         string // the link ends with it
	By            string // the actor
	State         string
	Kind          string // media type; "" while it arrives
	Size          int64  // bytes; while it arrives what it may have
	Width, Height int    // pixels
	CreatedAt     time.Time
}

const imageColumns = `image_id, token, by_actor, state, kind, size, width, height, created_at`

var (
	imageAdd = store.Register("content.image.add", `INSERT INTO image (account_id, `+imageColumns+`)
		VALUES ($1, $2, $3, $4, 'arriving', '', $5, 0, 0, $6)`)
	imageKeep = store.Register("content.image.keep", `UPDATE image SET state = 'kept', kind = $3, size = $4, width = $5, height = $6
		WHERE account_id = $1 AND image_id = $2 AND state = 'arriving'`)
	imageTurn = store.Register("content.image.turn", `UPDATE image SET state = $4 WHERE account_id = $1 AND image_id = $2 AND state = $3`)
	imageByID = store.Register("content.image.by_id", `SELECT `+imageColumns+` FROM image WHERE account_id = $1 AND image_id = $2`)
	imagePage = store.Register("content.image.page", `SELECT `+imageColumns+` FROM image
		WHERE account_id = $1 AND state = 'kept' AND (created_at, image_id) < ($2, $3) ORDER BY created_at DESC, image_id DESC LIMIT $4`)
	imageDrop  = store.Register("content.image.drop", `DELETE FROM image WHERE account_id = $1 AND image_id = $2`)
	imageCount = store.Register("content.image.count", `SELECT count(*), COALESCE(sum(size), 0) FROM image WHERE account_id = $1 AND state IN ('arriving', 'kept')`)
)

// AddImage keeps one that arrives.
func AddImage(tx *store.Tx, i Image) error {
	return tx.Must(imageAdd, i.ID, i.Token, i.By, i.Size, store.Micro(i.CreatedAt))
}

// KeepImage says that what arrived is whole. False: it does not arrive, or not
// any more.
func KeepImage(tx *store.Tx, i Image) (bool, error) {
	n, err := tx.Exec(imageKeep, i.ID, i.Kind, i.Size, i.Width, i.Height)
	return n > 0, err
}

// TurnImage brings it from one state to another. False: it was not in that.
func TurnImage(tx *store.Tx, id account.ImageID, from, to string) (bool, error) {
	n, err := tx.Exec(imageTurn, id, from, to)
	return n > 0, err
}

// ImageByID reads one, in whatever state; store.ErrNone.
func ImageByID(tx *store.Tx, id account.ImageID) (Image, error) {
	return scanImage(tx.Row(imageByID, id).Scan)
}

// Images lists up to limit that are kept, newest first, after the one of that
// time and id; the zero time: from the beginning.
func Images(tx *store.Tx, at time.Time, after account.ImageID, limit int) (out []Image, err error) {
	from, place := int64(math.MaxInt64), any(make([]byte, 16))
	if !at.IsZero() {
		from, place = at.UnixMicro(), after
	}
	rows, err := tx.Query(imagePage, from, place, limit)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		i, err := scanImage(scan)
		out = append(out, i)
		return err
	})
	return out, err
}

func scanImage(scan func(...any) error) (i Image, err error) {
	err = scan(&i.ID, &i.Token, &i.By, &i.State, &i.Kind, &i.Size, &i.Width, &i.Height, store.Time(&i.CreatedAt))
	return i, err
}

// DropImage forgets one.
func DropImage(tx *store.Tx, id account.ImageID) error {
	_, err := tx.Exec(imageDrop, id)
	return err
}

// CountImages says how many the account has and how many bytes they take, those
// that arrive counted with what they may have.
func CountImages(tx *store.Tx) (n int, bytes int64, err error) {
	err = tx.Row(imageCount).Scan(&n, &bytes)
	return n, bytes, err
}
