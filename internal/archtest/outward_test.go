package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// askers make clients of their own, to addresses that the operator alone has
// written or that are this program's; whatever else asks, asks by outward.
var askers = []string{
	"internal/outward",                // the one way
	"internal/keyservice",             // the operator's key service
	"cmd/catchment/passphrase.go",     // this program's inner listener
	"internal/proof", "internal/demo", // clients of instances that they start
	"internal/edge/acmetest", "internal/web/webtest", // helpers for tests
}

// own finds what makes a client, or asks by the one that everybody shares.
func own(f *ast.File) (out []string) {
	names := []string{"Client", "Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"}
	typed := map[ast.Node]bool{} // a parameter *http.Client takes one, and makes none
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StarExpr:
			typed[n.X] = true
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "http" && !typed[n] && slices.Contains(names, n.Sel.Name) {
				out = append(out, "http."+n.Sel.Name)
			}
		}
		return true
	})
	return out
}

func TestOneWayOutward(t *testing.T) {
	root, seen := "../..", map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "node_modules" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		found := own(f)
		if len(found) == 0 {
			return nil
		}
		rel, _ := filepath.Rel(root, path)
		for _, a := range askers {
			if rel = filepath.ToSlash(rel); rel == a || strings.HasPrefix(rel, a+"/") {
				seen[a] = true
				return nil
			}
		}
		t.Errorf("%s has %v: ask by internal/outward, or name it among askers with its reason", rel, found)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range askers {
		if !seen[a] {
			t.Errorf("%s makes no client any more: take it off askers", a)
		}
	}
}

// The control: what the rule must see, and what it must not.
func TestOtherWaysAreSeen(t *testing.T) {
	for text, want := range map[string]bool{"var _ = http.Client{}": true, "var _ = &http.Client{}": true, "func f() { http.Get(u) }": true, "var _ = http.DefaultClient": true,
		"var _ http.Transport": true, "func f(c *http.Client) {}": false, "func f(w http.ResponseWriter) {}": false} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport \"net/http\"\n"+text, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(own(f)) > 0; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
