package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// axeScript returns axe-core as npm installed it beside this file.
var axeScript = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(here), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("axe-core is missing; .ci/install installs it: %w", err)
	}
	return string(b), nil
})

// runAxe runs every rule that is not experimental and returns what is wrong.
const runAxe = `axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) =>
  v.id + ' (' + v.impact + '): ' + v.help + '\n' + v.nodes.slice(0, 4).map((n) =>
    '    ' + n.target.join(' ') + '\n      ' + n.html.slice(0, 200) + '\n      ' + n.failureSummary.replace(/\n/g, '\n      ')).join('\n')))`

// Axe returns what axe-core finds wrong with the page as it looks now, each with
// the elements concerned. It works in the tab's own world, so neither the
// page's policy nor its scripts are touched.
func (tab *Tab) Axe() []string {
	tab.t.Helper()
	script, err := axeScript()
	if err != nil {
		tab.t.Fatal(err)
	}
	tab.mu.Lock()
	world := tab.world
	tab.mu.Unlock()
	var there bool
	if err := tab.evaluate("globalThis.axe !== undefined", &there, world); err != nil {
		tab.t.Fatal(err)
	}
	if !there {
		if err := tab.evaluate(script+";true", &there, world); err != nil {
			tab.t.Fatal(err)
		}
	}
	var found []string
	if err := tab.evaluate(runAxe, &found, world); err != nil {
		tab.t.Fatalf("axe-core: %v", err)
	}
	for i := range found {
		found[i] = strings.TrimSpace(found[i])
	}
	return found
}
