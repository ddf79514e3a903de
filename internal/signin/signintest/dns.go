package signintest

import (
	"net"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// DNS is a name server on loopback that knows what it was told. Names that it
// was not told of do not exist.
type DNS struct {
	Address string // host:port, UDP

	mu   sync.Mutex
	txt  map[string][]string
	away bool
}

// NewDNS starts one.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	at, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &DNS{Address: at.LocalAddr().String(), txt: map[string][]string{}}
	up := make(chan struct{})
	server := &dns.Server{PacketConn: at, Handler: dns.HandlerFunc(d.answer), NotifyStartedFunc: func() { close(up) }}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = server.Shutdown(); <-ended })
	return d
}

// Set has the domain's TXT records be these; none: it does not exist.
func (d *DNS) Set(domain string, records ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.txt[dns.Fqdn(domain)] = records
}

// Away has it answer that it failed.
func (d *DNS) Away(away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

func (d *DNS) answer(w dns.ResponseWriter, q *dns.Msg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	name := q.Question[0].Name
	records := d.txt[dns.CanonicalName(name)]
	switch {
	case d.away:
		m.Rcode = dns.RcodeServerFailure
	case q.Question[0].Qtype != dns.TypeTXT || len(records) == 0:
		m.Rcode = dns.RcodeNameError
	default:
		for _, text := range records {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{text}})
		}
	}
	_ = w.WriteMsg(m)
}
