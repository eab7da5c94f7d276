package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestAttackTheLogOpensNoSharedRun: who reads the log of a run that was shared does
// not get the address that opens it, whoever asked for it and however that ended.
func TestAttackTheLogOpensNoSharedRun(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b, desk := w.browser(), w.browser()
	b.signIn(dana)
	desk.signIn(hugo)
	path := b.post("/flows/hybrid/runs", runForm("lab", "")).url.Path
	share, err := url.Parse(b.post(path+"/share", nil).sel("[aria-labelledby=shared-title] .code code").Text())
	token, ok := strings.CutPrefix(share.Path, "/flows/shared/")
	if err != nil || !ok || len(token) < 20 {
		t.Fatalf("the link is %q", share)
	}
	desk.get(share.Path).has("main", "It went through")
	desk.get(share.Path + "/trace.har")
	if w.log.lines("the help desk looked at a shared run") == nil {
		t.Error("nobody learns that somebody looked")
	}
	b.get(share.Path).want(http.StatusForbidden, "This is not open to you")
	for _, detour := range []string{"/" + share.Path, "/flows//shared/" + token, "/flows/./shared/" + token, "/x/.." + share.Path} {
		desk.send(visit{to: detour})
	}
	// Who is signed out and fails to sign in leaves a path for the help desk.
	out := w.browser()
	state := out.toAnswer(out.get(share.Path), dana).fields("form#hiddenform").Get("state")
	refused := w.callback(out, url.Values{"state": {state}, "error": {"access_denied"}})
	wanted := desk.get("/flows/failures/" + refused.evidence("Reference"))
	wanted.has("main", "/flows/shared/{token}")
	if strings.Contains(wanted.body, token) {
		t.Error("a failed sign-in has the address of a shared run")
	}
	b.post(path+"/unshare", nil)
	gone := desk.get(share.Path).want(http.StatusNotFound, "There is nothing here")
	if log := w.log.String(); strings.Contains(log, token) || !strings.Contains(log, "/flows/shared/{token}/trace.har") {
		t.Error("the log has the address of a shared run, or nothing of it")
	}
	if strings.Contains(gone.text("main"), token) {
		t.Error("the error page, which is sent around, has the address of a shared run")
	}
}

// TestARunThatWaitsIsNotShared: who sees its code could enter it.
func TestARunThatWaitsIsNotShared(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	path := b.post("/flows/device-code/runs", runForm("tenant", "")).url.Path
	if p := b.post(path+"/share", nil); p.status != http.StatusConflict || p.evidence("Code") != "run_waits" {
		t.Errorf("%d %s", p.status, p.text("main"))
	}
	if n := w.rows("flow_runs WHERE share IS NOT NULL"); n != 0 {
		t.Errorf("%d are shared", n)
	}
}
