package config

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of options into README.md")

const (
	readme     = "../../README.md"
	tableBegin = "<!-- options -->\n"
	tableEnd   = "<!-- /options -->"
)

// tableRows are the rows of README.md's table, one for each option.
func tableRows() []string {
	rows := make([]string, len(options))
	for i, o := range options {
		rows[i] = "| `" + o.name + "` | " + o.fallback + " | " + o.meaning + " |"
	}
	return rows
}

func TestREADMEHasTheTableOfOptions(t *testing.T) {
	b, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(b), tableBegin)
	table, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		t.Fatalf("README.md has no %s … %s", strings.TrimSpace(tableBegin), tableEnd)
	}
	head := "| Variable | Default | Meaning |\n|---|---|---|\n"
	want := head + strings.Join(tableRows(), "\n") + "\n"
	if *update {
		if err := os.WriteFile(readme, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	const remedy = "; go test ./internal/config -run README -update writes it"
	for _, row := range tableRows() {
		if !strings.Contains(table, row+"\n") {
			t.Errorf("README.md lacks %s%s", row, remedy)
		}
	}
	if !t.Failed() && table != want {
		t.Errorf("README.md has another order, heading or more rows%s", remedy)
	}
}

func TestTheTableIsWhole(t *testing.T) {
	seen := make(map[string]bool)
	for _, o := range options {
		if !strings.HasPrefix(o.name, "PORTAL_") || seen[o.name] || o.example == "" || !strings.HasSuffix(o.meaning, ".") {
			t.Errorf("%+v", o)
		}
		if strings.ContainsAny(o.meaning+o.fallback, "|\n<") {
			t.Errorf("%s: its row would break the table", o.name)
		}
		seen[o.name] = true
	}
	for _, name := range providerOptions {
		if !seen[name] {
			t.Errorf("%s is no option", name)
		}
	}
}
