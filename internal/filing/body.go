package filing

import (
	"context"
	"errors"
	"io"
	"os"

	"catchment/internal/problem"
)

// counted counts what goes through.
type counted struct {
	io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n += int64(n)
	return n, err
}

// bounded is a body that ends with its context.
type bounded struct {
	ctx   context.Context
	r     io.Reader
	alive func()
	err   error // why it ended, other than at its end
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (n int, err error) {
	if b.ctx.Err() != nil {
		b.err = os.ErrDeadlineExceeded
		return 0, b.err
	}
	b.alive()
	if n, err = b.r.Read(p); err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// brokenOff says why a body did not come to its end.
func brokenOff(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem.Unreadable("body_too_slow", "The file did not arrive in time: %d minutes for all of it. Nothing was stored; send it again over a better connection, or a smaller one.", int(arriveFor.Minutes()))
	}
	return problem.Unreadable("body_broken_off", "The file broke off. Nothing was stored; send it again.").Because(err)
}
