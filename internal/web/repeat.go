package web

import (
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"

	"catchment/internal/problem"
	"catchment/internal/store"
	"catchment/internal/store/answers"
)

// repeat is a request under an Idempotency-Key.
type repeat struct {
	op   Op
	key  string // its hash: callers put addresses into their keys
	hash []byte // of what was asked for
}

func repeatable(mac func(string) [32]byte, op Op, key, what string) repeat {
	hash, name := mac(op.Name+"\n"+what), mac("key\n"+key)
	return repeat{op, hex.EncodeToString(name[:]), hash[:]}
}

// recall reads the answer to the first of them; false when this is it.
func (r repeat) recall(tx *store.Tx, v *Visit, into any) (bool, error) {
	known, err := answers.Find(tx, v.Actor, r.key)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !hmac.Equal(known.RequestHash, r.hash) {
		return false, problem.Conflict("idempotency_conflict", "This Idempotency-Key was used for another request. Send a new key.")
	}
	return true, json.Unmarshal(known.Body, into)
}

func (r repeat) keep(tx *store.Tx, v *Visit, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return answers.Add(tx, v.Actor, r.key, answers.Answer{RequestHash: r.hash, Status: r.op.status(), Body: text}, v.At)
}

// Recall is for plain handlers that change something: it reads the answer that
// Remember kept under the request's Idempotency-Key. False: there is none. what
// tells requests of the route apart, as far as they are known before the body.
func (a *API) Recall(tx *store.Tx, v *Visit, op Op, r *http.Request, what string, into any) (bool, error) {
	key := r.Header.Get("Idempotency-Key")
	if err := checkKey(key); key == "" || err != nil {
		return false, err
	}
	return repeatable(a.mac, op, key, what).recall(tx, v, into)
}

// Remember keeps the answer, in the transaction of the change.
func (a *API) Remember(tx *store.Tx, v *Visit, op Op, r *http.Request, what string, body any) error {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		return nil
	}
	return repeatable(a.mac, op, key, what).keep(tx, v, body)
}
