package edge

import (
	"io"
	"net/http"
	"time"
)

// Class is how long a request may take. Zero means without end.
type Class struct {
	Body  time.Duration // for the whole of its body
	Total time.Duration // from its head to the end of its answer
}

// The classes of routes.
var (
	Quick  = Class{Body: 30 * time.Second, Total: time.Minute}
	File   = Class{Body: 30 * time.Minute, Total: 40 * time.Minute} // uploads and downloads
	Stream = Class{Body: 30 * time.Second}                          // server-sent events: they set a time for each piece
)

// A body has to come at slowest bytes a second, after its first seconds: a
// phone at the edge of its network is faster, and whoever keeps a connection
// busy with a byte now and then is not a caller.
const (
	bodyGrace = 5 * time.Second
	slowest   = 512
)

// limitTime watches over a request's body and over how long all of it takes.
// net/http itself has given it Quick's total.
func (s *Server) limitTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := connOf(r.Context())
		if c != nil {
			c.requests.Add(1)
			defer c.served()
		}
		class := s.o.ClassOf(r)
		if r.Body == http.NoBody && class == Quick {
			next.ServeHTTP(w, r)
			return
		}
		t := &timed{ResponseWriter: w, class: class, began: time.Now(), conn: c}
		t.rc = http.NewResponseController(w)
		_ = t.rc.SetWriteDeadline(t.end(class.Total)) // a recorder in a test has none
		if r.Body != http.NoBody {
			t.from = r.Body
			r.Body = (*body)(t)
		}
		next.ServeHTTP(t, r)
		if r.ProtoMajor == 1 && (r.ContentLength < 0 || r.ContentLength > leftToHTTP) {
			t.drain()
		}
	})
}

// What is taken of a body after its answer, of one that net/http would not read
// to its end by itself.
const (
	leftToHTTP = 256 << 10
	drainMost  = 16 << 20
	drainTime  = 3 * time.Second
)

// drain sends the answer and takes what is left of the body, within bounds.
// Many callers read an answer only when they have sent all that they have: a
// connection that is closed on them before shows them a broken pipe instead of
// the 413 (RFC 9112, section 9.6).
func (t *timed) drain() {
	if t.from == nil || t.ended || t.rc.Flush() != nil {
		return
	}
	t.own = sooner(t.own, time.Now().Add(drainTime))
	_ = t.setRead(t.due())
	_, _ = io.CopyN(io.Discard, t.from, drainMost)
}

// timed is a request's answer and, as body, its body. A handler may set
// deadlines of its own within those of the class.
type timed struct {
	http.ResponseWriter
	rc    *http.ResponseController
	class Class
	began time.Time
	conn  *conn

	from  io.ReadCloser
	got   int64
	own   time.Time // the handler's
	set   time.Time // what was set last
	asked bool      // for the first piece
	ended bool
}

// end is when a time that began with the request is over; zero for never.
func (t *timed) end(d time.Duration) time.Time {
	if d == 0 {
		return time.Time{}
	}
	return t.began.Add(d)
}

// Unwrap lets http.ResponseController reach flushing.
func (t *timed) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// SetWriteDeadline is the handler's, through http.ResponseController.
func (t *timed) SetWriteDeadline(at time.Time) error {
	return t.rc.SetWriteDeadline(sooner(at, t.end(t.class.Total)))
}

// SetReadDeadline is the handler's; the next read takes it into account.
func (t *timed) SetReadDeadline(at time.Time) error {
	t.own = at
	if t.from != nil && !t.ended {
		return t.setRead(t.due())
	}
	return t.rc.SetReadDeadline(sooner(at, t.end(t.class.Total)))
}

// due is until when more of the body has to come.
func (t *timed) due() time.Time {
	floor := t.began.Add(bodyGrace + time.Duration(t.got/slowest)*time.Second)
	return sooner(t.own, sooner(floor, t.end(t.class.Body)))
}

func (t *timed) setRead(at time.Time) error {
	t.set = at
	return t.rc.SetReadDeadline(at)
}

// sooner is the earlier of two; the zero time is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

type body timed

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	t := (*timed)(b)
	if at := t.due(); !t.ended && (at.Before(t.set) || at.Sub(t.set) > 250*time.Millisecond) {
		_ = t.setRead(at)
	}
	if c := t.conn; c != nil {
		if !t.asked {
			t.asked = true
			c.readFrom.Store(int64(c.all.now()))
		}
		c.reading.Add(1)
		defer c.reading.Add(-1)
	}
	n, err := t.from.Read(p)
	t.got += int64(n)
	if err == io.EOF && !t.ended {
		// From here net/http reads on by itself, to notice a caller who goes away:
		// the body's deadline would look like one.
		t.ended = true
		_ = t.rc.SetReadDeadline(t.end(t.class.Total))
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error { return b.from.Close() }
