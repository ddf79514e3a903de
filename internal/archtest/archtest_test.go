package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "catchment/"

// imports reads, for each package of the program, what its files that are not
// tests import of the program.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	root := "../.."
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "node_modules" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); d.IsDir() && path != root && err == nil {
			return filepath.SkipDir // a module of its own: nothing here can import it
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, _ := filepath.Rel(root, filepath.Dir(path))
		name := strings.TrimPrefix(filepath.ToSlash(rel), "internal/")
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		if out[name] == nil {
			out[name] = []string{}
		}
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			if own, ok := strings.CutPrefix(p, module); ok {
				out[name] = append(out[name], strings.TrimPrefix(own, "internal/"))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func isTestOnly(name string) bool {
	return slices.Contains(testOnly, name) || strings.HasSuffix(name, "test")
}

// inner packages (vault/internal/clear) belong to the room they are in.
func room(name string) string {
	if before, _, ok := strings.Cut(name, "/internal/"); ok {
		return before
	}
	return name
}

func floorOf(name string) int {
	for i, f := range floors {
		if slices.Contains(f.packages, room(name)) {
			return i
		}
	}
	return -1
}

func TestImportsOnlyPointDown(t *testing.T) {
	all := imports(t)
	if len(all) < 10 {
		t.Fatalf("found only %d packages: the test looks in the wrong place", len(all))
	}
	for name, list := range all {
		if isTestOnly(name) {
			continue
		}
		from := floorOf(name)
		if from < 0 {
			t.Errorf("%s stands on no floor: add it to floors, and to ARCHITECTURE.md with its reason", name)
			continue
		}
		for _, dep := range list {
			if room(dep) == room(name) {
				continue
			}
			if isTestOnly(dep) {
				if name != "cmd/catchment" || dep != "store/scratch" { // prove starts its own PostgreSQL
					t.Errorf("%s imports %s, which is for tests", name, dep)
				}
				continue
			}
			if to := floorOf(dep); to >= 0 && to <= from {
				t.Errorf("%s (%s) imports %s (%s): imports only point down", name, floors[from].name, dep, floors[to].name)
			}
		}
	}
}

func TestPermissionsByImport(t *testing.T) {
	all := imports(t)
	for name, list := range all {
		if isTestOnly(name) {
			continue
		}
		for _, dep := range list {
			holders, ok := permissions[dep]
			if ok && room(name) != room(dep) && !slices.Contains(holders, name) {
				t.Errorf("%s imports %s, and may not", name, dep)
			}
		}
	}
	for dep, holders := range permissions {
		for _, h := range holders {
			if !slices.Contains(all[h], dep) {
				t.Errorf("%s holds the permission %s and does not use it: take it away", h, dep)
			}
		}
	}
}

func TestEveryRoomExists(t *testing.T) {
	all := imports(t)
	for _, f := range floors {
		for _, p := range f.packages {
			if _, ok := all[p]; !ok {
				t.Errorf("%s stands on a floor and does not exist", p)
			}
		}
	}
}
