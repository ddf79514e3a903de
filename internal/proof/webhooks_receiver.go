package proof

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// manner is how a receiver answers: wrongly so many times, then with 204.
type manner struct {
	name   string
	lies   int64 // requests that are answered by answer; below 0: all
	keeps  bool  // its answer is 2xx in spite of all: then it must have kept the message
	closes bool  // each connection after one answer
	hold   chan struct{}
	answer func(w http.ResponseWriter, r *http.Request)
}

// mannersOf are the lying ones. The first redirects.
func mannersOf(trap string) []manner {
	moved := func(status int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, trap, status) }
	}
	status := func(n int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) }
	}
	return []manner{
		{name: "a redirect to loopback (307)", lies: 3, answer: moved(http.StatusTemporaryRedirect)},
		{name: "a redirect to loopback (302)", lies: 3, answer: moved(http.StatusFound)},
		{name: "500", lies: 3, answer: status(http.StatusInternalServerError)},
		{name: "404", lies: 3, answer: status(http.StatusNotFound)},
		{name: "cut off before an answer", lies: 3, answer: says("")},
		{name: "cut off within the head", lies: 3, answer: says("HTTP/1.1 200 OK\r\nContent-Le")},
		{name: "something else than HTTP", lies: 3, answer: says("SSH-2.0-OpenSSH_9.6\r\n")},
		{name: "a head of 4 MB", lies: 3, answer: says("HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 4<<20) + "\r\nContent-Length: 0\r\n\r\n")},
		{name: "200, and a body without end", lies: 3, keeps: true, answer: endless},
		{name: "200, and cut off within the body", lies: 3, keeps: true, answer: says("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")},
		{name: "no answer for a minute", lies: 4, answer: func(_ http.ResponseWriter, r *http.Request) { wait(r, time.Minute) }},
		{name: "slow", lies: -1, keeps: true, answer: func(_ http.ResponseWriter, r *http.Request) { wait(r, time.Second) }},
	}
}

func refusing(status int, after string) manner {
	return manner{lies: -1, answer: func(w http.ResponseWriter, _ *http.Request) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
	}}
}

func wait(r *http.Request, d time.Duration) {
	select {
	case <-r.Context().Done():
	case <-time.After(d):
	}
}

// says writes a text to the connection, whatever it is, and hangs up.
func says(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, text)
		_ = c.Close()
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	for block := make([]byte, 4096); r.Context().Err() == nil; {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// receiver is an address that is told.
type receiver struct {
	name, url, port string
	asked           atomic.Int64

	mu      sync.Mutex
	id      string // the webhook's
	account string
	from    int64 // the first position that it is to have
	secrets []string
	how     manner
	lied    int64
	had     map[int64]string // data of what it has kept, by position
	tries   map[string]int   // requests by webhook-id, kept or not
	leads   int              // messages of lead.created
	byEach  map[string]int
	faults  []string
	spurts  []int // requests between rests of a minute or more
	last    time.Time
}

// receive starts one where the operator allows receivers.
func (t *trial) receive(name string, how manner) (*receiver, error) {
	l, err := net.Listen("tcp", allowedReceivers+":0")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r := &receiver{name: name, url: "http://" + l.Addr().String(), port: port, how: how, had: map[int64]string{}, tries: map[string]int{}, byEach: map[string]int{}}
	s := &http.Server{Handler: http.HandlerFunc(r.take), ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.SetKeepAlivesEnabled(!how.closes)
	go func() { _ = s.Serve(l) }()
	t.later(func() { _ = s.Close() })
	return r, nil
}

// take is a request. What is kept is kept before it is answered.
func (r *receiver) take(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // cut off: by the program's end
	}
	r.asked.Add(1)
	r.mu.Lock()
	r.tries[q.Header.Get("Webhook-Id")]++
	how := r.how
	lie := how.answer != nil && (how.lies < 0 || r.lied < how.lies)
	if lie {
		r.lied++
	}
	if now := time.Now(); len(r.spurts) == 0 || now.Sub(r.last) > time.Second {
		r.spurts, r.last = append(r.spurts, 1), now
	} else {
		r.spurts[len(r.spurts)-1]++
		r.last = now
	}
	if how.hold == nil && (!lie || how.keeps) {
		r.keep(q.Header, body)
	}
	r.mu.Unlock()
	if how.hold != nil {
		select {
		case <-how.hold:
		case <-q.Context().Done():
		}
		return // to whom is not there any more
	}
	if lie {
		how.answer(w, q)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// keep looks at a message as a careful receiver would, and writes it down.
func (r *receiver) keep(head http.Header, body []byte) {
	id := head.Get("Webhook-Id")
	company, number, _ := strings.Cut(id, ".")
	position, err := strconv.ParseInt(number, 10, 64)
	if err != nil || r.account != "" && company != r.account {
		r.fault("webhook-id %q", id)
		return
	}
	good := len(r.secrets) == 0 // it was told before it knew its secret
	for _, s := range r.secrets {
		if signed(head, body, s) {
			r.byEach[s]++
			good = true
		}
	}
	if !good {
		r.fault("no signature by its secret: %s", id)
	}
	var m struct {
		Type string
		Data json.RawMessage
	}
	if err := json.Unmarshal(body, &m); err != nil {
		r.fault("a body: %v", err)
	}
	if m.Type == "lead.created" {
		r.leads++
	}
	if before, ok := r.had[position]; ok && before != string(m.Data) {
		r.fault("another message under the id %s", id)
	}
	r.had[position] = string(m.Data)
}

func (r *receiver) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// signed checks a message by the rules of docs/webhooks.md.
func signed(head http.Header, body []byte, secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", head.Get("Webhook-Id"), head.Get("Webhook-Timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, s := range strings.Fields(head.Get("Webhook-Signature")) {
		if hmac.Equal([]byte(s), []byte(want)) {
			return true
		}
	}
	return false
}

// becomes has it answer otherwise from now on; nil: as it should.
func (r *receiver) becomes(m *manner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m == nil {
		m = &manner{}
	}
	r.how, r.lied = *m, 0
}

// signedBy has it check messages with another secret from now on, and gives the
// one before.
func (r *receiver) signedBy(secret string) (before string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = r.secrets[0]
	r.secrets, r.byEach = []string{secret}, map[string]int{}
	return before
}

// also has it try a second secret, and counts anew.
func (r *receiver) also(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets, r.byEach = append([]string{secret}, r.secrets...), map[string]int{}
}

func (r *receiver) checkedBy(secret string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byEach[secret]
}

// missing are the positions before upTo that it has not kept.
func (r *receiver) missing(upTo int64) (out []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := r.from; p < upTo; p++ {
		if _, ok := r.had[p]; !ok {
			out = append(out, p)
		}
	}
	return out
}

func (r *receiver) kept() int    { r.mu.Lock(); defer r.mu.Unlock(); return len(r.had) }
func (r *receiver) created() int { r.mu.Lock(); defer r.mu.Unlock(); return r.leads }

// repeated are the messages that were sent more than once.
func (r *receiver) repeated() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, tries := range r.tries {
		if tries > 1 {
			n++
		}
	}
	return n
}

// longest is the most requests that came without a second's rest between.
func (r *receiver) longest() (most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.spurts {
		most = max(most, n)
	}
	return most
}

// wrong is what a message had that it should not have; empty: nothing.
func (r *receiver) wrong() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) == 0 {
		return ""
	}
	return "; " + counted(r.faults)
}

// trap counts connections to where nobody is to connect to.
type trap struct {
	port  string
	taken atomic.Int64
}

func (t *trial) setTrap(address string) (*trap, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &trap{}
	_, p.port, _ = net.SplitHostPort(l.Addr().String())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.taken.Add(1)
			_ = c.Close()
		}
	}()
	t.later(func() { _ = l.Close() })
	return p, nil
}

func (p *trap) url() string { return "http://127.0.0.1:" + p.port + "/" }

// Names that the proof's name server knows.
const (
	changingName = "changing.hooks.example.com"
	insideName   = "inside.hooks.example.com"
)

// nameServer answers changingName with the allowed address twice and then with
// loopback, again and again, and insideName with loopback.
type nameServer struct {
	address string
	inside  atomic.Int64 // answers for it that named loopback
	asked   atomic.Int64 // for changingName
}

func (t *trial) serveNames() (*nameServer, error) {
	at, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &nameServer{address: at.LocalAddr().String()}
	up := make(chan struct{})
	s := &dns.Server{PacketConn: at, Handler: dns.HandlerFunc(n.answer), NotifyStartedFunc: func() { close(up) }}
	go func() { _ = s.ActivateAndServe() }()
	<-up
	t.later(func() { _ = s.Shutdown() })
	return n, nil
}

func (n *nameServer) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name := dns.CanonicalName(q.Question[0].Name)
	to := "127.0.0.1"
	switch {
	case name != dns.Fqdn(changingName) && name != dns.Fqdn(insideName):
		m.Rcode = dns.RcodeNameError
	case q.Question[0].Qtype != dns.TypeA:
	default:
		if name == dns.Fqdn(changingName) {
			if n.asked.Add(1)%3 != 0 {
				to = allowedReceivers
			} else {
				n.inside.Add(1)
			}
		}
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(to)}}
	}
	_ = w.WriteMsg(m)
}
