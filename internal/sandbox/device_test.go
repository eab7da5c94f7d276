package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// cliScope is what the Azure CLI asks for at AzTS.
const cliScope = "openid profile offline_access " + sandbox.AzTSAppIDURI + "/user_impersonation"

// device is a command line that waits for a person.
type device struct {
	*tenantWorld
	client, userCode, secret string
}

// device starts a device sign-in; changes are name, value pairs.
func (w *tenantWorld) device(changes ...string) *device {
	w.t.Helper()
	form := deviceForm(changes...)
	answer := w.tokenAt("/"+sandbox.TenantID+"/oauth2/v2.0/devicecode", form)
	if answer.status != http.StatusOK {
		w.t.Fatalf("devicecode: %s", answer.raw)
	}
	return &device{w, form.Get("client_id"), answer.str("user_code"), answer.str("device_code")}
}

func deviceForm(changes ...string) url.Values {
	form := url.Values{"client_id": {sandbox.AzureCLIAppID}, "scope": {cliScope}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

func (d *device) poll(changes ...string) tokenAnswer {
	d.t.Helper()
	form := url.Values{"grant_type": {deviceGrant}, "client_id": {d.client}, "device_code": {d.secret}}
	for i := 0; i+1 < len(changes); i += 2 {
		form.Del(changes[i])
		if changes[i+1] != "" {
			form.Set(changes[i], changes[i+1])
		}
	}
	return d.token(form)
}

// enter types a user code into the verification page.
func (b *browser) enter(code string) *place {
	b.t.Helper()
	page := b.get(sandbox.DevicePath).on("Enter code")
	return b.post(page.doc.Find("form").AttrOr("action", ""), url.Values{"otc": {code}})
}

const trying = "Are you trying to sign in to Microsoft Azure CLI?"

func TestADeviceSignsInWhileSomebodyAnswersElsewhere(t *testing.T) {
	w := newTenantWorld(t)
	answer := w.tokenAt("/"+sandbox.TenantID+"/oauth2/v2.0/devicecode?mkt=en-US", deviceForm())
	if answer.status != 200 || answer.member["expires_in"] != 900.0 || answer.member["interval"] != 5.0 || answer.str("verification_uri") != w.url+"/devicelogin" ||
		answer.member["verification_uri_complete"] != nil || !strings.Contains(answer.str("message"), answer.str("user_code")) || len(answer.str("user_code")) != 9 {
		t.Fatalf("%s", answer.raw)
	}
	if answer.header.Get("Cache-Control") != "no-store, no-cache" {
		t.Error("the codes may be kept")
	}
	d := w.device()
	d.poll().refused(t, 400, "authorization_pending", 70016)

	b := w.browser()
	b.signIn(sandbox.HugoID) // whose session in the browser must not answer for the device
	typed := strings.ToLower(d.userCode[:4] + "-" + d.userCode[4:] + " ")
	page := b.press(b.enter(typed).on("Choose an account"), "account", sandbox.DanaID).on(trying)
	d.poll().refused(t, 400, "authorization_pending", 70016)
	b.press(page, "action", "confirm").on("You have signed in")

	tokens := d.poll()
	if tokens.status != 200 || tokens.str("refresh_token") == "" || tokens.str("foci") != "1" {
		t.Fatalf("%s", tokens.raw)
	}
	access, id := w.claims(tokens.str("access_token")), w.claims(tokens.str("id_token"))
	if access["aud"] != sandbox.AzTSAppIDURI || access["appid"] != sandbox.AzureCLIAppID || access["appidacr"] != "0" || access["oid"] != sandbox.DanaID {
		t.Errorf("access token %v", access)
	}
	if id["aud"] != sandbox.AzureCLIAppID || id["nonce"] != nil {
		t.Errorf("ID token %v", id)
	}
	d.poll().refused(t, 400, "invalid_grant", 54005)
	b.enter(d.userCode).on("Enter code") // a user code is good once too
}

func TestDeviceConsentAndSecondFactorComeBeforeTheWarning(t *testing.T) {
	w := newTenantWorld(t)
	d := w.device("client_id", sandbox.AzPowerShellAppID, "scope", "offline_access "+sandbox.InventoryAppIDURI+"/Items.Read")
	b := w.browser()
	page := b.press(b.enter(d.userCode), "account", sandbox.MiraID).on("Approve the sign-in")
	page = b.press(page, "action", "approve").on("Permissions requested")
	page = b.press(page, "action", "accept").on("Are you trying to sign in to Microsoft Azure PowerShell?")
	b.press(page, "action", "confirm").on("You have signed in")
	if tokens := d.poll(); tokens.status != 200 || tokens.str("id_token") != "" || w.claims(tokens.str("access_token"))["scp"] != "Items.Read" {
		t.Errorf("%s", tokens.raw)
	}
}

func TestADeviceIsDeclinedAtEveryPage(t *testing.T) {
	w := newTenantWorld(t)
	for name, way := range map[string]func(b *browser, d *device) *place{
		"picker":  func(b *browser, d *device) *place { return b.enter(d.userCode) },
		"warning": func(b *browser, d *device) *place { return b.press(b.enter(d.userCode), "account", sandbox.DanaID) },
	} {
		t.Run(name, func(t *testing.T) {
			d, b := w.device(), w.browser()
			b.press(way(b, d), "action", "decline").on("You did not sign in")
			d.poll().refused(t, 400, "authorization_declined", 0)
			d.poll().refused(t, 400, "authorization_declined", 0)
			if page := b.enter(d.userCode).on("Enter code"); !strings.Contains(page.text(), "AADSTS90120") {
				t.Errorf("a declined code: %s", page.text())
			}
		})
	}
}

func TestADeviceSignInThatTheTenantStopsEndsOnAPage(t *testing.T) {
	w := newTenantWorld(t)
	b := w.browser()
	stopped := func(page *place, number string) {
		t.Helper()
		if page.answer != nil || page.status != 400 || !strings.Contains(page.text(), "AADSTS"+number) {
			t.Errorf("%d at %s: %v", page.status, page.at, page.answer)
		}
	}
	d := w.device()
	w.Faults().Set("authorize.page_error", "53003", 1) // a policy blocks the flow
	stopped(b.enter(d.userCode), "53003")
	stopped(b.press(b.enter(d.userCode), "account", sandbox.FelixID), "50020")
	d.poll().refused(t, 400, "authorization_pending", 70016) // the device learns nothing
	unlisted := w.device("client_id", sandbox.AzPowerShellAppID, "scope", sandbox.InventoryAppIDURI+"/.default")
	stopped(b.press(b.enter(unlisted.userCode), "account", sandbox.DanaID), "650057")
}

func TestDeviceCodesEnd(t *testing.T) {
	w := newTenantWorld(t)
	d, b := w.device(), w.browser()
	page := b.press(b.enter(d.userCode), "account", sandbox.DanaID).on(trying)
	w.clock.pass(sandbox.DeviceCodeLifetime)
	d.poll().refused(t, 400, "authorization_pending", 70016)
	w.clock.pass(time.Second)
	d.poll().refused(t, 400, "expired_token", 70020)
	if page := b.enter(d.userCode).on("Enter code"); page.status != 400 || !strings.Contains(page.text(), "AADSTS70019") {
		t.Errorf("an expired user code: %d %s", page.status, page.text())
	}
	b.press(page, "action", "confirm") // too late
	d.poll().refused(t, 400, "expired_token", 70020)

	approved := w.device()
	b.press(b.press(b.enter(approved.userCode), "account", sandbox.DanaID), "action", "confirm").on("You have signed in")
	w.clock.pass(sandbox.DeviceCodeLifetime + time.Second)
	approved.poll().refused(t, 400, "expired_token", 70020)
}

func TestADeviceCodeBelongsToItsClientAndTenant(t *testing.T) {
	w := newTenantWorld(t)
	d, b := w.device(), w.browser()
	b.press(b.press(b.enter(d.userCode), "account", sandbox.DanaID), "action", "confirm").on("You have signed in")
	d.poll("client_id", sandbox.AzPowerShellAppID).refused(t, 400, "bad_verification_code", 70018)
	d.poll("device_code", "made-up").refused(t, 400, "bad_verification_code", 70018)
	d.poll("device_code", d.userCode).refused(t, 400, "bad_verification_code", 70018)
	d.poll("device_code", "").refused(t, 400, "invalid_request", 900144)
	form := url.Values{"grant_type": {deviceGrant}, "client_id": {d.client}, "device_code": {d.secret}}
	w.tokenAt("/organizations/oauth2/v2.0/token", form).refused(t, 400, "invalid_grant", 700005)
	d.poll("scope", sandbox.AzTSAppIDURI+"/.default "+sandbox.ARMAudience+"/.default").refused(t, 400, "invalid_scope", 700022)
	if again := d.poll(); again.status == 200 {
		t.Error("a poll that was refused after the code was taken leaves it good")
	}
}

func TestDeviceRequestsThatAreRefused(t *testing.T) {
	w := newTenantWorld(t)
	path := "/" + sandbox.TenantID + "/oauth2/v2.0/devicecode"
	for name, c := range map[string]struct {
		path string
		form url.Values
		err  string
		code int
	}{
		"no client":             {path, deviceForm("client_id", ""), "invalid_request", 900144},
		"unknown client":        {path, deviceForm("client_id", "nobody"), "unauthorized_client", 700016},
		"no scope":              {path, deviceForm("scope", ""), "invalid_request", 900144},
		"v1's resource":         {path, deviceForm("resource", sandbox.AzTSAppIDURI), "invalid_request", 901002},
		"unknown resource":      {path, deviceForm("scope", "api://nobody/x"), "invalid_resource", 500011},
		"unknown tenant":        {"/nowhere.example/oauth2/v2.0/devicecode", deviceForm(), "invalid_request", 90002},
		"an app of one tenant":  {"/organizations/oauth2/v2.0/devicecode", deviceForm("client_id", sandbox.PayrollClientID), "invalid_request", 50194},
		"an app not there":      {"/" + sandbox.FabrikamTenantID + "/oauth2/v2.0/devicecode", deviceForm("client_id", sandbox.PayrollClientID), "unauthorized_client", 700016},
		"a parameter twice":     {path, url.Values{"client_id": {sandbox.AzureCLIAppID, "x"}, "scope": {cliScope}}, "invalid_request", 90023},
		"claims that are none":  {path, deviceForm("claims", "["), "invalid_request", 90023},
		"more than may be sent": {path, deviceForm("claims", strings.Repeat("x", 80<<10)), "invalid_request", 9002313},
	} {
		t.Run(name, func(t *testing.T) { w.tokenAt(c.path, c.form).refused(t, 400, c.err, c.code) })
	}
	get, err := http.Get(w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	w.readToken(get).refused(t, 400, "invalid_request", 900561)
	// A confidential client gets codes, and must then prove itself.
	d := w.device("client_id", sandbox.PortalClientID)
	d.poll().refused(t, 401, "invalid_client", 7000218)
	d.poll("client_secret", sandbox.PortalClientSecret).refused(t, 400, "authorization_pending", 70016)
}

func TestDeviceCodeOfVersionOne(t *testing.T) {
	w := newTenantWorld(t)
	path := "/" + sandbox.TenantID + "/oauth2/"
	answer := w.tokenAt(path+"devicecode", url.Values{"client_id": {sandbox.AzureCLIAppID}, "resource": {sandbox.AzTSAppIDURI}})
	if answer.str("expires_in") != "900" || answer.str("interval") != "5" || answer.str("verification_url") == "" {
		t.Fatalf("%s", answer.raw)
	}
	b := w.browser()
	b.press(b.press(b.enter(answer.str("user_code")), "account", sandbox.DanaID), "action", "confirm").on("You have signed in")
	tokens := w.tokenAt(path+"token", url.Values{"grant_type": {"device_code"}, "client_id": {sandbox.AzureCLIAppID}, "code": {answer.str("device_code")}})
	if tokens.str("resource") != sandbox.AzTSAppIDURI || tokens.str("expires_on") == "" || tokens.str("refresh_token") == "" {
		t.Errorf("%s", tokens.raw)
	}
}

func TestPollsCanBeSpoilt(t *testing.T) {
	w := newTenantWorld(t)
	d, b := w.device(), w.browser()
	b.press(b.press(b.enter(d.userCode), "account", sandbox.DanaID), "action", "confirm").on("You have signed in")
	for name, want := range map[string]struct {
		err  string
		code int
	}{
		"device.pending": {"authorization_pending", 70016}, "device.slow_down": {"slow_down", 0},
		"device.declined": {"authorization_declined", 0}, "device.expired": {"expired_token", 70020},
	} {
		w.Faults().Set(name, "", 1)
		d.poll().refused(t, 400, want.err, want.code)
	}
	if tokens := d.poll(); tokens.status != 200 {
		t.Errorf("%s", tokens.raw)
	}
}

func TestOfFiftyPollsOneWins(t *testing.T) {
	w := newTenantWorld(t)
	d, b := w.device(), w.browser()
	b.press(b.press(b.enter(d.userCode), "account", sandbox.DanaID), "action", "confirm").on("You have signed in")
	var group sync.WaitGroup
	answers := make([]tokenAnswer, 50)
	for i := range answers {
		group.Go(func() { answers[i] = d.poll() })
	}
	group.Wait()
	won := 0
	for _, answer := range answers {
		if answer.status == 200 {
			won++
			continue
		}
		answer.refused(t, 400, "invalid_grant", 54005)
	}
	if won != 1 {
		t.Errorf("%d polls won", won)
	}
}

func TestAttackGuessingUserCodes(t *testing.T) {
	w := newTenantWorld(t)
	d, b := w.device(), w.browser()
	if page := b.enter(" - "); !strings.Contains(page.text(), "AADSTS90119") {
		t.Errorf("no code: %s", page.text())
	}
	for range 10 {
		if page := b.enter("BBBBBBBBB"); page.status != 400 || !strings.Contains(page.text(), "AADSTS70018") {
			t.Fatalf("a wrong code: %d %s", page.status, page.text())
		}
	}
	// From now on even a right one is refused: who guesses must not learn that.
	if page := b.enter(d.userCode); page.status != http.StatusTooManyRequests {
		t.Errorf("the eleventh guess: %d %s", page.status, page.text())
	}
	d.poll().refused(t, 400, "authorization_pending", 70016)
	w.clock.pass(15*time.Minute + time.Second)
	w.browser().enter(w.device().userCode).on("Choose an account")
}

func TestAttackUserCodesAreNotAlike(t *testing.T) {
	w := newTenantWorld(t)
	seen, letters := map[string]bool{}, map[rune]bool{}
	for range 200 {
		d := w.device()
		if seen[d.userCode] || len(d.secret) < 128 {
			t.Fatalf("user code %s, device code of %d characters", d.userCode, len(d.secret))
		}
		seen[d.userCode] = true
		for _, c := range d.userCode {
			letters[c] = true
		}
	}
	if len(letters) != 27 { // 27^9 codes
		t.Errorf("%d different letters", len(letters))
	}
}

func TestAttackAStrangersPageCannotEnterAUserCode(t *testing.T) {
	w := newTenantWorld(t)
	d := w.device()
	request, err := http.NewRequest(http.MethodPost, w.url+sandbox.DevicePath, strings.NewReader(url.Values{"otc": {d.userCode}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a post from a foreign page answers %d", response.StatusCode)
	}
	if page := w.browser().get(sandbox.DevicePath + "?otc=" + d.userCode).on("Enter code"); strings.Contains(page.text(), d.userCode) ||
		page.doc.Find("input[name=otc]").AttrOr("value", "") != "" {
		t.Error("a link fills the code in")
	}
}

func TestWaitingDevicesAreBounded(t *testing.T) {
	w := newTenantWorld(t)
	first := w.device()
	for range 1_000 {
		w.device()
	}
	first.poll().refused(t, 400, "bad_verification_code", 70018)
	if page := w.browser().enter(first.userCode); !strings.Contains(page.text(), "AADSTS70018") {
		t.Errorf("the user code of a forgotten device: %s", page.text())
	}
}
