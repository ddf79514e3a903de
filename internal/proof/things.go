package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"

	"catchment/internal/upload/specimen"
)

// things makes and lists what the company has. The message of its leads is a
// mark that must not be seen elsewhere.
func (m *matrix) things(ctx context.Context, i *instance, c company, from int) (map[string]string, error) {
	if err := i.clockIn(ctx, c); err != nil {
		return nil, err
	}
	mark := "canary-of-b"
	if c.ID == m.a.ID {
		mark = "canary-of-a"
	}
	a := m.base.as(c.SecretKey)
	var first string
	for n := range 8 {
		body := map[string]any{"source": c.apiSource(), "message": mark, "person": map[string]any{"name": mark, "phone": phone(from + n), "email": fmt.Sprintf("%s-%d@example.com", mark, n)}}
		var got struct {
			ID string `json:"id"`
		}
		if err := a.post(ctx, "/v1/leads", body, &got); err != nil {
			return nil, err
		}
		first = got.ID
	}
	if _, err := i.drain(ctx, 30*time.Second); err != nil {
		return nil, err
	}
	out := map[string]string{"account": c.ID, "enquiry": first, "source": c.apiSource()}
	return out, m.list(ctx, i, a, c, out)
}

// list fills in an id of every kind that the API lists.
func (m *matrix) list(ctx context.Context, i *instance, a *api, c company, out map[string]string) error {
	for kind, path := range map[string]string{"lead": "/v1/leads", "project": "/v1/projects", "stage": "/v1/stages", "key": "/v1/keys", "dead": "/v1/dead-letters", "policy": "/v1/policies"} {
		var list struct {
			Items []struct {
				ID     string `json:"id"`
				Person string `json:"person_id"`
			} `json:"items"`
		}
		if err := a.get(ctx, path, &list); err != nil {
			return err
		}
		if len(list.Items) == 0 {
			continue
		}
		out[kind] = list.Items[0].ID
		if kind == "lead" {
			if err := m.sell(ctx, a, list.Items[0].ID, out); err != nil {
				return err
			}
		}
		if kind == "lead" && len(list.Items) > 2 {
			out["person"] = list.Items[0].Person
			if err := m.merge(ctx, a, list.Items[1].Person, list.Items[2].Person, out); err != nil {
				return err
			}
		}
	}
	if err := m.carry(ctx, a, out); err != nil {
		return err
	}
	if err := m.people(ctx, i, a, c, out); err != nil {
		return err
	}
	if err := m.passkey(ctx, c, out); err != nil {
		return err
	}
	var asked struct{ ID string }
	if err := a.post(ctx, "/v1/subject-requests", map[string]any{"kind": "access", "person_id": out["person"]}, &asked); err != nil {
		return err
	}
	out["request"] = asked.ID
	if err := m.grant(ctx, a, out); err != nil {
		return err
	}
	return m.alarm(ctx, a, out)
}

// grant lets the support open a lead.
func (m *matrix) grant(ctx context.Context, a *api, out map[string]string) error {
	var people struct{ Items []struct{ ID string } }
	if err := a.get(ctx, "/v1/grants/supporters", &people); err != nil {
		return err
	}
	if len(people.Items) == 0 {
		return errors.New("the platform has no support to grant to")
	}
	var made struct{ ID string }
	err := a.post(ctx, "/v1/grants", map[string]any{"to": people.Items[0].ID, "leads": []string{out["lead"]}, "fields": []string{"name", "phone", "email", "message", "note"},
		"until": time.Now().Add(time.Hour), "reason": "proof"}, &made)
	out["grant"] = made.ID
	return err
}

// approval has the operator ask to open the lead, which nobody approves.
func (m *matrix) approval(ctx context.Context, a *api, of string, out map[string]string) error {
	var made struct{ ID string }
	err := a.post(ctx, "/v1/operator/approvals", map[string]any{"kind": "break-glass", "account_id": of, "leads": []string{out["lead"]}, "fields": []string{"name"},
		"minutes": 5, "purpose": "proof"}, &made)
	out["approval"] = made.ID
	return err
}

// report has a stranger report something to the operators.
func (m *matrix) report(ctx context.Context, operator *api, out map[string]string) error {
	form := url.Values{"kind": {"other"}, "message": {"proof"}}.Encode()
	r, err := m.base.as("").do(ctx, http.MethodPost, "/report", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form))
	if err != nil || r.status != http.StatusSeeOther {
		return fmt.Errorf("the form of reports: %d, %v", r.status, err)
	}
	var list struct{ Items []struct{ ID string } }
	if err := operator.get(ctx, "/v1/platform/reports?limit=1", &list); err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return errors.New("a report was taken and is in no list")
	}
	out["report"] = list.Items[0].ID
	return nil
}

// alarm lets a clock of a second run out for a lead, so that there is one.
func (m *matrix) alarm(ctx context.Context, a *api, out map[string]string) error {
	var l struct {
		Items []struct {
			ID      string              `json:"id"`
			Project struct{ ID string } `json:"project"`
		} `json:"items"`
	}
	if err := a.get(ctx, "/v1/leads?limit=100", &l); err != nil {
		return err
	}
	last := l.Items[len(l.Items)-1]
	var made struct{ ID string }
	policy := map[string]any{"project_id": last.Project.ID, "name": "Clocks", "policy": map[string]any{"rules": []any{map[string]any{"name": "Everyone", "method": "round_robin"}},
		"clocks": []any{map[string]any{"clock": "accept_to_attempt", "seconds": 1, "then": "alert"}}}}
	if err := a.post(ctx, "/v1/policies", policy, &made); err != nil {
		return err
	}
	if err := a.post(ctx, "/v1/policies/"+made.ID+"/publish", nil, nil); err != nil {
		return err
	}
	if err := a.post(ctx, "/v1/leads/"+last.ID+"/transfer", map[string]any{"to": out["user"]}, nil); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < 30*time.Second; {
		var list struct{ Items []struct{ ID string } }
		if err := a.get(ctx, "/v1/alarms", &list); err != nil {
			return err
		}
		if len(list.Items) > 0 {
			out["alarm"] = list.Items[0].ID
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("no alarm within 30s of a clock of one second")
}

// carry begins an import, an export and a back-test, and makes a role, a day off and a public picture, so that there is one of each.
func (m *matrix) carry(ctx context.Context, a *api, out map[string]string) error {
	for kind, of := range map[string]struct {
		path string
		body map[string]any
	}{
		"import":   {"/v1/imports", map[string]any{"source_id": out["source"], "mode": "history"}},
		"export":   {"/v1/exports", map[string]any{"purpose": "matrix"}},
		"webhook":  {"/v1/webhooks", map[string]any{"url": "https://localhost/matrix"}},
		"holiday":  {"/v1/holidays", map[string]any{"name": "Matrix", "from": "2028-01-02"}},
		"archive":  {"/v1/account/archives", map[string]any{"purpose": "matrix"}},
		"role":     {"/v1/roles", map[string]any{"name": "Matrix", "permissions": map[string]string{"setup:read": "all"}}},
		"backtest": {"/v1/policies/" + out["policy"] + "/backtest", map[string]any{"days": 1}},
	} {
		var made struct {
			ID string `json:"id"`
		}
		if err := a.post(ctx, of.path, of.body, &made); err != nil {
			return err
		}
		out[kind] = made.ID
	}
	var err error
	out["image"], err = a.publish(ctx)
	return err
}

// publish adds a public picture.
func (a *api) publish(ctx context.Context) (id string, err error) {
	const path = "/v1/images"
	r, err := a.do(ctx, http.MethodPost, path, http.Header{"Content-Type": {"application/octet-stream"}}, specimen.PNG(8, 8))
	if err != nil {
		return "", err
	}
	if r.status != http.StatusCreated {
		return "", refusal{http.MethodPost, path, r.status, problemCode(r.status, r.body), string(r.body)}
	}
	var made struct{ ID string }
	return made.ID, json.Unmarshal(r.body, &made)
}

// sell begins an attempt, plans a visit and books, so that there is one of each.
func (m *matrix) sell(ctx context.Context, a *api, id string, out map[string]string) error {
	for kind, of := range map[string]struct {
		path string
		body map[string]any
	}{
		"attempt": {"attempts/begin", map[string]any{"channel": "call"}},
		"visit":   {"visits", map[string]any{"at": time.Now().Add(time.Hour)}},
		"booking": {"bookings", map[string]any{"value_minor": 1, "currency": "GBP"}},
	} {
		var made struct {
			ID string `json:"id"`
		}
		if err := a.post(ctx, "/v1/leads/"+id+"/"+of.path, of.body, &made); err != nil {
			return err
		}
		out[kind] = made.ID
	}
	var err error
	out["file"], err = a.attach(ctx, id, "proof.txt", []byte("canary of a file"))
	return err
}

// attach adds a file to a lead.
func (a *api) attach(ctx context.Context, to, name string, content []byte) (id string, err error) {
	path := "/v1/leads/" + to + "/files"
	h := http.Header{"Content-Type": {"application/octet-stream"}, "Content-Disposition": {mime.FormatMediaType("attachment", map[string]string{"filename": name})}}
	r, err := a.do(ctx, http.MethodPost, path, h, content)
	if err != nil {
		return "", err
	}
	if r.status != http.StatusCreated {
		return "", refusal{http.MethodPost, path, r.status, problemCode(r.status, r.body), string(r.body)}
	}
	var made struct{ ID string }
	return made.ID, json.Unmarshal(r.body, &made)
}

func (m *matrix) merge(ctx context.Context, a *api, keep, other string, out map[string]string) error {
	var merged struct {
		ID string `json:"id"`
	}
	err := a.post(ctx, "/v1/persons/"+keep+"/merge", map[string]string{"other": other}, &merged)
	out["merge"] = merged.ID
	return err
}

func (m *matrix) people(ctx context.Context, i *instance, a *api, c company, out map[string]string) error {
	var users struct {
		Items []struct {
			ID   string `json:"id"`
			Role string `json:"role"`
		} `json:"items"`
	}
	if err := a.get(ctx, "/v1/users", &users); err != nil {
		return err
	}
	for _, u := range users.Items {
		if u.Role == "salesperson" {
			out["user"] = u.ID
		}
	}
	for _, u := range c.with("salesperson") {
		s, err := m.base.signIn(ctx, u.Email, u.Password)
		if err != nil {
			return err
		}
		var offers struct {
			Items []struct {
				ID   string `json:"id"`
				Lead string `json:"lead_id"`
			} `json:"items"`
		}
		if err := s.get(ctx, "/v1/offers", &offers); err != nil {
			return err
		}
		if len(offers.Items) > 0 {
			out["offer"] = offers.Items[0].ID
		}
	}
	var sessions struct{ Items []struct{ ID string } }
	if err := a.get(ctx, "/v1/users/"+out["user"]+"/sessions", &sessions); err != nil {
		return err
	}
	if len(sessions.Items) > 0 {
		out["session"] = sessions.Items[0].ID
	}
	return m.device(ctx, i, c, out)
}

// device has a salesperson's phone get its key.
func (m *matrix) device(ctx context.Context, i *instance, c company, out map[string]string) error {
	seller, err := m.session(ctx, i, c, "salesperson")
	if err != nil {
		return err
	}
	var d struct {
		ID string `json:"device_id"`
	}
	err = seller.post(ctx, "/v1/me/device", map[string]any{}, &d)
	out["device"] = d.ID
	return err
}
