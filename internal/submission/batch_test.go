package submission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"catchment/internal/problem"
	"catchment/internal/vault/reveal"
)

func TestSplitBatchGivesExactBytes(t *testing.T) {
	first, second := `{ "person" : {"phone":"1"} }`, `{"person":{"email":"é"}}`
	body := []byte(" [\n\t" + first + " ,\r\n" + second + "]\n")
	raw, err := SplitBatch(body)
	if err != nil || len(raw) != 2 || string(raw[0]) != first || string(raw[1]) != second {
		t.Fatalf("%v: %q", err, raw)
	}
	_ = append(raw[0], "overflow"...)
	if string(raw[1]) != second || !bytes.HasSuffix(body, []byte("]\n")) {
		t.Error("an element can be appended to over the next one")
	}
}

func TestDecodeBatch(t *testing.T) {
	leads, raw, err := DecodeBatch([]byte(`[{"person":{"phone":"1"}},` + full + `]`))
	if err != nil || len(leads) != 2 || len(raw) != 2 {
		t.Fatal(err)
	}
	if reveal.Text(leads[1].Person.Name) != "Ada Example" || string(raw[1]) != full {
		t.Error("the second lead is not the second")
	}
}

func TestBatchRefusals(t *testing.T) {
	one := `{"person":{"phone":"1"}}`
	thousand := "[" + strings.Repeat(one+",", 999) + one
	if leads, _, err := DecodeBatch([]byte(thousand + "]")); err != nil || len(leads) != 1000 {
		t.Fatalf("a thousand: %v", err)
	}
	for _, c := range []struct {
		name, body  string
		status      int
		code, field string
	}{
		{"empty body", "", 400, "malformed_json", ""},
		{"blank", " ", 400, "malformed_json", ""},
		{"byte order mark", "\ufeff[]", 400, "byte_order_mark", ""},
		{"cut short", "[" + one, 400, "malformed_json", ""},
		{"malformed", "[" + one + ",,]", 400, "malformed_json", ""},
		{"malformed element", `[{"a"}]`, 400, "malformed_json", ""},
		{"nested without end", strings.Repeat("[", 20000), 400, "malformed_json", ""},
		{"trailing", "[" + one + "]x", 400, "trailing_data", ""},
		{"two arrays", "[" + one + "][" + one + "]", 400, "trailing_data", ""},
		{"an object", one, 422, "wrong_type", ""},
		{"no element", " [ ] ", 422, "batch_empty", ""},
		{"one too many", thousand + "," + one + "]", 413, "too_many_leads", ""},
		{"too large", "[" + strings.Repeat(" ", MaxBatchBody) + "]", 413, "body_too_large", ""},
	} {
		_, _, err := DecodeBatch([]byte(c.body))
		checkRefusal(t, c.name, err, c.status, c.code, c.field)
	}
}

func TestBatchFaultsHaveTheirIndex(t *testing.T) {
	body := `[{"person":{"phone":"1"}},{"person":{"phone":1},"x":2},{},{"a":1,"a":2},7,{"message":"` + "\xff" + `"},{"message":"` +
		strings.Repeat("x", MaxBody) + `"},{"custom":{"a":[[[[]]]]}},{"person":{"phone":"1"},"message":"\ud800"}]`
	_, _, err := DecodeBatch([]byte(body))
	p, ok := problem.Of(err)
	if !ok || p.Status != 422 {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.Errors {
		got = append(got, fmt.Sprintf("%d %s %s", *f.Index, f.Field, f.Code))
	}
	want := []string{"1 person.phone wrong_type", "1 x unknown_field", "2 person contact_missing", "3 a duplicate_key", "4  wrong_type",
		"5  invalid_utf8", "6  body_too_large", "7  too_deep", "8  invalid_utf8"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestBatchFaultsAreBounded(t *testing.T) {
	bad := `{` + many(60) + `}`
	_, _, err := DecodeBatch([]byte("[" + strings.Repeat(bad+",", 99) + bad + "]"))
	if p, _ := problem.Of(err); len(p.Errors) < maxBatchFaults || len(p.Errors) > maxBatchFaults+maxFaults {
		t.Errorf("%d faults", len(p.Errors))
	}
}

// The pieces are the elements that encoding/json finds, to the byte.
func FuzzSplitBatch(f *testing.F) {
	f.Add([]byte(`[` + full + ` , {}]`))
	f.Add([]byte(`[1,"a",[null],{"a":1,"a":2}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, err := SplitBatch(body)
		if err != nil {
			if _, ok := problem.Of(err); !ok {
				t.Fatalf("not a problem: %v", err)
			}
			return
		}
		var other []json.RawMessage
		if err := json.Unmarshal(body, &other); err != nil || len(other) != len(raw) {
			t.Fatalf("encoding/json: %v, %d elements for %d", err, len(other), len(raw))
		}
		for i := range raw {
			if !bytes.Equal(raw[i], other[i]) {
				t.Errorf("element %d: %q and %q", i, raw[i], other[i])
			}
		}
	})
}
