package keyring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"catchment/internal/account"
	"catchment/internal/vault"
)

// Keys that are printed by accident, alone or inside something, do not show.
func TestKeysDoNotPrint(t *testing.T) {
	k := memoryKeyring(t)
	wrapped, keys := testAccount(t, k)
	_, subject := keys.NewSubjectKey(vault.Subject{1})
	sealer, opener := NewSealer(boxOf(keys)), NewDropOpener()
	defer sealer.Close()
	lead := sealMany(t, sealer, keys.ID(), 1)[0]
	state := *sealer.epochs[keys.ID()].state()
	content := keys.secrets().content
	wantOpens(t, opener, keys, lead)
	accounts := NewAccounts(k, nil)
	accounts.cache.put(keys.ID(), cachedKeys{keys: keys})

	secrets := [][]byte{state[:], content.Index, content.CaptureID, content.Generations[0].Wrap,
		content.Generations[0].DropBox, keys.secrets().index[vault.ByPhone], k.keys().SnapshotSeed, k.keys().SnapshotSeal,
		k.keys().LoginIndex, k.keys().Token, k.keys().Receipt[0].Seed}
	type holder struct{ hidden any }
	for _, v := range []any{k, *k, k.Door(), *k.Door(), k.ReceiptSigner(), keys, *keys, subject, &subject,
		sealer, opener, accounts, wrapped, account.ID{}} {
		for _, v := range []any{v, holder{v}, &holder{v}, []any{v}} {
			if n := shown(v, secrets); n > 0 {
				t.Errorf("%T shows %d keys", v, n)
			}
		}
	}
	if shown(content, secrets) != 4 || shown(state, secrets) != 1 { // the control
		t.Error("the search does not find keys that are shown")
	}
}

func shown(v any, secrets [][]byte) (n int) {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
	b, _ := json.Marshal(v)
	text := strings.ToLower(out.String() + string(b))
	for _, s := range secrets {
		s = s[:16]
		for _, form := range []string{fmt.Sprintf("%x", s), strings.Trim(fmt.Sprint(s), "[]"), string(s)} {
			if strings.Contains(text, form) {
				n++
				break
			}
		}
	}
	return n
}
