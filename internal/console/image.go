package console

import (
	"context"
	"net/http"
	"time"

	"catchment/internal/account"
	"catchment/internal/filing"
	"catchment/internal/keyring"
	"catchment/internal/store"
	"catchment/internal/store/content"
	"catchment/internal/upload"
	"catchment/internal/web"
)

// Image is a picture that whoever has its link sees.
type Image struct {
	ID        string    `json:"id" example:"img_01h455vb4pex5vsknk084sn02q"`
	URL       string    `json:"url" doc:"The link: it works without a credential, and what it leads to never changes." example:"https://files.example.net/i/3mT0cG9kq2r1s8uVbN4wZxYpLhJdFa7E"`
	Kind      string    `json:"kind" enum:"image/jpeg,image/png" example:"image/jpeg"`
	Size      int64     `json:"size" doc:"Bytes." example:"48213"`
	Width     int       `json:"width" doc:"Pixels." example:"1200"`
	Height    int       `json:"height" doc:"Pixels." example:"630"`
	By        string    `json:"by" doc:"A user's or key's id."`
	CreatedAt time.Time `json:"created_at"`
}

func (c *Console) imageView(i content.Image) Image {
	return Image{ID: i.ID.String(), URL: c.FilesURL + "/i/" + i.Token, Kind: i.Kind, Size: i.Size, Width: i.Width, Height: i.Height, By: i.By, CreatedAt: i.CreatedAt}
}

// ImageRemoved is the answer to a removal.
type ImageRemoved struct {
	ID      string `json:"id" example:"img_01h455vb4pex5vsknk084sn02q"`
	Removed bool   `json:"removed"`
}

type imagesIn struct{ web.Page }

type imageIn struct {
	ID string `path:"id" doc:"The image's id." example:"img_01h455vb4pex5vsknk084sn02q"`
}

var addImageOp = web.Op{Method: http.MethodPost, Path: "/v1/images", Name: "add-image", Tag: "images", Permission: account.DraftContent, Status: http.StatusCreated, Takes: web.Octets, MaxBody: upload.MaxBytes,
	Summary: "Add a public picture",
	Detail: "For mails and pages: the answer has a link that works without a credential, whoever has it, for ever or until the picture is removed. The body is the file, as application/octet-stream whatever it is: its kind is told by its content. " +
		"Taken are JPEG, PNG, WebP and GIF, up to 25 MiB and 25 million pixels. The picture is drawn anew, without place, camera, comments or whatever was joined to it; of moving pictures the first is kept. docs/files.md has all refusals."}

func (c *Console) imageRoutes() {
	web.See(c.API, web.Op{Method: http.MethodGet, Path: "/v1/images", Name: "list-images", Tag: "images", Permission: account.DraftContent,
		Summary: "The account's public pictures, newest first"}, c.listImages)
	web.Meet(c.API, web.Op{Method: http.MethodDelete, Path: "/v1/images/{id}", Name: "remove-image", Tag: "images", Permission: account.DraftContent,
		Summary: "Remove a public picture", Detail: "Its link answers 410 from now on, also in mails that were sent. What a mailbox or a browser has kept of it stays there."}, c.removeImage)
	c.API.Handle(addImageOp, c.addImage)
	c.describeImages()
}

func (c *Console) listImages(_ *web.Visit, tx *store.Tx, in *imagesIn) (*web.List[Image], error) {
	from, err := in.Start()
	if err != nil {
		return nil, err
	}
	found, err := content.Images(tx, from.At, web.IDAt[account.ImageID](from), in.Limit+1)
	if err != nil {
		return nil, err
	}
	return web.ListOf(in.Page, found, func(i content.Image) web.Place { return web.Place{At: i.CreatedAt, ID: i.ID.UUID()} }, c.imageView), nil
}

// removeImage has the link say so before it answers; while the bucket is away
// the job that Remove has planned does it as soon as it can.
func (c *Console) removeImage(ctx context.Context, v *web.Visit, in *imageIn) (*ImageRemoved, error) {
	id, err := web.PathID(in.ID, account.ParseImageID)
	if err != nil {
		return nil, err
	}
	var row content.Image
	err = c.DB.Write(ctx, v.Scope, func(tx *store.Tx) (err error) {
		row, err = c.Images.Remove(tx, v.Actor, v.User, id, v.At)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := c.Filing.Bury(context.WithoutCancel(ctx), row.Token); err != nil {
		c.Log.Warn("a picture that was removed is shown until its bucket is back", "image_id", id.String(), "error", err)
	}
	return &ImageRemoved{id.String(), true}, nil
}

// addImage answers POST /v1/images.
func (c *Console) addImage(w http.ResponseWriter, r *http.Request, v *web.Visit) {
	out, err := c.takeImage(w, r, v)
	c.API.Answer(w, r, v, addImageOp, out, err)
}

// takeImage has the room for a picture looked at before any of it is read, and
// its content in the bucket before its row says so.
func (c *Console) takeImage(w http.ResponseWriter, r *http.Request, v *web.Visit) (*Image, error) {
	ctx := r.Context()
	if err := web.SentAsFile(r); err != nil {
		return nil, err
	}
	if err := c.Filing.Enter(ctx, v.Scope.Account()); err != nil {
		return nil, err
	}
	defer c.Filing.Leave(v.Scope.Account())
	n := content.Image{ID: account.NewImageID(), Token: filing.NewToken(), By: v.Actor, Size: upload.MaxBytes, CreatedAt: v.At}
	if r.ContentLength >= 0 {
		n.Size = r.ContentLength
	}
	out, known := &Image{}, false
	err := c.DB.Write(ctx, v.Scope, func(tx *store.Tx) (err error) {
		if known, err = c.API.Recall(tx, v, addImageOp, r, "", out); known || err != nil {
			return err
		}
		return c.Images.Begin(tx, n, c.FilesRoom, v.At)
	})
	if known || err != nil {
		return out, err
	}
	if out, err = c.keepImage(w, r, v, n); err != nil {
		c.giveUp(ctx, v, n.ID)
	}
	return out, err
}

func (c *Console) keepImage(w http.ResponseWriter, r *http.Request, v *web.Visit, n content.Image) (*Image, error) {
	ctx, of := r.Context(), v.Scope.Account()
	key, _ := keyring.NewContentKey(n.ID.UUID()) // while it is looked at; then it is everybody's
	got, err := c.Filing.Receive(ctx, of, r.Body, key, web.Alive(w))
	if err != nil {
		return nil, upload.OnlyPictures(err)
	}
	defer got.Close()
	if !got.Kind.Picture() {
		return nil, upload.NoPicture()
	}
	n.Kind, n.Size = string(got.Kind), got.Size
	if n.Width, n.Height, err = c.Filing.Pixels(got, key); err != nil {
		return nil, err
	}
	if err := c.Filing.Publish(ctx, of, n.Token, v.At, got, key); err != nil {
		return nil, err
	}
	out := c.imageView(n)
	err = c.DB.Write(ctx, v.Scope, func(tx *store.Tx) error {
		if err := c.Images.Keep(tx, v.Actor, v.User, n, v.At); err != nil {
			return err
		}
		return c.API.Remember(tx, v, addImageOp, r, "", out)
	})
	return &out, err
}

// giveUp forgets a picture that did not arrive, also when its sender has gone;
// what this cannot do the job does that Begin has planned.
func (c *Console) giveUp(ctx context.Context, v *web.Visit, id account.ImageID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := c.DB.Write(ctx, v.Scope, func(tx *store.Tx) error { return c.Images.GiveUp(tx, id, time.Now()) })
	if err != nil {
		c.Log.Warn("a picture that did not arrive stays for an hour", "account_id", v.Scope.Account().String(), "error", err)
	}
}

// describeImages puts the route that carries a picture into the document.
func (c *Console) describeImages() {
	answer := func(says string) map[string]any { return map[string]any{"description": says} }
	made := answer("The picture, with its link.")
	made["content"] = map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/Image"}}}
	c.API.Describe(web.Fragment{"paths": map[string]any{addImageOp.Path: map[string]any{"post": map[string]any{
		"operationId": addImageOp.Name, "summary": addImageOp.Summary, "description": addImageOp.Detail, "tags": []string{addImageOp.Tag}, "x-permission": string(addImageOp.Permission),
		"security": []any{map[string]any{"key": []any{}}},
		"parameters": []any{map[string]any{"name": "Idempotency-Key", "in": "header", "description": "A repeat with the same key gets the same answer; its body is not read.",
			"schema": map[string]any{"type": "string"}}},
		"requestBody": map[string]any{"required": true, "content": map[string]any{web.Octets: map[string]any{"schema": map[string]any{"type": "string", "format": "binary"}}}},
		"responses": map[string]any{"201": made, "401": answer("No valid credential."), "403": answer("Not for this role."),
			"413": answer("It is too large, or there is no room: file_too_large, too_many_images, account_full."),
			"415": answer("It is no picture, or Content-Type is not application/octet-stream."),
			"422": answer("This picture cannot be taken; errors says why.")},
	}}}})
}
