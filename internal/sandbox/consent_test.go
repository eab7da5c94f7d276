package sandbox_test

import (
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/sandbox"
)

const graphAdmin = "https://graph.microsoft.com/Directory.Read.All"

func TestConsentIsAskedOnceAndForWhatIsNew(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	b.signIn(sandbox.DanaID)
	page := b.authorize("scope", signInScope+" "+sandbox.ARMAudience+"/user_impersonation https://graph.microsoft.com/User.Read").on("Permissions requested")
	if text := page.text(); !strings.Contains(text, "Access Azure Resource Manager as you") || strings.Contains(text, "Access AzTS as you") {
		t.Errorf("the page asks again, or not for what is new: %s", text)
	}
	b.press(page, "action", "accept")
	if done := b.authorize("scope", signInScope+" "+sandbox.ARMAudience+"/.default"); done.answer.Get("code") == "" {
		t.Errorf("asked again: %q", done.heading())
	}
	// Somebody else is asked all the same.
	other := w.browser()
	other.press(other.authorize(), "account", sandbox.HugoID).on("Permissions requested")
}

func TestConsentDeclined(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	page := b.press(b.authorize(), "account", sandbox.DanaID).on("Permissions requested")
	done := b.press(page, "action", "decline")
	if done.answer.Get("error") != "access_denied" || done.answer.Get("error_subcode") != "cancel" || done.answer.Get("state") != "s-1" ||
		!strings.HasPrefix(done.answer.Get("error_description"), "AADSTS65004:") {
		t.Errorf("answer %v", done.answer)
	}
	b.authorize().on("Permissions requested") // nothing was granted
	if silent := b.authorize("prompt", "none"); silent.answer.Get("error") != "consent_required" {
		t.Errorf("silent: %v", silent.answer)
	}
}

func TestAnAdministratorConsentsForEverybody(t *testing.T) {
	w := newTenantWorld(t)
	ada := w.browser()
	page := ada.press(ada.authorize(), "account", sandbox.AdaID).on("Permissions requested")
	ada.press(page, "action", "accept", "for", "tenant")
	dana := w.browser()
	if done := dana.press(dana.authorize(), "account", sandbox.DanaID); done.answer.Get("code") == "" {
		t.Errorf("Dana is asked although it is granted to all: %q", done.heading())
	}
}

func TestAPlainUserCannotConsentForEverybody(t *testing.T) {
	w := newTenantWorld(t)
	dana := w.browser()
	page := dana.press(dana.authorize(), "account", sandbox.DanaID).on("Permissions requested")
	dana.press(page, "action", "accept", "for", "tenant") // the box is not on her page: she adds it
	hugo := w.browser()
	hugo.press(hugo.authorize(), "account", sandbox.HugoID).on("Permissions requested")
}

func TestScopesForAdministratorsOnly(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	page := b.press(b.authorize("scope", signInScope+" "+graphAdmin), "account", sandbox.DanaID).on("An administrator must approve")
	interaction := page.doc.Find(`input[name="interaction"]`).AttrOr("value", "")
	forced := b.post("/sandbox/sign-in", url.Values{"interaction": {interaction}, "action": {"accept"}})
	forced.on("An administrator must approve")
	if done := b.press(forced, "action", "decline"); done.answer.Get("error") != "access_denied" || done.answer.Get("error_subcode") != "cancel" {
		t.Errorf("answer %v", done.answer)
	}
	ada := w.browser()
	ada.press(ada.authorize("scope", signInScope+" "+graphAdmin), "account", sandbox.AdaID).on("Permissions requested")
}

func TestConsentFromGo(t *testing.T) {
	w := newTenantWorld(t)
	if err := w.Consent(sandbox.PortalClientID, "", signInScope); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	if done := b.press(b.authorize(), "account", sandbox.DanaID); done.answer.Get("code") == "" {
		t.Errorf("asked: %q", done.heading())
	}
	for _, bad := range [][3]string{{"nobody", "", "openid"}, {sandbox.PortalClientID, "nobody@contoso.com", "openid"}, {sandbox.PortalClientID, "", "api://x/y"}} {
		if w.Consent(bad[0], bad[1], bad[2]) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestPreauthorizedClientsAreNotAsked(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	done := b.press(b.authorize("client_id", sandbox.AzureCLIAppID, "redirect_uri", "http://localhost:40123", "response_type", "code", "response_mode", "",
		"scope", "openid offline_access "+sandbox.AzTSAppIDURI+"/.default"), "account", sandbox.DanaID)
	if done.answer.Get("code") == "" {
		t.Errorf("the Azure CLI is asked: %q %v", done.heading(), done.answer)
	}
	tokens := w.redeem(done.answer.Get("code"), "client_id", sandbox.AzureCLIAppID, "client_secret", "", "redirect_uri", "http://localhost:40123")
	if claims := w.claims(tokens.str("access_token")); claims["appid"] != sandbox.AzureCLIAppID || claims["appidacr"] != "0" {
		t.Errorf("the token names %v, %v", claims["appid"], claims["appidacr"])
	}
}

func TestAdminConsentEndpoint(t *testing.T) {
	w := newTenantWorld(t)
	path := "/" + sandbox.TenantID + "/v2.0/adminconsent?" + url.Values{"client_id": {sandbox.PortalClientID}, "state": {"a-1"},
		"scope": {sandbox.AzTSAppIDURI + "/.default"}, "redirect_uri": {portalURL + "/auth/callback"}}.Encode()

	dana := w.browser()
	dana.press(dana.get(path), "account", sandbox.DanaID).on("An administrator must approve")

	ada := w.browser()
	page := ada.press(ada.get(path), "account", sandbox.AdaID).on("Permissions requested")
	refused := ada.press(page, "action", "decline")
	if refused.answer.Get("error") != "consent_required" || refused.answer.Get("state") != "a-1" || refused.answer.Get("admin_consent") != "True" {
		t.Errorf("refused: %v", refused.answer)
	}
	done := ada.press(ada.get(path), "action", "accept")
	if done.answer.Get("admin_consent") != "True" || done.answer.Get("tenant") != sandbox.TenantID || done.answer.Get("state") != "a-1" || done.answer.Has("code") {
		t.Errorf("granted: %v", done.answer)
	}
	hugo := w.browser()
	if done := hugo.press(hugo.authorize("scope", sandbox.AzTSAppIDURI+"/user_impersonation", "response_type", "code"), "account", sandbox.HugoID); done.answer.Get("code") == "" {
		t.Errorf("Hugo is asked: %q", done.heading())
	}
	if foreign := w.browser().get(strings.Replace(path, "callback", "elsewhere", 1)); !strings.Contains(foreign.text(), "AADSTS50011") {
		t.Errorf("a foreign redirect: %s", foreign.text())
	}
}
