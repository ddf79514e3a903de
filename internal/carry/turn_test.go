package carry

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"catchment/internal/store/storetest"
)

// Whoever has gone away waits for no turn, and takes none from who comes after.
func TestAnArchiveWaitsAsLongAsItsCaller(t *testing.T) {
	w := &Wholes{}
	done, err := w.wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := w.Write(ctx, storetest.Account(), NewWhole{}, &bytes.Buffer{}, nil)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	leave()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for its turn although nobody waits for it")
	}
	done()
	next, err := w.wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next()
}
