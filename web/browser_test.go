package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

// TestBrowser holds what only a real browser can show. The journeys share two
// Chromiums, one that allows cookies of third parties and one that blocks them;
// each journey has a profile of its own. They run one after the other: the
// clipboard is the machine's.
func TestBrowser(t *testing.T) {
	if !chromium.Enabled() {
		t.Log("the journeys in Chromium run with PORTAL_TEST_BROWSER=1")
		return
	}
	allowing := chromium.Start(t, chromium.Options{})
	blocking := chromium.Start(t, chromium.Options{BlockThirdPartyCookies: true})
	journeys := []struct {
		name    string
		journey func(*testing.T, *chromium.Browser)
		browser *chromium.Browser
	}{
		{"newcomer", walkAsNewcomer, allowing},
		{"newcomer, third-party cookies blocked", walkAsNewcomer, blocking},
		{"signed out elsewhere", signOutElsewhere, allowing},
		{"signed out elsewhere, third-party cookies blocked", signOutElsewhere, blocking},
		{"signed in again elsewhere", signInAgainElsewhere, allowing},
		{"without scripts", walkWithoutScripts, blocking},
		{"back button", goBackAfterSignOut, allowing},
		{"tokens", getTokens, allowing},
		{"tokens without scripts", getTokensWithoutScripts, blocking},
		{"choose and start", chooseAndStart, allowing},
		{"choose and start, without scripts", chooseAndStartWithoutScripts, blocking},
		{"scan followed", followScan, allowing},
		{"what changed", seeWhatChanged, allowing},
		{"keyboard", walkByKeyboard, allowing},
		{"all pages", seeAllPages, allowing},
		{"my access", seeMyAccess, allowing},
		{"my access by keyboard", giveBackByKeyboardAlone, allowing},
		{"disabled account", signInDisabled, allowing},
		{"declined consent", declineConsent, allowing},
		{"second factor", signInWithSecondFactor, allowing},
		{"person without role", lookWithoutRole, allowing},
		{"thousands of subscriptions", pageThroughThousands, allowing},
		{"weight of the first page", weighFirstPage, allowing},
		{"repeated scans", repeatAScan, allowing},
		{"repeated scans without scripts", repeatAScanWithoutScripts, blocking},
		{"administration of consent", administerConsent, allowing},
		{"administration of consent, without scripts", administerWithoutScripts, blocking},
		{"provider down", seeProviderDown, allowing},
		{"health of the set-up", examineTheSetUp, allowing},
		{"results of a scan", readFindings, allowing},
		{"the help desk", callTheHelpDesk, allowing},
		{"the help desk without scripts", callTheHelpDeskWithoutScripts, blocking},
		{"runs of flows", runFlows, allowing},
		{"runs of flows without scripts", runFlowsWithoutScripts, blocking},
	}
	for _, j := range journeys {
		t.Run(j.name, func(t *testing.T) { j.journey(t, j.browser) })
	}
}

const (
	// sessionEndShown is how soon an open page says that its session ended.
	sessionEndShown = 5 * time.Second
)

// visitor is somebody with a tab, at the portal of a world.
type visitor struct {
	*chromium.Tab
	t     testing.TB
	world *world
}

func (w *world) visitor(t testing.TB, p *chromium.Profile) *visitor {
	return &visitor{Tab: p.Tab(t), t: t, world: w}
}

// visit opens a path of the portal.
func (v *visitor) visit(path string) {
	v.t.Helper()
	v.Open(v.world.url + path)
}

// pick chooses an account on the tenant's page.
func (v *visitor) pick(objectID string) {
	v.t.Helper()
	v.Heading("Choose an account")
	v.Click(`button[name=account][value="` + objectID + `"]`)
}

// signIn signs a person in who was asked for consent before or is now, and
// ends on the page of a path.
func (v *visitor) signIn(objectID, path, heading string) {
	v.t.Helper()
	v.visit("/auth/login?return_to=" + path)
	v.pick(objectID)
	v.Heading("Permissions requested")
	v.Press("Accept")
	v.Heading(heading)
}

// consented is a world where nobody is asked for consent and scans are short.
func consented(t *testing.T, o sandbox.Options) *world {
	t.Helper()
	if o.ScanDuration == 0 {
		o.ScanDuration = 1500 * time.Millisecond
	}
	return startWorld(t, setup{sandbox: o})
}

func (v *visitor) has(selector, text string) {
	v.t.Helper()
	if got := v.Text(selector); !strings.Contains(got, text) {
		v.t.Errorf("%s reads %q, want it to hold %q", selector, got, text)
	}
}

// quoted writes a text as a literal of JavaScript.
func quoted(text string) string {
	b, _ := json.Marshal(text) // a string always has a JSON form
	return string(b)
}
