package proof

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// proveImport brings a long file in, kills the program in the middle, brings
// the same file in again, and shows that history is offered to nobody.
func proveImport(ctx context.Context, t *trial) error {
	return t.on(ctx, func(ctx context.Context, e Engine) error {
		i, err := t.fresh(ctx, e)
		if err != nil {
			return err
		}
		c := carriage{t: t, i: i, api: i.api(i.world.Accounts[0].SecretKey), label: string(e) + ": "}
		return c.run(ctx)
	})
}

// carriage is the proof on one instance.
type carriage struct {
	t      *trial
	i      *instance
	api    *api
	label  string
	source string // with nothing but what this proof brings
	fed    []reading
}

// carried is as much of an import as the proof reads.
type carried struct {
	ID         string  `json:"id"`
	State      string  `json:"state"`
	Rows       int64   `json:"rows"`
	Done       int64   `json:"rows_done"`
	Taken      int64   `json:"taken"`
	Duplicates int64   `json:"duplicates"`
	Refused    int64   `json:"refused"`
	Rate       float64 `json:"rows_per_second"`
}

const carryUnread = 7 // rows of a file in which nobody can be reached

func (c *carriage) run(ctx context.Context) error {
	rows := c.t.Rows
	if rows == 0 {
		rows = 100_000
	}
	seller, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	if err := c.history(ctx, rows); err != nil {
		return err
	}
	if err := c.again(ctx, rows); err != nil {
		return err
	}
	if err := c.offers(ctx, seller); err != nil {
		return err
	}
	return c.live(ctx, rows)
}

// prepare makes a source of its own and has somebody wait for offers.
func (c *carriage) prepare(ctx context.Context) (seller *api, err error) {
	w := c.i.world.Accounts[0]
	var project struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := c.api.get(ctx, "/v1/projects", &project); err != nil {
		return nil, err
	}
	var source struct {
		ID string `json:"id"`
	}
	in := map[string]any{"project_id": project.Items[0].ID, "name": "Files", "slug": "files"}
	if err := c.api.post(ctx, "/v1/sources", in, &source); err != nil {
		return nil, err
	}
	c.source = source.ID
	for _, u := range w.with("salesperson") {
		if seller, err = c.i.api("").signIn(ctx, u.Email, u.Password); err != nil {
			return nil, err
		}
		if err := seller.call(ctx, http.MethodPut, "/v1/me/presence", map[string]string{"state": "available"}, nil); err != nil {
			return nil, err
		}
	}
	return seller, nil
}

// history brings the file in and kills the program in the middle.
func (c *carriage) history(ctx context.Context, rows int) error {
	m, err := c.send(ctx, "history", c.people("past", rows))
	if err != nil {
		return err
	}
	c.t.check(c.label+"the file came whole", m.Rows == int64(rows), "%d of %d rows", m.Rows, rows)
	if err := c.api.post(ctx, "/v1/imports/"+m.ID+"/start", nil, nil); err != nil {
		return err
	}
	m, err = c.follow(ctx, m.ID, int64(rows)/5)
	if err != nil {
		return err
	}
	c.i.kill()
	c.t.check(c.label+"the kill came in the middle", m.State == "running" && m.Done < int64(rows), "%d rows done, %s", m.Done, m.State)
	at := m.Done
	if err := c.i.again(ctx); err != nil {
		return err
	}
	c.fed = nil
	if m, err = c.follow(ctx, m.ID, -1); err != nil {
		return err
	}
	c.t.check(c.label+"it went on after the kill", m.State == "done" && m.Done == int64(rows) && m.Taken == int64(rows-carryUnread) && m.Refused == carryUnread && m.Duplicates == 0,
		"from %d on; %d rows: %d taken, %d refused, %d duplicates", at, m.Done, m.Taken, m.Refused, m.Duplicates)
	c.t.figure(c.label+"rows a second, with the kill", m.Rate, "")
	c.t.figure(c.label+"resident set at its highest", highest(c.fed), "MiB")
	ok, what := flat(c.fed, int64(rows))
	c.t.check(c.label+"memory does not grow with the rows", ok, "%s", what)
	if err := c.outcomes(ctx, m.ID, map[string]int{"created": rows - carryUnread, "refused": carryUnread}); err != nil {
		return err
	}
	return c.counted(ctx, "history", rows-carryUnread)
}

// again brings the same file in once more, and then as another file.
func (c *carriage) again(ctx context.Context, rows int) error {
	m, err := c.whole(ctx, "history", c.people("past", rows))
	if err != nil {
		return err
	}
	c.t.check(c.label+"a second run of the file adds nothing", m.Taken == 0 && m.Duplicates == int64(rows-carryUnread), "%d taken, %d duplicates", m.Taken, m.Duplicates)
	if err := c.counted(ctx, "history again", rows-carryUnread); err != nil {
		return err
	}
	const few = 1000
	if m, err = c.whole(ctx, "history", c.people("other", few)); err != nil {
		return err
	}
	c.t.check("control: "+c.label+"another file does add", m.Taken == few-carryUnread, "%d taken", m.Taken)
	return c.counted(ctx, "control", rows+few-2*carryUnread)
}

// offers shows that nothing was offered of all this, and that a live row is.
func (c *carriage) offers(ctx context.Context, seller *api) error {
	if _, err := c.i.drain(ctx, 60*time.Second); err != nil {
		return err
	}
	made, err := c.offered(ctx)
	if err != nil {
		return err
	}
	c.t.check(c.label+"history sends no offer", made == 0, "%d leads were offered, with people available", made)
	_ = seller.call(ctx, http.MethodPut, "/v1/me/presence", map[string]string{"state": "available"}, nil)
	if _, err := c.whole(ctx, "live", c.people("live", carryUnread+5)); err != nil {
		return err
	}
	for range 100 {
		if made, err = c.offered(ctx); err != nil || made > 0 {
			break
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	c.t.check("control: "+c.label+"a live row is offered", made > 0, "%d of 5", made)
	return err
}

// offered counts leads of the newest page that were ever offered or wait.
func (c *carriage) offered(ctx context.Context) (n int, err error) {
	return n, pages(ctx, c.api, "/v1/leads?source="+c.source, func(l struct {
		State string `json:"state"`
		Made  int64  `json:"offers_made"`
	}) {
		if l.Made > 0 || l.State == "offered" || l.State == "waiting" {
			n++
		}
	})
}

// counted compares the source's enquiries and leads with what there must be.
func (c *carriage) counted(ctx context.Context, what string, want int) error {
	enquiries, leads := 0, map[string]bool{}
	err := pages(ctx, c.api, "/v1/enquiries?source="+c.source, func(e struct {
		Lead string `json:"lead_id"`
	}) {
		enquiries++
		leads[e.Lead] = true
	})
	c.t.check(c.label+"each row once in SQL ("+what+")", enquiries == want && len(leads) == want, "%d enquiries, %d leads, %d rows", enquiries, len(leads), want)
	return err
}

// outcomes counts the lines of a result file.
func (c *carriage) outcomes(ctx context.Context, id string, want map[string]int) error {
	resp, err := c.request(ctx, http.MethodGet, "/v1/imports/"+id+"/result", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := csv.NewReader(resp.Body)
	in.ReuseRecord = true
	got, lines := map[string]int{}, 0
	for {
		line, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if lines++; lines > 1 {
			got[line[1]]++
		}
	}
	c.t.check(c.label+"the result has a line a row", fmt.Sprint(got) == fmt.Sprint(want), "%v", got)
	return nil
}

// whole brings a file in from its first row to its last.
func (c *carriage) whole(ctx context.Context, mode string, file func(io.Writer) error) (carried, error) {
	m, err := c.send(ctx, mode, file)
	if err != nil {
		return m, err
	}
	if err := c.api.post(ctx, "/v1/imports/"+m.ID+"/start", nil, nil); err != nil {
		return m, err
	}
	return c.follow(ctx, m.ID, -1)
}

// send makes an import and sends its file as it is written.
func (c *carriage) send(ctx context.Context, mode string, file func(io.Writer) error) (m carried, err error) {
	if err := c.api.post(ctx, "/v1/imports", map[string]any{"source_id": c.source, "mode": mode}, &m); err != nil {
		return m, err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(file(w)) }()
	resp, err := c.request(ctx, http.MethodPut, "/v1/imports/"+m.ID+"/file", r)
	if err != nil {
		return m, err
	}
	defer resp.Body.Close()
	return m, json.NewDecoder(resp.Body).Decode(&m)
}

func (c *carriage) request(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.api.base+path, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.api.token)
	r.Header.Set("Content-Type", "text/csv")
	long := *c.api.http
	long.Timeout = 20 * time.Minute
	resp, err := long.Do(r)
	if err == nil && resp.StatusCode >= 400 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		resp.Body.Close()
		return nil, refusal{method, path, resp.StatusCode, problemCode(resp.StatusCode, text), string(text)}
	}
	return resp, err
}

// follow waits until so many rows are done, or with -1 until the end.
func (c *carriage) follow(ctx context.Context, id string, until int64) (m carried, err error) {
	told := int64(0)
	for {
		if err := c.api.get(ctx, "/v1/imports/"+id, &m); err != nil {
			return m, err
		}
		r := c.i.memoryNow(m.Done)
		c.fed = append(c.fed, r)
		if m.State != "running" || until >= 0 && m.Done >= until {
			return m, nil
		}
		if n := m.Done * carryBands / max(m.Rows, 1); n > told {
			told = n
			c.t.say("%d of %d rows, live heap %.1f MiB, resident %.0f MiB", m.Done, m.Rows, r.live, r.resident)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return m, err
		}
	}
}

// people writes a file of invented people; the last few cannot be reached.
func (c *carriage) people(tag string, rows int) func(io.Writer) error {
	return func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		fmt.Fprintln(b, "Name,E-mail,Budget,Created at,Note")
		for n := range rows {
			address := fmt.Sprintf("%s.%d@import.example", tag, n)
			if n >= rows-carryUnread {
				address = ""
			}
			fmt.Fprintf(b, "Import Person %d,%s,%d,2024-%02d-%02d 09:%02d,\"Called, once\"\n", n, address, 1000*(n%900), 1+n%12, 1+n%28, n%60)
		}
		return b.Flush()
	}
}
