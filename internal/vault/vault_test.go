package vault_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"catchment/internal/vault"
	"catchment/internal/vault/reveal"
)

const canary = "Ada Canary"

type holder struct {
	Public vault.Personal
	hidden vault.Personal
	nested struct{ deep []vault.Personal }
}

func TestPersonalCannotLeave(t *testing.T) {
	p := vault.Hide(canary)
	h := holder{Public: p, hidden: p}
	h.nested.deep = []vault.Personal{p}
	for _, v := range []any{p, &p, h, &h, []vault.Personal{p}, map[string]vault.Personal{"a": p}, [1]holder{h}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, canary) || strings.Contains(s, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s of %T leaks: %s", verb, v, s)
			}
		}
		if b, err := json.Marshal(v); err == nil || bytes.Contains(b, []byte(canary)) {
			t.Errorf("json of %T: %s, %v", v, b, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		if strings.Contains(log.String(), canary) {
			t.Errorf("slog of %T: %s", v, log.String())
		}
		var g bytes.Buffer
		_ = gob.NewEncoder(&g).Encode(v)
		if strings.Contains(g.String(), canary) {
			t.Errorf("gob of %T leaks", v)
		}
	}
	if reveal.Text(p) != canary { // the control: the text is there to be leaked
		t.Error("reveal does not read it")
	}
}
