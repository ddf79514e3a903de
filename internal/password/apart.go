package password

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// behind is the niceness of a process that hashes: it gets a tenth of a busy
	// processor, and the whole of an idle one.
	behind = 10
	// idle is after how long without work such a process ends.
	idle = time.Minute
	// longest is what one hash may take on a busy machine before its process
	// is given up.
	longest = 30 * time.Second
)

var errTask = errors.New("password: a hash was asked for that costs too much")

// Serve makes the hashes that are asked for on in, until in ends. It lowers
// the priority of its process group, which must be its own.
func Serve(in io.Reader, out io.Writer) error {
	if err := syscall.Setpriority(syscall.PRIO_PGRP, 0, behind); err != nil {
		return fmt.Errorf("password: lower the priority: %w", err)
	}
	return serve(in, out)
}

func serve(in io.Reader, out io.Writer) error {
	from, to := gob.NewDecoder(in), gob.NewEncoder(out)
	for {
		var t task
		if err := from.Decode(&t); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if !t.bounded() {
			return errTask
		}
		if err := to.Encode(t.hash()); err != nil {
			return err
		}
	}
}

// apart hashes in a process of its own, which is started when there is work
// and ends when there has been none for a while. It serves one caller at a
// time.
type apart struct {
	command []string
	child   *child
	rest    *time.Timer
}

type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	to  *gob.Encoder
	got *gob.Decoder
}

func (a *apart) hash(t task) ([]byte, error) {
	if a.rest != nil && !a.rest.Stop() {
		a.child = nil // it was told to end
	}
	a.rest = nil
	if a.child == nil {
		c, err := start(a.command)
		if err != nil {
			return nil, err
		}
		a.child = c
	}
	c := a.child
	late := time.AfterFunc(longest, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	var hash []byte
	err := c.to.Encode(t)
	if err == nil {
		err = c.got.Decode(&hash)
	}
	if err != nil {
		a.child = nil
		c.end()
		return nil, err
	}
	a.rest = time.AfterFunc(idle, c.end)
	return hash, nil
}

func (a *apart) close() {
	if a.rest != nil && a.rest.Stop() {
		a.child.end()
	}
}

func start(command []string) (*child, error) {
	cmd := exec.Command(command[0], command[1:]...)
	// A group of its own: for its priority, and because it ends when its input
	// does, not at the terminal's Ctrl-C.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{cmd: cmd, in: in, to: gob.NewEncoder(in), got: gob.NewDecoder(out)}, nil
}

// end lets the process finish and waits for it.
func (c *child) end() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}
