package concern

import (
	"context"
	"fmt"
	"strings"
	"time"

	"catchment/internal/courier"
	"catchment/internal/store"
	"catchment/internal/store/concerns"
	"catchment/internal/vault"
)

// Tell writes to the operators when there are reports that they were not written
// to of: one letter for all of them, every ten minutes at most. It says how many
// there are and where to look, nothing of what they say. What no mail server
// takes is tried again for three days; the console shows them all the same.
func (c *Concerns) Tell(ctx context.Context) error {
	if len(c.o.To) == 0 || c.o.Mail == nil || !c.o.Mail.Ready() || !c.due() {
		return nil
	}
	var n int64
	var newest, last time.Time
	now := c.o.Now()
	err := c.o.DB.ReadDirectory(ctx, func(d *store.Dir) (err error) {
		n, newest, last, err = concerns.Untold(d, now.Add(-tellFor))
		return err
	})
	if err != nil || n == 0 || now.Before(last.Add(tellPause)) {
		return err
	}
	if !c.write(ctx, n, newest) {
		c.wait(now.Add(tellPause))
		return nil // the courier told of it
	}
	return c.o.DB.Directory(ctx, func(d *store.Dir) error { return concerns.Told(d, newest, now) })
}

func (c *Concerns) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.o.Now().Before(c.later)
}

func (c *Concerns) wait(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.later = until
}

// write reports whether a mail server took the letter for anybody.
func (c *Concerns) write(ctx context.Context, n int64, newest time.Time) bool {
	page := strings.TrimRight(c.o.PublicURL, "/") + "/app/console/platform/reports"
	text := fmt.Sprintf(letterEnglish, n, page) + "\n\n— — —\n\n" + fmt.Sprintf(letterArabic, n, page) + "\n"
	taken := false
	for i, to := range c.o.To {
		m := courier.Message{ID: fmt.Sprintf("reports/%d/%d", newest.UnixMicro(), i), To: vault.Hide(to), Text: vault.Hide(text), Subject: letterSubject, Kind: courier.Notice}
		taken = c.o.Mail.Try(ctx, m) == nil || taken
	}
	return taken
}

const (
	letterSubject = "A report waits for the operators · بلاغ في انتظار المشغلين"
	letterEnglish = "New reports from outside: %d.\n\nRead and answer them here:\n%s"
	letterArabic  = "بلاغات جديدة من الخارج: %d.\n\nلقراءتها والرد عليها:\n%s"
)
