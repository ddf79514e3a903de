package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// factors is what a session is asked for, as the API tells.
type factors struct {
	Limited   bool     `json:"limited"`
	Needs     []string `json:"needs"`
	TOTPSince *string  `json:"totp_since"`
}

// strengthen has whoever signed in show a second factor, if one is asked for:
// the code of their app, whose seed is known, or one to their phone. Who has no
// app gets one. keep writes the seed down before it counts, so that a stop in
// between locks nobody out.
func (c *client) strengthen(ctx context.Context, phone string, seed *string, keep func() error) (*client, error) {
	var f factors
	if err := c.insist(ctx, http.MethodGet, "/v1/me/factors", "", nil, &f); err != nil || !f.Limited {
		return c, err
	}
	if *seed != "" && slices.Contains(f.Needs, "totp") {
		return c.showCode(ctx, *seed, "/v1/sessions/current/factors", "totp")
	}
	if slices.Contains(f.Needs, "code") {
		code, flow, err := c.awaitCode(ctx, "/v1/sessions/current/codes", nil, phone)
		if err == nil && code == "" {
			err = fmt.Errorf("no code came to %s", phone)
		}
		if err != nil {
			return nil, err
		}
		if c, _, err = c.begin(ctx, "/v1/sessions/current/factors", map[string]string{"flow": flow, "code": code}); err != nil {
			return nil, err
		}
	}
	return c.enrol(ctx, seed, keep)
}

// showCode shows a code of the app in the field of a request. One that was used
// by an earlier process, up to a minute ago, or whose time was over on the way,
// is followed by the next.
func (c *client) showCode(ctx context.Context, seed, path, field string) (*client, error) {
	for try := 0; ; try++ {
		code, err := c.apps.Next(ctx, seed)
		if err != nil {
			return nil, err
		}
		raised, _, err := c.begin(ctx, path, map[string]string{field: code})
		if err == nil || !is(err, http.StatusUnprocessableEntity) || try == 2 {
			return raised, err
		}
	}
}

func (c *client) enrol(ctx context.Context, seed *string, keep func() error) (*client, error) {
	var offer struct {
		Secret string `json:"secret"`
	}
	if err := c.insist(ctx, http.MethodPost, "/v1/me/totp", "", nil, &offer); err != nil {
		return nil, err
	}
	*seed = offer.Secret
	if err := keep(); err != nil {
		return nil, err
	}
	return c.showCode(ctx, offer.Secret, "/v1/me/totp/confirm", "code")
}
