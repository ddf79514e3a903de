package proof

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// familyCPU is what a process and those that descend from it have used so far;
// those that have ended are not in it.
func familyCPU(pid int) time.Duration {
	children := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		text, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(text), ") ") // the name may hold spaces
		if f := strings.Fields(rest); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			children[parent] = append(children[parent], child)
		}
	}
	sum := time.Duration(0)
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		sum += processCPU(todo[0])
		todo = append(todo, children[todo[0]]...)
	}
	return sum
}

// machineCPU is what the machine's processors were not free for so far, also
// because its host gave them to others (steal).
func machineCPU() (sum time.Duration) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for n, f := range strings.Fields(line) {
		if n == 0 || n == 4 || n == 5 || n > 8 { // its name, idle, iowait, and what user and nice hold already
			continue
		}
		v, _ := strconv.ParseInt(f, 10, 64)
		sum += time.Duration(v) * 10 * time.Millisecond
	}
	return sum
}

// use is processors' time so far, by who used it.
type use struct {
	at                                      time.Time
	server, database, browser, own, machine time.Duration
}

func (d *deskTrial) used(browser int) use {
	return use{time.Now(), d.i.cpu(), d.i.databaseCPU(), familyCPU(browser), ownCPU(), machineCPU()}
}

// shares are parts of what the processors give, in percent.
type shares struct{ server, database, browser, own, others float64 }

func (u use) since(v use) shares {
	part := func(a, b time.Duration) float64 {
		return max(0, 100*(a-b).Seconds()/(u.at.Sub(v.at).Seconds()*float64(runtime.NumCPU())))
	}
	s := shares{part(u.server, v.server), part(u.database, v.database), part(u.browser, v.browser), part(u.own, v.own), 0}
	s.others = max(0, part(u.machine, v.machine)-s.server-s.database-s.browser-s.own)
	return s
}
