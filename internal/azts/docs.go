package azts

import (
	_ "embed" // for documented
	"strings"
	"sync"
)

// docsURL is where the public documentation of AzTS describes its controls: a
// page for each feature, with a heading for each control's id. GitHub names the
// place of a heading by its text in lower case.
const docsURL = "https://github.com/azsk/AzTS-docs/blob/HEAD/Control%20coverage/Feature/"

// documented is the ids of all controls in that documentation, each with the page
// that describes it.
//
//go:embed documented.csv
var documented string

var pageOfControl = sync.OnceValue(func() map[string]string {
	pages := map[string]string{}
	for line := range strings.Lines(documented) {
		id, page, _ := strings.Cut(strings.TrimSpace(line), ",")
		pages[id] = page
	}
	return pages
})

// ControlDocs returns the address at which the public documentation of AzTS
// describes a control, or "" where it does not. Controls that an organization
// made itself have none.
func ControlDocs(controlName string) string {
	page := pageOfControl()[controlName]
	if page == "" {
		return ""
	}
	return docsURL + page + ".md#" + strings.ToLower(controlName)
}
