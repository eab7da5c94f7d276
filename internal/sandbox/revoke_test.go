package sandbox_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

const revokePath = graph + "/me/revokeSignInSessions"

func TestEndedSessionsLeaveNothingToRedeem(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	tokens := w.redeem(b.signIn(sandbox.DanaID).answer.Get("code"))
	code := b.authorize().answer.Get("code")
	d := w.device()
	elsewhere := w.browser()
	elsewhere.press(elsewhere.press(elsewhere.enter(d.userCode), "account", sandbox.DanaID), "action", "confirm").on("You have signed in")
	other := w.redeem(w.browser().signIn(sandbox.HugoID).answer.Get("code"))
	w.clock.pass(time.Minute)

	own := w.TokenFor(sandbox.DanaID, sandbox.GraphAudience, "User.RevokeSessions.All", "User.Read")
	if answer := w.graphCall(http.MethodPost, revokePath, own); answer.status != 200 || answer.member["value"] != true {
		t.Fatalf("%d %s", answer.status, answer.raw)
	}
	w.renew(tokens.str("refresh_token"), "").refused(t, 400, "invalid_grant", 50173)
	w.redeem(code).refused(t, 400, "invalid_grant", 50173)
	d.poll().refused(t, 400, "invalid_grant", 50173)
	w.token(onBehalf(tokens.str("access_token"))).refused(t, 400, "invalid_grant", 50173)
	b.authorize().on("Choose an account") // the session in the browser is over
	if answer := w.renew(other.str("refresh_token"), ""); answer.status != 200 {
		t.Errorf("somebody else's refresh token: %s", answer.raw)
	}
	me := w.graphCall(http.MethodGet, graph+"/me?$select=signInSessionsValidFromDateTime", own)
	if me.str("signInSessionsValidFromDateTime") != w.clock.Now().Format(time.RFC3339) {
		t.Errorf("%s", me.raw)
	}
	if all := w.graphCall(http.MethodGet, graph+"/me", own); all.member["signInSessionsValidFromDateTime"] != nil {
		t.Errorf("unasked: %s", all.raw)
	}
	// The access token lives on, and a new sign-in is as good as ever.
	if answer := w.graphCall(http.MethodGet, graph+"/me", own); answer.status != 200 {
		t.Errorf("%s", answer.raw)
	}
	again := w.redeem(b.signIn(sandbox.DanaID).answer.Get("code"))
	if answer := w.renew(again.str("refresh_token"), ""); answer.status != 200 {
		t.Errorf("%s", answer.raw)
	}
	if answer := w.token(onBehalf(again.str("access_token"))); answer.status != 200 {
		t.Errorf("%s", answer.raw)
	}
}

func TestWhoMayEndSessions(t *testing.T) {
	w := newTenantWorld(t)
	const all = "User.RevokeSessions.All"
	of := func(id string) string { return graph + "/users/" + id + "/revokeSignInSessions" }
	dana := w.TokenFor(sandbox.DanaID, sandbox.GraphAudience, all)
	ada := w.TokenFor(sandbox.AdaID, sandbox.GraphAudience, all)
	for name, c := range map[string]struct {
		path, token string
		status      int
	}{
		"oneself by id":             {of(sandbox.DanaID), dana, 200},
		"somebody else":             {of(sandbox.HugoID), dana, 403},
		"nobody, by a stranger":     {of("nobody"), dana, 403},
		"somebody else by an admin": {of("hugo@contoso.com"), ada, 200},
		"nobody, by an admin":       {of("nobody"), ada, 404},
		"without the permission":    {revokePath, w.TokenFor(sandbox.DanaID, sandbox.GraphAudience, "User.Read"), 403},
		"without a token":           {revokePath, "", 401},
	} {
		t.Run(name, func(t *testing.T) {
			if answer := w.graphCall(http.MethodPost, c.path, c.token); answer.status != c.status {
				t.Errorf("%d %s", answer.status, answer.raw)
			}
		})
	}
}

func TestRefreshTokensOfTheFamily(t *testing.T) {
	w := newTenantWorld(t)
	refresh := w.token(passwordForm()).str("refresh_token")
	with := func(client, token string) tokenAnswer {
		return w.token(url.Values{"grant_type": {"refresh_token"}, "client_id": {client}, "refresh_token": {token}, "scope": {armScope}})
	}
	if answer := with(sandbox.AzPowerShellAppID, refresh); answer.status != 200 || w.claims(answer.str("access_token"))["appid"] != sandbox.AzPowerShellAppID {
		t.Errorf("of the family: %s", answer.raw)
	}
	with(sandbox.PayrollClientID, refresh).refused(t, 400, "invalid_grant", 70000)
}
