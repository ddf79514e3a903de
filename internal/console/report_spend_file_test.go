package console

import "testing"

func TestMinorUnits(t *testing.T) {
	for _, x := range []struct {
		text, currency string
		want           int64
		ok             bool
	}{
		{"125.5", "EUR", 12550, true}, {"125", "EUR", 12500, true}, {"0.01", "EUR", 1, true}, {"125", "JPY", 125, true}, {"1.234", "KWD", 1234, true},
		{"125.", "EUR", 0, false}, {".5", "EUR", 0, false}, {"1.005", "EUR", 0, false}, {"1.5", "JPY", 0, false}, {"-1", "EUR", 0, false},
		{"1,250.00", "EUR", 0, false}, {"1e3", "EUR", 0, false}, {"", "EUR", 0, false}, {"99999999999999999999", "EUR", 0, false},
	} {
		if got, ok := minorUnits(x.text, minorDigits(x.currency)); ok != x.ok || ok && got != x.want {
			t.Errorf("%s %s: %d, %v", x.text, x.currency, got, ok)
		}
	}
}

func FuzzReadSpend(f *testing.F) {
	f.Add([]byte("day,source,currency,amount\n2026-01-01,web,EUR,12.50\n"))
	f.Add([]byte("\xef\xbb\xbfDay;Campaign;Currency;amount_minor\n2026-01-01;\"a;b\";EUR;1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		items, faults := readSpend(text)
		if len(items) == 0 && len(faults) == 0 {
			t.Error("neither a row nor a fault")
		}
		for _, it := range items {
			if len(faults) == 0 && (it.Minor < 0 || it.Minor > mostSpend || len(it.Currency) != 3) {
				t.Errorf("taken: %+v", it)
			}
		}
	})
}
