package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "azts.internal/portal/"

// rule says which of our packages a package may import.
type rule struct {
	only []string // these and no others
	but  []string // all but these, where only is nil; test packages in no case
}

// testPackages are for tests alone.
var testPackages = []string{"internal/browser", "internal/foreign", "internal/scan/scantest", "internal/store/storetest"}

// directions is the map of the packages: web to handlers to the domain to the
// leaves. Templates and static know nothing of the domain, the domain nothing of
// pages, the sandbox nothing of anyone, so that it cannot share our mistakes.
var directions = map[string]rule{
	"web":                      {but: []string{}},
	"handlers":                 {but: []string{"web", "internal/config", "internal/store", "internal/sandbox", "internal/azhttp"}},
	"templates":                {only: []string{"static"}},
	"static":                   {only: []string{}},
	"session":                  {only: []string{"internal/access", "internal/apperr", "internal/seal"}},
	"internal/access":          {only: []string{}},
	"internal/apperr":          {only: []string{}},
	"internal/arm":             {only: []string{"internal/azhttp", "internal/apperr"}},
	"internal/azhttp":          {only: []string{"internal/apperr", "internal/reqlog"}},
	"internal/azts":            {only: []string{"internal/azhttp", "internal/apperr"}},
	"internal/browser":         {only: []string{}},
	"internal/config":          {only: []string{}},
	"internal/consent":         {only: []string{"internal/access", "internal/apperr", "internal/graph"}},
	"internal/doctor":          {only: []string{"internal/apperr", "internal/azts", "internal/entra", "internal/graph"}},
	"internal/entra":           {only: []string{"internal/access", "internal/apperr", "internal/seal", "internal/trace"}},
	"internal/explain":         {only: []string{"internal/apperr", "internal/entra", "internal/trace"}},
	"internal/failures":        {only: []string{"internal/access", "internal/apperr", "internal/seal", "internal/trace"}},
	"internal/flows":           {only: []string{"internal/access", "internal/apperr", "internal/entra", "internal/seal", "internal/trace"}},
	"internal/foreign":         {only: []string{}},
	"internal/graph":           {only: []string{"internal/azhttp", "internal/apperr"}},
	"internal/reqlog":          {only: []string{}},
	"internal/results":         {only: []string{"internal/access", "internal/apperr", "internal/azts", "internal/seal"}},
	"internal/sandbox":         {only: []string{}},
	"internal/scan":            {only: []string{"internal/access", "internal/apperr", "internal/azts", "internal/reqlog", "internal/results"}},
	"internal/scan/scantest":   {only: []string{"internal/access", "internal/scan"}},
	"internal/seal":            {only: []string{}},
	"internal/store":           {only: []string{"internal/access", "internal/apperr", "internal/consent", "internal/entra", "internal/failures", "internal/flows", "internal/results", "internal/scan", "session"}},
	"internal/trace":           {only: []string{}},
	"internal/store/storetest": {only: []string{"internal/access", "internal/consent", "internal/entra", "internal/failures", "internal/flows", "internal/results", "internal/scan", "session"}},
}

// owners are the packages that may use a library: a change of library then is a
// change of one package.
var owners = map[string][]string{
	"github.com/chromedp/":                 {"internal/browser"},
	"github.com/coreos/go-oidc/":           {"internal/entra"},
	"github.com/gorilla/sessions":          {"session"},
	"github.com/jackc/pgx/":                {"internal/store", "internal/store/storetest"},
	"github.com/pressly/goose/":            {"internal/store"},
	"github.com/riverqueue/river/riverdri": {"internal/store"},
	"golang.org/x/oauth2":                  {"internal/entra"},
	"modernc.org/sqlite":                   {"internal/store"},
	"database/sql":                         {"internal/store", "internal/store/storetest"},
	"html/template":                        {"internal/sandbox"}, // our pages are templ
	"embed":                                {"static", "internal/azts", "internal/store", "internal/sandbox"},
}

// forbidden returns why pkg may not import path, or "".
func forbidden(pkg, path string) string {
	for library, users := range owners {
		if strings.HasPrefix(path, library) && !slices.Contains(users, pkg) {
			return "it belongs to " + strings.Join(users, ", ")
		}
	}
	ours, found := strings.CutPrefix(path, module)
	if !found {
		return ""
	}
	allowed, known := directions[pkg]
	switch {
	case !known:
		return "" // told once, by the test
	case allowed.only != nil && !slices.Contains(allowed.only, ours):
		return "it may import [" + strings.Join(allowed.only, " ") + "] of ours"
	case allowed.only == nil && slices.Contains(allowed.but, ours):
		return "it may import all but [" + strings.Join(allowed.but, " ") + "]"
	case allowed.only == nil && slices.Contains(testPackages, ours):
		return "that is for tests"
	}
	return ""
}

func TestImportDirections(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	list.Dir = ".."
	var problems bytes.Buffer
	list.Stderr = &problems
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	packages := 0
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		pkg := strings.TrimPrefix(p.ImportPath, module)
		if _, known := directions[pkg]; !known {
			t.Errorf("%s is on no map: add it to directions, and to the README's", pkg)
		}
		for _, path := range p.Imports {
			if why := forbidden(pkg, path); why != "" {
				t.Errorf("%s imports %s: %s", pkg, strings.TrimPrefix(path, module), why)
			}
		}
	}
	if packages < 15 {
		t.Errorf("%d packages were looked at", packages)
	}
}

func TestForbiddenEdgesAreFound(t *testing.T) {
	for _, edge := range [][2]string{
		{"templates", module + "internal/entra"}, {"internal/entra", module + "handlers"}, {"internal/entra", module + "internal/store"},
		{"handlers", module + "internal/store"}, {"handlers", module + "internal/sandbox"}, {"handlers", module + "internal/config"},
		{"internal/sandbox", module + "internal/entra"}, {"internal/azts", module + "internal/entra"}, {"static", module + "templates"},
		{"web", module + "internal/store/storetest"}, {"handlers", "github.com/gorilla/sessions"}, {"internal/scan", "database/sql"},
	} {
		if forbidden(edge[0], edge[1]) == "" {
			t.Errorf("%s may import %s", edge[0], edge[1])
		}
	}
	for _, edge := range [][2]string{{"web", module + "internal/sandbox"}, {"handlers", module + "session"}, {"handlers", "net/http"},
		{"internal/store", module + "session"}, {"session", "github.com/gorilla/sessions"}} {
		if why := forbidden(edge[0], edge[1]); why != "" {
			t.Errorf("%s may not import %s: %s", edge[0], edge[1], why)
		}
	}
}
