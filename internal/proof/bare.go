package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// bareLead is what a plain handler would decode a lead into.
type bareLead struct {
	Source, Project string
	Person          struct{ Name, Phone, Email string }
	Message         string
	Attribution     map[string]string
	Consent         map[string]any
	Custom          map[string]any
	Test            bool
}

// ServeBare is what the door is compared with: it decodes the same bodies with
// encoding/json and writes an answer of the given size, and keeps nothing. It
// prints its address and serves until ctx ends.
func ServeBare(ctx context.Context, out io.Writer, size int) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	answer := []byte(`{"id":"enq_00000000000000000000000000","receipt":{"pad":"` + strings.Repeat("x", max(0, size-63)) + `"}}`)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/leads", func(w http.ResponseWriter, r *http.Request) {
		var in bareLead
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&in); err != nil {
			http.Error(w, "no JSON", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(answer)
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		s.Close()
	}()
	fmt.Fprintln(out, l.Addr())
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}
