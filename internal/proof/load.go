package proof

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// load posts a ledger's leads over kept-alive connections. It writes its own
// requests: a full HTTP client would cost more than the server it measures.
type load struct {
	addr    string // host:port
	path    string // "/v1/leads" when empty
	key     string
	book    *ledger
	conns   int
	rate    float64       // leads a second, open loop; 0: each connection sends as soon as it was answered
	timeout time.Duration // of one request, 10 s when zero
}

// run sends until ctx ends or the ledger is exhausted. With fresh false it
// sends only what is not acknowledged yet, and ends when there is none.
func (l *load) run(ctx context.Context, fresh bool) {
	var wg sync.WaitGroup
	tick := l.ticks(ctx)
	for range l.conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			l.work(ctx, fresh, tick)
		}()
	}
	wg.Wait()
}

// ticks gives one value a lead at the wanted rate; nil without a rate.
func (l *load) ticks(ctx context.Context) <-chan time.Time {
	if l.rate <= 0 {
		return nil
	}
	out := make(chan time.Time, 100_000)
	go func() {
		began, made := time.Now(), 0
		for ctx.Err() == nil {
			for due := int(time.Since(began).Seconds() * l.rate); made < due; made++ {
				select {
				case out <- time.Now():
				default: // nobody keeps up: the lead is not sent at all
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	return out
}

func (l *load) work(ctx context.Context, fresh bool, tick <-chan time.Time) {
	var c wire
	defer c.close()
	for ctx.Err() == nil {
		began := time.Now()
		if tick != nil {
			select {
			case began = <-tick: // an open loop counts the wait for a connection, too
			case <-ctx.Done():
				return
			}
		}
		n, ok := l.book.take(fresh)
		if !ok {
			if fresh || l.book.outstanding() == 0 {
				return
			}
			_ = pause(ctx, 10*time.Millisecond)
			continue
		}
		l.send(ctx, &c, n, began)
	}
}

// send posts lead n and books the answer. What came back broken or refused is
// sent again by whoever takes it next, after a moment.
func (l *load) send(ctx context.Context, c *wire, n int, began time.Time) {
	r, err := c.post(l, n)
	took := time.Since(began)
	if err != nil {
		c.close()
		l.book.lost(n)
		_ = pause(ctx, 25*time.Millisecond)
		return
	}
	if r.status == http.StatusAccepted {
		var a struct {
			ID      string          `json:"id"`
			Receipt json.RawMessage `json:"receipt"`
		}
		if json.Unmarshal(r.body, &a) == nil && a.ID != "" {
			l.book.acked(n, a.ID, a.Receipt, took)
			return
		}
		r.code = "202 without an id"
	}
	l.book.refused(n, r.status, r.code, r.retryAfter != "", took)
	_ = pause(ctx, 50*time.Millisecond)
}

// wire is one connection.
type wire struct {
	c    net.Conn
	r    *bufio.Reader
	out  []byte
	body []byte
}

type reply struct {
	status     int
	code       string // of a problem
	retryAfter string
	body       []byte
}

func (w *wire) close() {
	if w.c != nil {
		_ = w.c.Close()
		w.c = nil
	}
}

func (w *wire) post(l *load, n int) (reply, error) {
	timeout := l.timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	if w.c == nil {
		if err := w.dial(l.addr); err != nil {
			return reply{}, err
		}
	}
	_ = w.c.SetDeadline(time.Now().Add(timeout))
	w.body = l.book.crowd.appendBody(w.body[:0], n)
	w.out = appendRequest(w.out[:0], l, n, w.body)
	if _, err := w.c.Write(w.out); err != nil {
		return reply{}, err
	}
	return w.read()
}

func (w *wire) dial(addr string) error {
	c, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil {
		return err
	}
	w.c, w.r = c, bufio.NewReaderSize(c, 8192)
	return nil
}

func appendRequest(b []byte, l *load, n int, body []byte) []byte {
	path := l.path
	if path == "" {
		path = "/v1/leads"
	}
	b = append(b, "POST "...)
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, l.addr...)
	b = append(b, "\r\nUser-Agent: catchment-prove/1\r\nAuthorization: Bearer "...)
	b = append(b, l.key...)
	b = append(b, "\r\nContent-Type: application/json\r\nIdempotency-Key: "...)
	b = append(b, l.book.crowd.key(n)...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}

func (w *wire) read() (reply, error) {
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	if r.body, err = readBody(resp); err != nil {
		return reply{}, err
	}
	if resp.Close {
		w.close()
	}
	if r.status != http.StatusAccepted {
		r.code = problemCode(r.status, r.body)
	}
	return r, nil
}

func readBody(resp *http.Response) ([]byte, error) {
	if n := resp.ContentLength; n >= 0 && n < 1<<20 {
		b := make([]byte, n)
		_, err := io.ReadFull(resp.Body, b)
		return b, err
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}

func problemCode(status int, body []byte) string {
	var p struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(bytes.TrimSpace(body), &p) == nil && p.Code != "" {
		return strconv.Itoa(status) + " " + p.Code
	}
	return strconv.Itoa(status)
}

// flush sends what is not acknowledged yet until all is, or the time is over.
func (l *load) flush(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	closed := *l
	closed.rate = 0
	closed.run(ctx, false)
}
