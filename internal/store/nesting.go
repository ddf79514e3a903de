package store

import (
	"bytes"
	"errors"
	"runtime"
	"sync"
)

// nesting refuses what can stop a server: a transaction that is begun by who
// holds a connection that reads. As many at once as there are connections would
// each wait for ever for one of the others. It is for tests, where one at a time
// would pass: production waits, as it has to for who is only slow.
//
// To read within a transaction that writes is no such thing, because nobody who
// reads waits for a writer; nor is to read the directory, which has connections
// of its own and does nothing else meanwhile.
type nesting struct {
	mu   sync.Mutex
	held map[string]bool // goroutines that read
}

var errNested = errors.New("store: a transaction is begun within one that reads: load what it needs before")

func (n *nesting) begin(m mode) (done func(), err error) {
	if n == nil || m.readOnly && m.directory {
		return func() {}, nil
	}
	who := goroutine()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[who] {
		return nil, errNested
	}
	if !m.readOnly {
		return func() {}, nil
	}
	n.held[who] = true
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.held, who)
	}, nil
}

// goroutine names the one that calls, by the head of its stack: "goroutine 7".
func goroutine() string {
	head := make([]byte, 64)
	head = head[:runtime.Stack(head, false)]
	if i := bytes.IndexByte(head, '['); i > 0 {
		head = head[:i]
	}
	return string(head)
}
