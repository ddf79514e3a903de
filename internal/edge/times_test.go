package edge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"strings"
	"testing"
	"time"
)

// A head that does not come ends the connection; so does a TLS handshake.
func TestHeadHasATime(t *testing.T) {
	for _, secure := range []bool{false, true} {
		o := Options{Handler: http.NotFoundHandler(), Header: 50 * time.Millisecond}
		if secure {
			o.Certificates = own(t)
		}
		s, addr := serve(t, o)
		c := dialFrom(t, "127.0.0.1", addr)
		if !secure {
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHo")
		}
		if !gone(c) {
			t.Errorf("TLS %v: the connection stays", secure)
		}
		until(t, "end of it", func() bool { return s.Stats().Open == 0 })
	}
}

// A keep-alive connection without a request ends.
func TestIdleHasATime(t *testing.T) {
	_, addr := serve(t, Options{Handler: http.NotFoundHandler(), Idle: 50 * time.Millisecond})
	c := dialFrom(t, "127.0.0.1", addr)
	ask(t, c, 404)
	if !gone(c) {
		t.Error("the connection stays")
	}
}

// A body that does not come ends in the handler's hands as a timeout, which it
// can answer, on HTTP/1.1 and on HTTP/2.
func TestBodyHasATime(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			var ne net.Error
			fmt.Fprint(w, errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &ne) && ne.Timeout()))
			return
		}
		fmt.Fprint(w, "whole")
	})
	certs := own(t, "leads.example.com")
	short := func(*http.Request) Class { return Class{Body: 100 * time.Millisecond, Total: patience} }
	_, plain := serve(t, Options{Handler: h, ClassOf: short})
	_, secure := serve(t, Options{Handler: h, ClassOf: short, Certificates: certs})
	for url, c := range map[string]*http.Client{"http://leads.example.com/": client(plain, nil), "https://leads.example.com/": client(secure, Local(certs))} {
		if resp, said := send(t, c, "POST", url, strings.NewReader("all of it")); said != "whole" {
			t.Errorf("%s: a whole body: %s %q", url, resp.Proto, said)
		}
		never, w := io.Pipe()
		defer w.Close()
		resp, said := send(t, c, "POST", url, never)
		if said != "true" {
			t.Errorf("%s: %s %q", url, resp.Proto, said)
		}
	}
}

// A body's deadline follows what has come, and a handler's own is kept.
func TestDue(t *testing.T) {
	began := time.Now()
	t0 := &timed{class: Quick, began: began}
	if d := t0.due().Sub(began); d != bodyGrace {
		t.Errorf("at first it is %s", d)
	}
	t0.got = 10 * slowest
	if d := t0.due().Sub(began); d != bodyGrace+10*time.Second {
		t.Errorf("after ten seconds' worth it is %s", d)
	}
	t0.own = began.Add(7 * time.Second)
	if d := t0.due().Sub(began); d != 7*time.Second {
		t.Errorf("with the handler's own it is %s", d)
	}
	t0.own, t0.got = time.Time{}, 1<<30
	if d := t0.due().Sub(began); d != Quick.Body {
		t.Errorf("with a great body it is %s", d)
	}
	stream := &timed{class: Stream, began: began}
	if !stream.end(stream.class.Total).IsZero() {
		t.Error("a stream ends by itself")
	}
}

// A handler that works for longer than its body's time keeps its caller: the
// time was the body's.
func TestBodyTimeIsTheBodys(t *testing.T) {
	_, addr := serve(t, Options{ClassOf: func(*http.Request) Class { return Class{Body: 50 * time.Millisecond, Total: patience} },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
				t.Error("the caller was thought to have gone")
			case <-time.After(200 * time.Millisecond): // four times the body's
			}
			fmt.Fprint(w, "done")
		})})
	if _, said := send(t, client(addr, nil), "POST", "http://leads.example.com/", strings.NewReader("body")); said != "done" {
		t.Errorf("it got %q", said)
	}
}

// Whoever takes nothing of a long answer is cut off.
func TestAnswerHasATime(t *testing.T) {
	ended := make(chan error, 1)
	_, addr := serve(t, Options{ClassOf: func(*http.Request) Class { return Class{Total: 100 * time.Millisecond} },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var err error
			for piece := make([]byte, 1<<20); err == nil; {
				_, err = w.Write(piece)
			}
			ended <- err
		})})
	c := dialFrom(t, "127.0.0.1", addr)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the answer ended with %v", err)
	}
}

// Whoever sends all of a body before they read finds the answer that was given
// to its first bytes; without end nobody sends.
func TestTheRestOfABodyIsTaken(t *testing.T) {
	_, addr := serve(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})})
	send := func(head string, size int64) (int, error) {
		c := dialFrom(t, "127.0.0.1", addr)
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\n"+head+"\r\n\r\n")
		to := io.Writer(c)
		if chunked := httputil.NewChunkedWriter(c); strings.HasPrefix(head, "Transfer") {
			to = chunked
		}
		if _, err := io.CopyN(to, zeros{}, size); err != nil {
			return 0, err
		}
		if to != io.Writer(c) {
			fmt.Fprint(c, "0\r\n\r\n")
		}
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return 0, err
		}
		return a.StatusCode, nil
	}
	const large = drainMost - 1<<20
	for _, head := range []string{fmt.Sprint("Content-Length: ", large), "Transfer-Encoding: chunked"} {
		if status, err := send(head, large); status != http.StatusRequestEntityTooLarge || err != nil {
			t.Errorf("%s: %d, %v", head, status, err)
		}
	}
	const endless = 8 * drainMost
	if status, err := send(fmt.Sprint("Content-Length: ", endless), endless); err == nil {
		t.Errorf("%d bytes were taken, and answered with %d", endless, status)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
