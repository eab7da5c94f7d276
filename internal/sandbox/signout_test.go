package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

const logoutPath = "/" + sandbox.TenantID + "/oauth2/v2.0/logout"

// logout visits the end_session endpoint as the portal does.
func (b *browser) logout(changes ...string) *place {
	b.t.Helper()
	query := url.Values{"post_logout_redirect_uri": {portalURL + "/auth/signed-out"}, "client_id": {sandbox.PortalClientID}, "state": {"l-1"}}
	for i := 0; i+1 < len(changes); i += 2 {
		query.Del(changes[i])
		if changes[i+1] != "" {
			query.Set(changes[i], changes[i+1])
		}
	}
	return b.get(logoutPath + "?" + query.Encode())
}

// frames returns the addresses of the page's iframes.
func (p *place) frames() []string {
	var list []string
	for _, node := range p.doc.Find("iframe").Nodes {
		for _, attribute := range node.Attr {
			if attribute.Key == "src" {
				list = append(list, attribute.Val)
			}
		}
	}
	return list
}

func TestSignOutTellsEveryApplicationOfTheSession(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	done := b.signIn(sandbox.DanaID)
	sid := done.answer.Get("session_state")
	refresh := w.redeem(done.answer.Get("code")).str("refresh_token")
	b.enterExpenses()

	page := b.logout().on("Signing you out")
	want := []string{portalURL + "/auth/frontchannel-logout?sid=" + sid, w.url + "/expenses/frontchannel-logout?sid=" + sid}
	if got := page.frames(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("frames %v, want %v", got, want)
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-src http://localhost:8080 "+w.url+";") {
		t.Errorf("the policy forbids the frames: %s", policy)
	}
	onward := portalURL + "/auth/signed-out?state=l-1"
	if href := page.doc.Find("a#continue").AttrOr("href", ""); href != onward {
		t.Errorf("the link leads to %s", href)
	}
	// Without scripts the page goes on by itself.
	if head := page.doc.Find("head noscript").Text() + outer(page, "head noscript"); !strings.Contains(head, onward) {
		t.Errorf("no refresh without scripts: %s", head)
	}
	b.authorize().on("Choose an account") // the tenant's own session is gone
	if renewed := w.renew(refresh, ""); renewed.status != 200 {
		t.Errorf("sign-out killed the refresh token: %s", renewed.raw)
	}
}

func outer(p *place, selector string) string {
	html, _ := p.doc.Find(selector).Html()
	return html
}

func TestWhereSignOutLeads(t *testing.T) {
	w := newTenantWorld(t)
	generic := "/sandbox/signed-out"
	for name, c := range map[string]struct {
		changes []string
		onward  string
	}{
		"registered":             {nil, portalURL + "/auth/signed-out?state=l-1"},
		"without state":          {[]string{"state", ""}, portalURL + "/auth/signed-out"},
		"without a client id":    {[]string{"client_id", ""}, portalURL + "/auth/signed-out?state=l-1"},
		"hostile state":          {[]string{"state", `"><script>&x=`}, portalURL + "/auth/signed-out?state=%22%3E%3Cscript%3E%26x%3D"},
		"not registered":         {[]string{"post_logout_redirect_uri", "https://evil.example/"}, generic},
		"of another application": {[]string{"client_id", sandbox.ExpensesClientID}, generic},
		"script":                 {[]string{"post_logout_redirect_uri", "javascript:alert(1)"}, generic},
		"none":                   {[]string{"post_logout_redirect_uri", ""}, generic},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.browser()
			b.signIn(sandbox.DanaID)
			page := b.logout(c.changes...).on("Signing you out")
			if href := page.doc.Find("a#continue").AttrOr("href", ""); href != c.onward {
				t.Errorf("leads to %s, want %s", href, c.onward)
			}
			if page.doc.Find("main script").Length() != 0 {
				t.Error("text from the request became markup")
			}
		})
	}
	t.Run("nobody signed in", func(t *testing.T) {
		if done := w.browser().logout(); done.at.String() != portalURL+"/auth/signed-out?state=l-1" {
			t.Errorf("rests at %s", done.at)
		}
		w.browser().logout("post_logout_redirect_uri", "https://evil.example/").on("You signed out of your account")
	})
}

func TestSeveralAccounts(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	dana := w.claims(b.signIn(sandbox.DanaID).answer.Get("id_token"))
	ada := b.signIn(sandbox.AdaID, "prompt", "select_account").answer.Get("id_token")
	hugo := b.signIn(sandbox.HugoID, "prompt", "select_account")

	b.logout("logout_hint", "dana@contoso.com").on("Which account do you want to sign out of?") // a name is no hint
	if done := b.authorize("prompt", "none", "login_hint", "dana@contoso.com"); done.answer.Get("code") == "" {
		t.Error("a picker that was left signed somebody out")
	}

	page := b.logout("logout_hint", dana["login_hint"].(string)).on("Signing you out")
	if frames := page.frames(); len(frames) != 1 || !strings.HasSuffix(frames[0], "sid="+dana["sid"].(string)) {
		t.Errorf("frames %v", frames)
	}
	if done := b.authorize("prompt", "none", "login_hint", "ada@contoso.com"); done.answer.Get("code") == "" {
		t.Error("Ada was signed out with Dana")
	}
	b.logout("id_token_hint", ada).on("Signing you out")
	b.signIn(sandbox.AdaID, "prompt", "select_account")
	picker := b.logout().on("Which account do you want to sign out of?")
	page = b.press(picker, "account", sandbox.HugoID).on("Signing you out")
	if frames := page.frames(); len(frames) != 1 || !strings.HasSuffix(frames[0], "sid="+hugo.answer.Get("session_state")) {
		t.Errorf("frames %v", frames)
	}
	if href := page.doc.Find("a#continue").AttrOr("href", ""); href != portalURL+"/auth/signed-out?state=l-1" {
		t.Errorf("the picker forgot where to go: %s", href)
	}
}

func TestSignOutByPostAndByVersionOne(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.signIn(sandbox.DanaID)
	b.post(logoutPath, url.Values{"post_logout_redirect_uri": {portalURL + "/auth/signed-out"}}).on("Signing you out")
	b.signIn(sandbox.DanaID)
	b.get("/common/oauth2/logout").on("Signing you out")
	b.authorize().on("Choose an account")
}

func TestSignOutFaults(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	sid := b.signIn(sandbox.DanaID).answer.Get("session_state")
	w.Faults().Set("logout.500", "", 1)
	if page := b.logout(); page.status != http.StatusInternalServerError {
		t.Errorf("500: %d", page.status)
	}
	w.Faults().Set("logout.iss_and_sid", "", 1)
	issuer := url.QueryEscape(w.Settings().Issuer)
	if frames := b.logout().on("Signing you out").frames(); frames[0] != portalURL+"/auth/frontchannel-logout?iss="+issuer+"&sid="+sid {
		t.Errorf("iss_and_sid: %v", frames)
	}
	b.signIn(sandbox.DanaID)
	w.Faults().Set("logout.no_sid", "", 1)
	if frames := b.logout().on("Signing you out").frames(); frames[0] != portalURL+"/auth/frontchannel-logout" {
		t.Errorf("no_sid: %v", frames)
	}
	b.signIn(sandbox.DanaID)
	w.Faults().Set("logout.no_return", "", 1)
	if href := b.logout().doc.Find("a#continue").AttrOr("href", ""); href != "/sandbox/signed-out" {
		t.Errorf("no_return leads to %s", href)
	}
}

// enterExpenses signs in at the second sample application, silently if there is
// a session.
func (b *browser) enterExpenses() *place {
	b.t.Helper()
	p := b.get("/expenses/sign-in")
	if p.heading() == "Choose an account" {
		p = b.press(p, "account", sandbox.DanaID)
	}
	if p.mode != "form_post" {
		b.t.Fatalf("resting at %s with %q", p.at, p.heading())
	}
	return b.post(p.at.String(), p.answer)
}

func TestTheSecondApplicationSharesTheSignIn(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	sid := b.signIn(sandbox.DanaID).answer.Get("session_state")
	page := b.get("/expenses").on("Expenses")
	if !strings.Contains(page.text(), "You are not signed in") {
		t.Errorf("%s", page.text())
	}
	silent := b.get("/expenses/sign-in")
	if silent.mode != "form_post" {
		t.Fatalf("the second application asks again: %q", silent.heading())
	}
	if page = b.post(silent.at.String(), silent.answer); !strings.Contains(page.text(), "Signed in as Dana Reyes (dana@contoso.com)") {
		t.Errorf("%s", page.text())
	}
	if replay := b.post(silent.at.String(), silent.answer); replay.status != 400 {
		t.Errorf("the answer counts twice: %d", replay.status)
	}
	out := b.post("/expenses/sign-out", nil).on("Signing you out")
	if frames := out.frames(); len(frames) != 2 || frames[0] != portalURL+"/auth/frontchannel-logout?sid="+sid {
		t.Errorf("frames %v", frames)
	}
	if href := out.doc.Find("a#continue").AttrOr("href", ""); href != w.url+"/expenses" {
		t.Errorf("leads to %s", href)
	}
	if page := b.get("/expenses"); !strings.Contains(page.text(), "You are not signed in") {
		t.Error("still signed in at Expenses")
	}
}

func TestTheSecondApplicationEndsWithTheTenantsSession(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.enterExpenses()
	page := b.logout().on("Signing you out")
	for _, frame := range page.frames() {
		if strings.HasPrefix(frame, w.url) {
			// As in a browser that sends no cookie along: sid alone counts.
			response, err := http.Get(frame)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("X-Frame-Options") != "" {
				t.Errorf("headers %v", response.Header)
			}
		}
	}
	if page := b.get("/expenses"); !strings.Contains(page.text(), "You are not signed in") {
		t.Error("still signed in at Expenses")
	}
}

func TestForeignAnswersAtTheSecondApplication(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	answer := b.get("/expenses/sign-in")
	answer = b.press(answer, "account", sandbox.DanaID)
	if page := w.browser().post(answer.at.String(), answer.answer); page.status != 400 {
		t.Errorf("another browser's answer: %d", page.status)
	}
	w.Faults().Set("id_token.alg_none", "", 1)
	if page := b.enterExpenses(); page.status != 400 || strings.Contains(page.text(), "Signed in as") {
		t.Errorf("an unsigned token: %d %s", page.status, page.text())
	}
}
