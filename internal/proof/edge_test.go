package proof

import "testing"

func TestReadSiege(t *testing.T) {
	const head = "Seconds,Closed,Pending,Connected,Service Available\n"
	for _, c := range []struct {
		name, text string
		away, held int
		bad        bool
	}{
		{"served throughout, all let go", head + "0,0,1,0,400\n1,0,100,300,400\n8,373,0,27,400\n", 0, 0, false},
		{"locked out", head + "0,0,1,0,400\n24,0,100,300,0\n25,0,100,300,0\n", 2, 300, false},
		{"nothing", "", 0, 0, true},
		{"another table", "a,b\n1,2\n3,4\n", 0, 0, true},
		{"cut off at once", head, 0, 0, true},
		{"not a number", head + "0,0,1,0,400\n1,0,1,many,400\n", 0, 0, true},
	} {
		away, held, err := readSiege([]byte(c.text))
		if (err != nil) != c.bad || (err == nil && (away != c.away || held != c.held)) {
			t.Errorf("%s: %d %d %v", c.name, away, held, err)
		}
	}
}

func TestAboveLow(t *testing.T) {
	for severity, bad := range map[string]bool{"OK": false, "INFO": false, "LOW": false, "MEDIUM": true, "HIGH": true, "CRITICAL": true, "WARN": true, "FATAL": true, "new": true} {
		if got := aboveLow([]finding{{ID: "x", Severity: severity}}); (len(got) == 1) != bad {
			t.Errorf("%s: %q", severity, got)
		}
	}
	if got := aboveLow([]finding{{ID: "engine_problem", Severity: "WARN"}}); len(got) != 0 {
		t.Errorf("its own openssl: %q", got)
	}
}
