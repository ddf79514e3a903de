package capture

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"catchment/internal/problem"
	"catchment/internal/submission"
)

// scratch is memory that a request uses and gives back wiped: a body and its
// payload are personal and do not stay in a pool.
type scratch struct {
	body    []byte
	payload []byte
	reply   []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) release() {
	const keep = 256 << 10 // a batch's is left to the collector
	if cap(s.body) > keep || cap(s.payload) > keep || cap(s.reply) > keep {
		return
	}
	clear(s.body)
	clear(s.payload)
	s.body, s.payload, s.reply = s.body[:0], s.payload[:0], s.reply[:0]
	scratches.Put(s)
}

// checkJSON looks at what a request says of its body before anything is read.
func checkJSON(r *http.Request, limit int64) error {
	h := r.Header
	if t := h["Content-Type"]; len(t) != 1 || t[0] != "application/json" {
		if len(t) != 1 {
			return problem.WrongType("Send one Content-Type: application/json.")
		}
		if err := submission.JSONType(t[0]); err != nil {
			return err
		}
	}
	return checkSize(r, limit)
}

// checkForm is checkJSON for the types that a browser sends a form in.
func checkForm(r *http.Request) error {
	t := r.Header["Content-Type"]
	media := ""
	if len(t) == 1 {
		media, _, _ = strings.Cut(t[0], ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	if media != "application/x-www-form-urlencoded" && media != "multipart/form-data" {
		return problem.WrongType("Send a form as application/x-www-form-urlencoded or multipart/form-data. JSON goes to /v1/leads.")
	}
	if len(t[0]) > submission.MaxContentType {
		return problem.WrongType("The Content-Type is longer than %d bytes.", submission.MaxContentType)
	}
	return checkSize(r, submission.MaxBody)
}

func checkSize(r *http.Request, limit int64) error {
	if e := r.Header["Content-Encoding"]; len(e) > 0 && !(len(e) == 1 && e[0] == "identity") {
		return problem.WrongType("Send the body as it is, without a Content-Encoding.")
	}
	if r.ContentLength > limit {
		return tooLarge(limit)
	}
	return nil
}

func tooLarge(limit int64) *problem.Problem {
	if limit >= 1<<20 {
		return problem.TooLarge("body_too_large", "Send at most %d MiB.", limit>>20)
	}
	return problem.TooLarge("body_too_large", "Send at most %d KiB.", limit>>10)
}

// limitTime gives the whole of the body the door's time from now. It comes
// before the first refusal: net/http reads what is left of a body before it
// answers, and would wait for one that never comes. For the connection's next
// request net/http sets the deadline anew.
func (d *Door) limitTime(w http.ResponseWriter) {
	// A recorder in a test has no deadlines; a real connection has.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d.o.BodyTimeout))
}

// readBody reads the body into buf, at most limit bytes.
func (d *Door) readBody(w http.ResponseWriter, r *http.Request, buf []byte, limit int64) ([]byte, error) {
	buf, err := readAll(r.Body, grow(buf, r.ContentLength), limit)
	if err != nil {
		w.Header()["Connection"] = closing // the rest of the body is not worth reading
		return buf, bodyProblem(err, limit)
	}
	return buf, nil
}

// grow makes room for what was announced, and for the read that finds the
// end; for a batch only as it comes, because announcing costs nothing.
func grow(buf []byte, announced int64) []byte {
	want := int(min(max(announced, 511), submission.MaxBody)) + 1
	if cap(buf) >= want {
		return buf[:0]
	}
	return make([]byte, 0, want)
}

var errTooLarge = errors.New("over the limit")

func readAll(from io.Reader, buf []byte, limit int64) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf, errTooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}

func bodyProblem(err error, limit int64) *problem.Problem {
	var timeout net.Error
	switch {
	case errors.Is(err, errTooLarge):
		return tooLarge(limit)
	case errors.As(err, &timeout) && timeout.Timeout():
		return &problem.Problem{
			Status: http.StatusRequestTimeout, Code: "body_too_slow", Title: "The body did not arrive in time",
			Detail: "Nothing was stored. Send the whole body at once.",
		}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return problem.Unreadable("truncated_body", "The body ends before its Content-Length, or in the middle of a chunk. Nothing was stored.")
	}
	return problem.Unreadable("unreadable_body", "The body cannot be read to its end. Nothing was stored.").Because(err)
}
