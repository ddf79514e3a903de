package proof

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
)

// carryCanaries brings canaries in by files and begins to give them out: one
// file was imported, one waits half done for its start, one was refused, and
// an export is ready that nobody has fetched. It returns who came in.
func (t *trial) carryCanaries(ctx context.Context, i *instance, c *cage, people company) ([]visitor, error) {
	w := carriage{t: t, i: i, api: i.api(people.SecretKey), source: people.Sources[0].ID}
	in, file := c.file(300, 40)
	m, err := w.whole(ctx, "history", file)
	if err != nil {
		return nil, err
	}
	if m.Taken != int64(len(in)) || m.Refused != 1 {
		return nil, fmt.Errorf("the file of canaries: %d taken, %d refused", m.Taken, m.Refused)
	}
	_, file = c.file(400, 40)
	if m, err = w.send(ctx, "history", file); err != nil {
		return nil, err
	}
	if err := w.api.post(ctx, "/v1/imports/"+m.ID+"/check", nil, nil); err != nil {
		return nil, err
	}
	v := c.visitor(500)
	if _, err = w.send(ctx, "live", func(b io.Writer) error { // a file without its line of columns
		_, err := fmt.Fprintf(b, "%s,%s\n%s,%s\n", v.name, v.email, v.email, v.phone)
		return err
	}); err == nil || strings.Contains(err.Error(), v.email) {
		return nil, fmt.Errorf("a file without columns gave %v", err)
	}
	return in, w.exported(ctx)
}

// exported leaves an export ready.
func (c *carriage) exported(ctx context.Context) error {
	var x struct {
		ID    string `json:"id"`
		State string `json:"state"`
		Rows  int    `json:"rows"`
	}
	if err := c.api.post(ctx, "/v1/exports", map[string]string{"purpose": "proof"}, &x); err != nil {
		return err
	}
	err := c.i.wait(ctx, 60*time.Second, "the export", func() bool {
		return c.api.get(ctx, "/v1/exports/"+x.ID, &x) == nil && x.State == "ready"
	})
	if err == nil && x.Rows == 0 {
		err = fmt.Errorf("the export is empty")
	}
	return err
}

// file makes a file of people who stand nowhere else. The name of its last
// column is one's, and its last row is refused for what stands there.
func (c *cage) file(from, rows int) (out []visitor, write func(io.Writer) error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"Name", "Phone", "E-mail", "Message", "Note", c.keep("column's name", "Wish of "+c.bird()+" "+c.bird())})
	for n := range rows {
		v := c.visitor(from + n)
		out = append(out, v)
		_ = w.Write([]string{v.name, v.phone, v.email, v.message, c.keep("note", "Said that "+c.bird()+" was "+c.bird()), v.custom})
	}
	v := c.visitor(from + rows)
	_ = w.Write([]string{v.name, v.phone, v.email, v.message, "", strings.Repeat(v.custom+" ", 2000)})
	w.Flush()
	return out, func(to io.Writer) error {
		_, err := to.Write(b.Bytes())
		return err
	}
}
