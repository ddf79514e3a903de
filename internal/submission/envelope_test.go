package submission

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"catchment/internal/account"
	"catchment/internal/lead"
	"catchment/internal/vault/reveal"
)

func someHeader() Header {
	return Header{
		Account: account.NewID(), Enquiry: lead.NewEnquiryID(), Source: account.NewSourceID(),
		Project: account.NewProjectID(), Key: account.NewKeyID(),
		ReceivedAt: time.Date(2026, 3, 1, 9, 30, 0, 123456000, time.UTC),
		Format:     AsForm, ContentType: "application/x-www-form-urlencoded; charset=windows-1252",
		Test: true, BodyMAC: MACBody([]byte("key"), []byte("body")),
	}
}

func TestEnvelopeRoundTrip(t *testing.T) {
	form := someHeader()
	plain := someHeader()
	plain.Key, plain.Format, plain.ContentType, plain.Test = account.KeyID{}, AsJSON, "", false
	suspect := someHeader()
	suspect.Verdict = VerdictOf([]int{941100, 942100})
	if got := suspect.Verdict.Rules(); !slices.Equal(got, []int{941100, 942100}) {
		t.Error(got)
	}
	if n := len(VerdictOf(make([]int, 40)).Rules()); n != maxRules {
		t.Errorf("a verdict of %d rules", n)
	}
	for _, h := range []Header{form, plain, suspect} {
		aad := h.Append(nil)
		e, err := ParseEnvelope(append(bytes.Clone(aad), "sealed"...))
		if err != nil {
			t.Fatal(err)
		}
		if e.Header != h || !bytes.Equal(e.AAD, aad) || string(e.Data) != "sealed" {
			t.Errorf("got %+v, want %+v", e.Header, h)
		}
	}
}

func TestEnvelopeRefusesWhatItDoesNotKnow(t *testing.T) {
	h := someHeader()
	good := h.Append(nil)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	h.Verdict = VerdictOf([]int{942100})
	judged := h.Append(nil)
	none := bytes.Clone(judged)
	none[len(none)-5] = 0
	zeroed := bytes.Clone(good)
	clear(zeroed[17:33])
	for name, b := range map[string][]byte{
		"empty": nil, "cut in the ids": good[:50], "cut in the content type": good[:len(good)-1], "cut in the verdict": judged[:len(judged)-1], "a verdict of nothing": none, "no verdict": change(90, 4),
		"version": change(0, 2), "format": change(89, 3), "flags": change(90, 8), "no enquiry": zeroed,
	} {
		if _, err := ParseEnvelope(b); !errors.Is(err, ErrEnvelope) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPayloadRoundTrip(t *testing.T) {
	body := []byte(`{"person":{"phone":"+442079460123"}}`)
	long := strings.Repeat("x", maxTrace+5)
	p, err := ParsePayload(AppendPayload(nil, [16]byte{1, 2}, body, "192.0.2.7", long, "", "a key"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Salt != [16]byte{1, 2} || !bytes.Equal(p.Body, body) || reveal.Text(p.IP) != "192.0.2.7" ||
		reveal.Text(p.UserAgent) != long[:maxTrace] || !p.Referrer.Empty() || reveal.Text(p.IdempotencyKey) != "a key" {
		t.Error("the payload came back changed")
	}
}

func TestPayloadRefusesEveryCut(t *testing.T) {
	whole := AppendPayload(nil, [16]byte{}, []byte("body"), "192.0.2.7", "ua", "ref", "key")
	for n := range whole {
		if _, err := ParsePayload(whole[:n]); !errors.Is(err, ErrEnvelope) {
			t.Fatalf("cut at %d: got %v", n, err)
		}
	}
	if _, err := ParsePayload(append(whole, 0)); !errors.Is(err, ErrEnvelope) {
		t.Errorf("a byte more: got %v", err)
	}
}

func TestMACBodyDependsOnKeyAndBody(t *testing.T) {
	a := MACBody([]byte("k1"), []byte("b1"))
	if a != MACBody([]byte("k1"), []byte("b1")) {
		t.Error("not repeatable")
	}
	if a == MACBody([]byte("k2"), []byte("b1")) || a == MACBody([]byte("k1"), []byte("b2")) {
		t.Error("key or body does not matter")
	}
}

// What parses encodes to the same bytes again, so the associated data that
// intake checks is the one that the door sealed under.
func FuzzParseEnvelope(f *testing.F) {
	h := someHeader()
	f.Add(append(h.Append(nil), 1, 2, 3))
	f.Add(h.Append(nil)[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEnvelope(b)
		if err != nil {
			return
		}
		if again := append(e.Header.Append(nil), e.Data...); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

func FuzzParsePayload(f *testing.F) {
	f.Add(AppendPayload(nil, [16]byte{9}, []byte("body"), "192.0.2.7", "ua", "ref", "key"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePayload(b)
		if err == nil && len(p.Body) > len(b) {
			t.Error("a body longer than its payload")
		}
	})
}
