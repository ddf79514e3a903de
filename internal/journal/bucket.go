package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Bucket is a set of small values by key, of which everybody who watches has
// the newest: the doors' snapshot. Keys are letters, digits and "-_/=.".
type Bucket struct {
	j    *Journal
	name string
	kv   jetstream.KeyValue
}

// Bucket opens the bucket of this name and makes it when it is not there.
func (j *Journal) Bucket(ctx context.Context, name string) (*Bucket, error) {
	kv, err := j.js.KeyValue(ctx, j.o.Name+"-"+name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = j.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: j.o.Name + "-" + name, History: 1, Storage: jetstream.FileStorage, Replicas: j.o.Replicas,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("journal: bucket %s: %w", name, err)
	}
	return &Bucket{j, name, kv}, nil
}

// Put stores the value and returns when it is on disk.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) error {
	if _, err := b.kv.Put(ctx, key, value); err != nil {
		return fmt.Errorf("journal: bucket %s: put: %w", b.name, err)
	}
	return nil
}

// Get returns the value, or nil when there is none.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	e, err := b.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: bucket %s: get: %w", b.name, err)
	}
	return e.Value(), nil
}

// Delete removes the key; watchers are told.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := b.kv.Delete(ctx, key); err != nil {
		return fmt.Errorf("journal: bucket %s: delete: %w", b.name, err)
	}
	return nil
}

// Watch gives set every value that is there, then calls ready, then gives
// every change; a nil value means that the key is gone. All calls come from
// one goroutine. When the server is away it goes on afterwards, and may then
// repeat values. ready is called once. Watch returns when ctx ends or the
// journal closes.
func (b *Bucket) Watch(ctx context.Context, set func(key string, value []byte), ready func()) error {
	if !b.j.begin() {
		return ErrBusy{retryAfter, BusyClosing}
	}
	defer b.j.workers.Done()
	w := watcher{b: b, set: set, ready: ready, known: make(map[string]bool)}
	for !b.j.stopped(ctx) {
		b.j.logUnlessStopped(ctx, "journal: watch", w.run(ctx))
		b.j.pause(ctx, backoffFirst)
	}
	return nil
}

type watcher struct {
	b     *Bucket
	set   func(string, []byte)
	ready func()
	known map[string]bool // keys that set has heard of
}

// run watches until the connection was lost and found again: what happened
// in between is read anew rather than trusted to have been caught up.
func (w *watcher) run(ctx context.Context) error {
	again := make(chan struct{}, 1)
	defer w.b.j.keeper.onReconnect(func() {
		select {
		case again <- struct{}{}:
		default:
		}
	})()
	kw, err := w.b.kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = kw.Stop() }()
	replayed := make(map[string]bool)
	for {
		select {
		case <-w.b.j.stop:
			return nil
		case <-ctx.Done():
			return nil
		case <-again:
			return nil
		case e, ok := <-kw.Updates():
			if !ok {
				return errors.New("watch ended")
			}
			replayed = w.take(e, replayed)
		}
	}
}

// take passes one update on. replayed collects the keys of the first replay
// and is nil after it.
func (w *watcher) take(e jetstream.KeyValueEntry, replayed map[string]bool) map[string]bool {
	if e == nil { // the end of what was there
		w.forget(replayed)
		if w.ready != nil {
			w.ready()
			w.ready = nil
		}
		return nil
	}
	if e.Operation() != jetstream.KeyValuePut {
		delete(w.known, e.Key())
		w.set(e.Key(), nil)
		return replayed
	}
	w.known[e.Key()] = true
	if replayed != nil {
		replayed[e.Key()] = true
	}
	value := e.Value()
	if value == nil {
		value = []byte{}
	}
	w.set(e.Key(), value)
	return replayed
}

// forget tells of keys that went while nobody was watching.
func (w *watcher) forget(replayed map[string]bool) {
	for key := range w.known {
		if !replayed[key] {
			delete(w.known, key)
			w.set(key, nil)
		}
	}
}

// Wake wakes everybody who sleeps on the subject (letters, digits, "-_."), on
// every node. It promises nothing: whoever sleeps looks for himself, too, now
// and then.
func (j *Journal) Wake(subject string) error {
	if err := j.nc.Publish(j.o.Name+".wake."+subject, nil); err != nil {
		return fmt.Errorf("journal: wake: %w", err)
	}
	return nil
}

// OnWake calls f after a Wake, and after a lost connection has come back;
// several Wakes in a row may be one call. f is called by one goroutine, until
// stop or Close.
func (j *Journal) OnWake(subject string, f func()) (stop func(), err error) {
	if !j.begin() {
		return nil, ErrBusy{retryAfter, BusyClosing}
	}
	due, done := make(chan struct{}, 1), make(chan struct{})
	wake := func() {
		select {
		case due <- struct{}{}:
		default:
		}
	}
	sub, err := j.nc.Subscribe(j.o.Name+".wake."+subject, func(*nats.Msg) { wake() })
	if err != nil {
		j.workers.Done()
		return nil, fmt.Errorf("journal: wake: %w", err)
	}
	remove := j.keeper.onReconnect(wake)
	go func() {
		defer j.workers.Done()
		defer remove()
		defer func() { _ = sub.Unsubscribe() }()
		j.sleeper(due, done, f)
	}()
	return sync.OnceFunc(func() { close(done) }), nil
}

func (j *Journal) sleeper(due, done chan struct{}, f func()) {
	for {
		select {
		case <-j.stop:
			return
		case <-done:
			return
		case <-due:
			f()
		}
	}
}

// Tell sends a short message to everybody who hears the subject, on every node:
// now or never. It is kept nowhere.
func (j *Journal) Tell(subject string, message []byte) error {
	if err := j.nc.Publish(j.o.Name+".tell."+subject, message); err != nil {
		return fmt.Errorf("journal: tell: %w", err)
	}
	return nil
}

// Hear calls f with every message of the subject, this process's too, from one
// goroutine, until stop or Close. f does not keep the message.
func (j *Journal) Hear(subject string, f func(message []byte)) (stop func(), err error) {
	sub, err := j.nc.Subscribe(j.o.Name+".tell."+subject, func(m *nats.Msg) { f(m.Data) })
	if err != nil {
		return nil, fmt.Errorf("journal: hear: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}
