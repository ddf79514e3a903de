package proof

import (
	"io"
	"net"
	"sync"
)

// cutter is a wire that can be cut: it carries what comes to its own address
// to another one, or lets nothing through.
type cutter struct {
	to string
	l  net.Listener

	mu    sync.Mutex
	off   bool
	conns map[net.Conn]struct{}
}

func (t *trial) cutter(to string) (*cutter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &cutter{to: to, l: l, conns: map[net.Conn]struct{}{}}
	t.later(func() { l.Close(); c.cut() })
	go c.serve()
	return c, nil
}

func (c *cutter) address() string { return c.l.Addr().String() }

func (c *cutter) serve() {
	for {
		in, err := c.l.Accept()
		if err != nil {
			return
		}
		go c.carry(in)
	}
}

func (c *cutter) carry(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	if !c.hold(in, out) {
		return
	}
	defer c.drop(in, out)
	var wg sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		to.Close()
		from.Close()
	}
	wg.Go(func() { one(out, in) })
	wg.Go(func() { one(in, out) })
	wg.Wait()
}

// hold notes connections, to be cut; false: the wire is cut.
func (c *cutter) hold(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return false
	}
	for _, k := range conns {
		c.conns[k] = struct{}{}
	}
	return true
}

func (c *cutter) drop(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range conns {
		delete(c.conns, k)
	}
}

// cut ends what is connected and lets nothing through from now on.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = true
	for k := range c.conns {
		k.Close()
		delete(c.conns, k)
	}
}

// mend lets new connections through.
func (c *cutter) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = false
}
