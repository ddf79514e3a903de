package proof

import (
	"net/http"
	"testing"
	"time"
)

func TestEarlier(t *testing.T) {
	got, err := earlier(`[{"kind":"lead.created","at":"2026-03-02T09:30:00.5Z","data":{"n":9007199254740993}}]`, 90*time.Minute)
	if want := `[{"at":"2026-03-02T08:00:00.5Z","data":{"n":9007199254740993},"kind":"lead.created"}]`; err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{`{}`, `[{"kind":"x"}]`} {
		if _, err := earlier(bad, time.Hour); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// What a careful receiver must notice is noticed.
func TestReceiverNotices(t *testing.T) {
	const body = `{"type":"lead.created","data":{"position":4}}`
	r := &receiver{account: "acct_x", from: 3, secrets: []string{"whsec_c2VjcmV0"}, had: map[int64]string{}, byEach: map[string]int{}}
	head := func(id, signature string) http.Header {
		return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {"1772443800"}, "Webhook-Signature": {signature}}
	}
	good := "v1,other v1,Oo1km/706sDUFYN9+PuYnI3Hmx8xZgB5uxAZFz7vSQc="
	r.keep(head("acct_x.4", good), []byte(body))
	if r.wrong() != "" || len(r.missing(5)) != 1 || r.missing(5)[0] != 3 || r.created() != 1 {
		t.Fatalf("a good message: %s, missing %v", r.wrong(), r.missing(5))
	}
	for name, wrong := range map[string]func(){
		"another account's":         func() { r.keep(head("acct_y.4", good), []byte(body)) },
		"a wrong signature":         func() { r.keep(head("acct_x.4", "v1,AAAA"), []byte(body)) },
		"another body under the id": func() { r.keep(head("acct_x.4", good), []byte(`{"data":{}}`)) },
	} {
		before := len(r.faults)
		if wrong(); len(r.faults) == before {
			t.Errorf("%s is not noticed", name)
		}
	}
}
