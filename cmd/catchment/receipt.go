package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"catchment/internal/receipt"
)

type receiptCmd struct {
	Verify receiptVerifyCmd `cmd:"" help:"Verify a receipt against the published keys; needs no network."`
}

type receiptVerifyCmd struct {
	File string `arg:"" help:"The receipt, or a whole 202 answer with its receipt in it; - for standard input."`
	Keys string `help:"The keys, as /.well-known/catchment-receipt-keys.json gave them." required:"" type:"existingfile"`
	Body string `help:"Check also that the receipt is for this raw body." type:"existingfile"`
}

// Run exits with 0 only for a receipt that is genuine to the last byte.
func (c receiptVerifyCmd) Run(w *world) error {
	text, err := readFile(c.File)
	if err != nil {
		return err
	}
	keys, err := readKeys(c.Keys)
	if err != nil {
		return err
	}
	r, err := receipt.Parse(unwrapReceipt(text))
	if err == nil {
		err = receipt.Verify(r, keys)
	}
	if err == nil && c.Body != "" {
		var body []byte
		if body, err = os.ReadFile(c.Body); err == nil {
			err = r.MatchesBody(body)
		}
	}
	if err != nil {
		fmt.Fprintf(w.out, "NOT VALID: %v\n", err)
		return errFailed
	}
	fmt.Fprintf(w.out, "valid: %s was durable in %s at sequence %d (place %d of %d), received %s, signed by %s\n",
		r.ID, r.Stream, r.Seq, r.Index, r.Size, r.ReceivedAt, r.KeyID)
	return nil
}

func readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	}
	return os.ReadFile(name)
}

// unwrapReceipt takes the receipt out of a 202 answer, so that curl's output
// can be checked as it came. The receipt's own bytes are left as they are.
func unwrapReceipt(text []byte) []byte {
	var answer struct {
		Receipt json.RawMessage `json:"receipt"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if d.Decode(&answer) == nil && len(answer.Receipt) > 0 {
		return answer.Receipt
	}
	return bytes.TrimSpace(text)
}

// readKeys reads published keys from a file.
func readKeys(path string) (receipt.Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := receipt.ParseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("keys %s: %w", path, err)
	}
	return keys, nil
}
