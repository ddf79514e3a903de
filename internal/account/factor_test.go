package account_test

import (
	"encoding/json"
	"testing"
	"time"

	"catchment/internal/account"
)

func TestLevels(t *testing.T) {
	now := time.UnixMicro(1_700_000_000_000_001).UTC()
	var none account.Shown
	for want, list := range map[int][][]account.Factor{
		0: {{}},
		1: {{account.Password}, {account.Code}, {account.TOTP}, {account.Recovery}, {account.SSO}, {account.Code, account.Code}},
		2: {{account.Password, account.Code}, {account.Passkey}, {account.SSO, account.TOTP}, {account.Password, account.Code, account.TOTP}},
	} {
		for _, fs := range list {
			s := none
			for _, f := range fs {
				s = s.With(f, now)
			}
			if s.Level() != want {
				t.Errorf("%v: level %d, want %d", fs, s.Level(), want)
			}
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			var back account.Shown
			if err := json.Unmarshal(text, &back); err != nil || back != s {
				t.Errorf("%s came back as %v, %v", text, back, err)
			}
		}
	}
	s := none.With(account.Code, now)
	if !s.At(account.Code).Equal(now) || !s.At(account.Password).IsZero() || none.Level() != 0 {
		t.Error("With changes more or less than its factor")
	}
	if json.Unmarshal([]byte(`{"telepathy":1}`), &s) == nil {
		t.Error("an unknown factor was taken")
	}
}

func FuzzShown(f *testing.F) {
	f.Add(`{"password":1700000000000000,"totp":3}`)
	f.Add(`{"x":1}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		var s, again account.Shown
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		out, err := json.Marshal(s)
		if err != nil || json.Unmarshal(out, &again) != nil || again != s {
			t.Errorf("%q: %s, %v", text, out, err)
		}
	})
}
