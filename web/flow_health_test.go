package main

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/sandbox"
	"azts.internal/portal/templates"
)

const setupHeading = "Health of the set-up"

// healthOf returns the word of a check's state on the page.
func healthOf(p *page, id string) string {
	p.t.Helper()
	return clean(p.one("#check-" + id + " .status").Text())
}

func TestHealthOfTheSetUp(t *testing.T) {
	t.Parallel()
	w, b := adminWorld(t)
	p := b.get(templates.FlowHealthURL).want(http.StatusOK, setupHeading)
	if wrong := p.text(".to-mend"); wrong != "" {
		t.Errorf("in a healthy world these are to mend: %s", wrong)
	}
	for _, id := range []string{"metadata", "redirect_uris", "permission", "consent", "azts_feature", "graph", "base_url", "database"} {
		if state := healthOf(p, id); state != "In order" {
			t.Errorf("%s: %s, %s", id, state, p.text("#check-"+id))
		}
	}
	if n := p.sel(".setup > li").Length(); n != 4 || !strings.Contains(p.text("#facts pre"), "Web API URL: "+w.tenant.url+"/azts") || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d steps, facts %s, headers %v", n, p.text("#facts pre"), p.header)
	}

	// A minute's rest: what has changed since is not looked at, whoever presses what.
	w.tenant.Faults().Set("graph.registration", "no_redirects,no_id_tokens", -1)
	w.tenant.Faults().Set("azts.feature_off", "", -1)
	asked := w.tenant.count("/azts/ComplianceSummary/search")
	p = b.submit(p, `form[action="`+templates.FlowHealthURL+`"] button`, nil).want(http.StatusOK, setupHeading)
	p.has(".flash, [role=status]", "once a minute")
	if again := w.tenant.count("/azts/ComplianceSummary/search"); again != asked || healthOf(p, "redirect_uris") != "In order" {
		t.Errorf("AzTS was asked %d times, then %d", asked, again)
	}

	// Another person has a report of their own, with their own rights.
	hugo := w.browser()
	hugo.signIn("hugo@contoso.com")
	p = hugo.get(templates.FlowHealthURL).want(http.StatusOK, setupHeading)
	for id, want := range map[string]string{"redirect_uris": "Wrong", "id_tokens": "Wrong", "azts_feature": "Wrong", "consent": "Cannot tell", "clock": "In order"} {
		if got := healthOf(p, id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if first := p.sel(".to-mend a").First().AttrOr("href", ""); first != "#check-redirect_uris" {
		t.Errorf("the first to mend leads to %q", first)
	}
	if text := p.body + w.log.String(); strings.Contains(text, sandbox.PortalClientSecret) || strings.Contains(text, "eyJ") {
		t.Error("a secret or a token is on the page or in the log")
	}

	// An employee is told which role is missing, and nothing is looked at.
	dana := w.browser()
	dana.signIn("dana@contoso.com")
	asked = w.tenant.count("/azts/ComplianceSummary/search")
	dana.get(templates.FlowHealthURL).want(http.StatusForbidden, "This is not open to you").has("main", "Portal.HelpDesk")
	for _, path := range []string{templates.FlowHealthURL, templates.FlowHealthAllowURL} {
		dana.post(path, nil).want(http.StatusForbidden, "This is not open to you")
	}
	if again := w.tenant.count("/azts/ComplianceSummary/search"); again != asked {
		t.Error("something was looked at for an employee")
	}
}

// TestReadingTheRegistrationIsAllowed: the page leads to the tenant and back, and then tells more.
func TestReadingTheRegistrationIsAllowed(t *testing.T) {
	t.Parallel()
	w := agreed(t, sandbox.Options{})
	b := w.browser()
	b.signIn(ada)
	p := b.get(templates.FlowHealthURL).want(http.StatusOK, setupHeading)
	if healthOf(p, "registration") != "Cannot tell" {
		t.Fatalf("%s", p.text("#check-registration"))
	}
	p = b.submit(p, `form[action="`+templates.FlowHealthAllowURL+`"] button`, nil)
	p = b.through(p, ada)
	p.want(http.StatusOK, setupHeading)
	if p.sel(`form[action="`+templates.FlowHealthAllowURL+`"]`).Length() != 0 || healthOf(p, "redirect_uris") != "In order" || healthOf(p, "registration") != "In order" {
		t.Errorf("%s", p.text("main"))
	}
}

// checked runs portal -check and returns what it printed.
func checked(t *testing.T, env map[string]string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), []string{"-check"}, func(name string) string { return env[name] }, &out, io.Discard)
	return out.String(), err
}

func TestCheckOfTheConfiguration(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	env := map[string]string{"PORTAL_BASE_URL": w.url, "PORTAL_DATABASE_URL": "sqlite:" + t.TempDir() + "/unused.db"}
	maps.Copy(env, w.env)
	out, err := checked(t, env)
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, line := range []string{"configuration: in order", "Metadata of the issuer: " + w.tenant.url, "Signing keys: ", "Clocks: ", "Address of the Web API: " + w.tenant.url + "/azts answers",
		"Azure Resource Manager", "Microsoft Graph", w.url + "/auth/callback", w.url + "/auth/frontchannel-logout", w.url + templates.FlowHealthURL} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	if strings.Contains(out, sandbox.PortalClientSecret) || strings.Contains(out, env["PORTAL_SECRET_KEY"]) {
		t.Error("a secret is printed")
	}
	w.tenant.Faults().Set("metadata.clock", "41s", -1)
	if out, err = checked(t, env); err != nil || !strings.Contains(out, doctor.Warn.String()) || !strings.Contains(out, "NTP") {
		t.Errorf("a clock that is off is a warning: %v: %s", err, out)
	}
	w.tenant.Faults().Set("metadata.wrong_issuer", "", -1)
	if out, err = checked(t, env); err == nil || !strings.Contains(out, "https://login.example.net") {
		t.Errorf("a foreign issuer is no failure: %v: %s", err, out)
	}
}
