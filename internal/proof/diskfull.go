package proof

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// proveDiskFull fills the disk under load, on a small file system in a file.
func proveDiskFull(ctx context.Context, t *trial) error {
	mount, kind, err := t.smallDisk()
	if err != nil {
		return errSkipped{err.Error()}
	}
	t.note("on %s", kind)
	i, err := t.seat(ctx, SQLite, filepath.Join(mount, "data"))
	if err != nil {
		return err
	}
	if err := i.found(ctx); err != nil {
		return err
	}
	ballast := filepath.Join(mount, "ballast")
	if err := fill(ballast, mount, 64<<20); err != nil {
		return err
	}
	l := i.load("full", 200_000, 32)
	l.timeout = 20 * time.Second
	under, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() { l.run(under, true); close(ended) }()
	if err := t.untilFull(ctx, l.book); err != nil {
		return err
	}
	if err := pause(ctx, t.seconds(8)); err != nil { // full for a while, under load
		return err
	}
	t.check("a full disk is refused with 503 and Retry-After", l.book.status(503) > 0 && l.book.bare503 == 0,
		"%d answers of 503 (%s), %d of them without Retry-After", l.book.status(503), l.book.refusals(), l.book.bare503)
	t.check("every refusal comes within two seconds", l.book.slowest < 2*time.Second && l.book.broken == 0,
		"slowest %.0f ms, %d requests without an answer", ms(l.book.slowest), l.book.broken)
	free, _ := freeSpace(mount)
	t.figure("free on the full disk", float64(free)/(1<<20), "MiB")
	// Somebody else may take the last byte, below what the program keeps free.
	last := filepath.Join(mount, "last-byte")
	_ = fill(last, mount, 0) // it ends with ENOSPC
	free, _ = freeSpace(mount)
	t.say("not a byte is free now (%d)", free)
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	t.check("with not a byte free it still answers", l.book.slowest < 2*time.Second && l.book.broken == 0 && i.alive(),
		"slowest refusal %.0f ms, %d requests without an answer", ms(l.book.slowest), l.book.broken)
	if err := os.Remove(last); err != nil {
		return err
	}
	if err := t.makeRoom(ctx, i, l.book, ballast); err != nil {
		return err
	}
	stop()
	<-ended
	l.flush(ctx, 60*time.Second)
	t.check("what was refused is taken when it is repeated", l.book.outstanding() == 0, "%d of %d leads still open", l.book.outstanding(), l.book.sent())
	if _, err := i.drain(ctx, 180*time.Second); err != nil {
		return err
	}
	return t.settle(ctx, i, l.book, "")
}

// untilFull waits for the first refusal; without one the proof proves nothing.
func (t *trial) untilFull(ctx context.Context, book *ledger) error {
	for began := time.Now(); book.status(503) == 0; {
		if time.Since(began) > 90*time.Second {
			return fmt.Errorf("the disk was not full after 90 s and %d leads", book.acknowledged())
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	t.say("the disk is full after %d leads", book.acknowledged())
	return nil
}

// makeRoom deletes the ballast and waits for the next 202, with nobody's help.
func (t *trial) makeRoom(ctx context.Context, i *instance, book *ledger, ballast string) error {
	pid := i.cmd.Process.Pid
	before := book.status(202)
	if err := os.Remove(ballast); err != nil {
		return err
	}
	began := time.Now()
	for book.status(202) == before && time.Since(began) < 60*time.Second {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	ok := book.status(202) > before && i.alive() && i.cmd.Process.Pid == pid
	t.check("with room again it takes leads, in the same process", ok, "%.1f s after there was room", time.Since(began).Seconds())
	return pause(ctx, 3*time.Second)
}

func (l *ledger) refusals() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for code, n := range l.codes {
		out = append(out, fmt.Sprintf("%s × %d", code, n))
	}
	return strings.Join(out, ", ")
}

const smallDiskBytes = 700 << 20

// smallDisk mounts a file system of its own: ext4 in a file, or else memory.
func (t *trial) smallDisk() (mount, kind string, err error) {
	if os.Getuid() != 0 {
		return "", "", errors.New("only root can mount a small file system")
	}
	mount = filepath.Join(t.dir, "disk")
	if err := os.Mkdir(mount, 0o700); err != nil {
		return "", "", err
	}
	image := filepath.Join(t.dir, "disk.img")
	kind = "ext4 in a file"
	err = ext4(image, mount)
	if err != nil {
		t.say("no ext4 in a file here (%v); trying a file system in memory", err)
		kind = "a file system in memory (fsync costs nothing there)"
		err = run("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", smallDiskBytes), "tmpfs", mount)
	}
	if err != nil {
		return "", "", fmt.Errorf("no small file system can be mounted: %w", err)
	}
	t.later(func() { unmount(mount) })
	return mount, kind, nil
}

func ext4(image, mount string) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	err = errors.Join(f.Truncate(smallDiskBytes), f.Close())
	if err == nil {
		err = run("mkfs.ext4", "-q", "-F", "-m", "0", image)
	}
	if err == nil {
		err = run("mount", "-o", "loop", image, mount)
	}
	return err
}

func unmount(mount string) {
	for range 20 { // the instance was killed a moment ago
		if run("umount", mount) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = run("umount", "-l", mount)
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}

// fill writes a file that leaves only so much free.
func fill(name, dir string, leave int64) error {
	free, err := freeSpace(dir)
	if err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for n := int64(0); n < free-leave; n += int64(len(block)) {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return f.Sync()
}
