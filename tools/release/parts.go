package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// partsList writes sbom.cdx.json: the modules that the built program itself
// names, and the packages that its web app is made of.
func (r *release) partsList(clone string) error {
	info, err := buildinfo.ReadFile(filepath.Join(clone, "bin/catchment"))
	if err != nil {
		return err
	}
	parts := []cdx.Component{{Type: cdx.ComponentTypeFramework, Name: "go", Version: strings.TrimPrefix(info.GoVersion, "go"), BOMRef: "go"}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		ref := "pkg:golang/" + m.Path + "@" + m.Version
		parts = append(parts, cdx.Component{Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: ref, BOMRef: ref,
			Properties: &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}})
	}
	of, err := packages(filepath.Join(clone, "browser/app/package-lock.json"))
	if err != nil {
		return err
	}
	if len(info.Deps) < 20 || len(of) < 20 {
		return fmt.Errorf("only %d modules and %d packages were found", len(info.Deps), len(of))
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{Type: cdx.ComponentTypeApplication, Name: "catchment", Version: r.version, BOMRef: "catchment",
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}}}
	parts = append(parts, of...)
	bom.Components = &parts
	f, err := os.Create(filepath.Join(r.to, "sbom.cdx.json"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	fmt.Printf("sbom.cdx.json: %d modules, %d packages\n", len(info.Deps), len(of))
	return f.Close()
}

// packages are those of npm that are not only tools.
func packages(lockFile string) ([]cdx.Component, error) {
	text, err := os.ReadFile(lockFile)
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct {
			Version, License, Integrity string
			Dev                         bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, err
	}
	var out []cdx.Component
	for path, p := range lock.Packages {
		if path == "" || p.Dev {
			continue
		}
		name := path[strings.LastIndex(path, "node_modules/")+len("node_modules/"):]
		ref := "pkg:npm/" + strings.ReplaceAll(url.PathEscape(name), "%2F", "/") + "@" + p.Version
		out = append(out, cdx.Component{Type: cdx.ComponentTypeLibrary, Name: name, Version: p.Version, PackageURL: ref, BOMRef: ref + "#" + path,
			Licenses:   &cdx.Licenses{{Expression: p.License}},
			Properties: &[]cdx.Property{{Name: "npm:integrity", Value: p.Integrity}}})
	}
	slices.SortFunc(out, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	return out, nil
}
