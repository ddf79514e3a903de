package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// site is a project of its own, with a source and a team that takes any number
// of offers.
type site struct{ project, source string }

// site makes it, and waits until the door knows it.
func (i *instance) site(ctx context.Context, team int) (site, error) {
	s, err := i.layOut(ctx, team)
	if err != nil {
		return s, err
	}
	return s, i.untilKnown(ctx, s)
}

// layOut makes it through the API, as an admin would.
func (i *instance) layOut(ctx context.Context, team int) (site, error) {
	s, err := i.project(ctx, "proof")
	if err != nil {
		return s, err
	}
	return s, i.team(ctx, i.api(i.world.Accounts[0].SecretKey), s, team)
}

// project makes a project of this slug, with a source and nobody yet.
func (i *instance) project(ctx context.Context, slug string) (site, error) {
	a := i.api(i.world.Accounts[0].SecretKey)
	var s site
	var made struct {
		ID string `json:"id"`
	}
	if err := a.post(ctx, "/v1/projects", map[string]any{"name": "Proof", "slug": slug, "time_zone": "UTC"}, &made); err != nil {
		return s, err
	}
	s.project = made.ID
	pool := map[string]any{"name": "Everybody", "accept_seconds": 3600, "offers_at_once": 100_000, "alarm_seconds": 86_400}
	if err := a.call(ctx, http.MethodPut, "/v1/projects/"+s.project+"/pool", pool, nil); err != nil {
		return s, err
	}
	if err := a.post(ctx, "/v1/sources", map[string]any{"project_id": s.project, "name": "Proof", "slug": slug + "-api"}, &made); err != nil {
		return s, err
	}
	s.source = made.ID
	return s, nil
}

// team hires salespeople, a few at a time: each chooses a password, which
// costs the server some memory and time.
func (i *instance) team(ctx context.Context, a *api, s site, team int) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var faults error
	todo := make(chan int)
	for range 4 {
		wg.Go(func() {
			for n := range todo {
				if err := i.hire(ctx, a, s, n); err != nil {
					mu.Lock()
					faults = errors.Join(faults, fmt.Errorf("salesperson %d: %w", n, err))
					mu.Unlock()
				}
			}
		})
	}
	for n := range team {
		todo <- n
	}
	close(todo)
	wg.Wait()
	return faults
}

func (i *instance) hire(ctx context.Context, a *api, s site, n int) error {
	var made struct {
		ID   string `json:"id"`
		Link string `json:"link"`
	}
	email, password := fmt.Sprintf("seller-%d@team.example", n), "a-long-password-for-the-proof"
	if err := a.post(ctx, "/v1/users", map[string]any{"name": fmt.Sprintf("Seller %03d", n), "role": "salesperson", "email": email}, &made); err != nil {
		return err
	}
	var shifts []map[string]int
	for d := range 7 {
		shifts = append(shifts, map[string]int{"weekday": d, "start_minute": 0, "end_minute": 1440})
	}
	if err := a.call(ctx, http.MethodPut, "/v1/users/"+made.ID+"/shifts", map[string]any{"shifts": shifts}, nil); err != nil {
		return err
	}
	if err := a.as("").post(ctx, "/v1/links/redeem", map[string]string{"token": made.Link, "password": password}, nil); err != nil {
		return err
	}
	if err := a.call(ctx, http.MethodPut, "/v1/projects/"+s.project+"/pool/members/"+made.ID, nil, nil); err != nil {
		return err
	}
	_, err := i.comeIn(ctx, user{Email: email, Password: password})
	return err
}

// untilKnown waits until the door takes leads of the new source.
func (i *instance) untilKnown(ctx context.Context, s site) error {
	test := crowd{tag: "known", source: s.source, test: true}
	door := i.api(i.world.Accounts[0].PublishableKey)
	return i.wait(ctx, 10*time.Second, "the source at the door", func() bool {
		r, err := door.do(ctx, http.MethodPost, "/v1/leads", nil, test.body(0))
		return err == nil && r.status == http.StatusAccepted
	})
}

// untilOffered waits until every lead is on offer, and says how long that took.
func (i *instance) untilOffered(ctx context.Context, s site, leads int, began time.Time) (time.Duration, error) {
	a := i.api(i.world.Accounts[0].SecretKey)
	offered, before, moved := 0, -1, time.Now()
	for {
		var board struct {
			Projects []struct {
				ID      string `json:"id"`
				Offered int    `json:"offered"`
			} `json:"projects"`
		}
		if err := a.get(ctx, "/v1/board", &board); err != nil {
			return 0, err
		}
		for _, p := range board.Projects {
			if p.ID == s.project {
				offered = p.Offered
			}
		}
		if offered >= leads {
			return time.Since(began), nil
		}
		if offered != before {
			before, moved = offered, time.Now()
		} else if time.Since(moved) > 30*time.Second {
			return 0, fmt.Errorf("no offer for 30 s; %d of %d are made", offered, leads)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}
