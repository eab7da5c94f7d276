package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/trace"
)

// TestTheDeskExplainsToEverybody: who cannot sign in needs it most.
func TestTheDeskExplainsToEverybody(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.get("/flows/errors").want(http.StatusOK, "Explain an error").has(".card-head", "tables")

	// A code goes on to an address that can be sent to somebody.
	to := b.send(visit{to: "/flows/errors", form: url.Values{"text": {"  AADSTS50105 "}}}).leadsTo("/flows/errors?q=AADSTS50105")
	b.get(to.String()).want(http.StatusOK, "Explain an error").has("#explained .error-card", "not assigned to this app")
	b.get("/flows/errors?q=50105").has("#explained", "AADSTS50105")
	b.get("/flows/errors?q=50105").has("#explained", "Enterprise applications › the app › Users and groups")
	b.get("/flows/errors?q=conditional+access").has("#explained", "AADSTS53003")
	b.get("/flows/errors?q=state_unknown").has("#explained", "not started in this browser")
	b.get("/flows/errors?q=invalid_grant").has("#explained", "run out")
	b.get("/flows/errors?q=7K3M9QX2RB41").has("#explained", "help desk and administrators")

	const correlation = "9ab2c6e0-7d14-4b8a-a5f3-60e81c4d2b00"
	token := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJlLW9mLWEtdG9rZW4tdGhhdC1pcy1sb25n"
	secret := "q8Q~Zx3vN9uLxUe0qDq2Yw8RAAbcdefghij"
	pasted := "Authorization: Bearer " + token + "\nclient_secret=" + secret + "&code=0.AQIAcodeThatIsLong1234567890\n" +
		`{"error":"invalid_grant","error_description":"AADSTS70002: no. AADSTS70008: old\r\nCorrelation ID: ` + correlation + `","suberror":"bad_token"}`
	for name, p := range map[string]*page{
		"posted":         b.send(visit{to: "/flows/errors", form: url.Values{"text": {pasted}}}),
		"in the address": b.get("/flows/errors?q=" + url.QueryEscape(pasted)),
	} {
		p.want(http.StatusOK, "Explain an error")
		p.has("#explained .error-card", "AADSTS70008")
		p.has("#explained", "There are secrets in what you pasted")
		p.has("#explained dl.facts", correlation)
		if found := trace.Leaks([]byte(p.body), []string{token, secret, "0.AQIAcodeThatIsLong1234567890"}); len(found) > 0 {
			t.Errorf("%s: the page shows %v", name, found)
		}
	}
	// A secret alone is no code: it does not go into an address.
	if p := b.send(visit{to: "/flows/errors", form: url.Values{"text": {secret}}}); p.status != http.StatusOK || strings.Contains(p.body, secret) {
		t.Errorf("a secret alone: %d", p.status)
	}
	hostile := `"><script>alert(1)</script> AADSTS50105 ' onfocus=alert(2)`
	if p := b.send(visit{to: "/flows/errors", form: url.Values{"text": {hostile}}}); strings.Contains(p.body, "alert(") || p.status != http.StatusOK {
		t.Errorf("hostile text comes back: %d", p.status)
	}
	b.send(visit{to: "/flows/errors", form: url.Values{"text": {strings.Repeat("a ", 32<<10) + "AADSTS50105"}}}).has("#explained", "The text was cut")
	for _, text := range []string{strings.Repeat("x", 1<<20), strings.Repeat("é", 1<<20), strings.Repeat("x.é", 1<<20), strings.Repeat("xy.é", 1<<20)} {
		p := b.send(visit{to: "/flows/errors", form: url.Values{"text": {"AADSTS50105 " + text}}}).want(http.StatusOK, "Explain an error")
		p.has("#explained", "The text was cut")
		p.has("#explained .error-card", "AADSTS50105")
	}
	// What is in no table may be a password, pasted by mistake.
	for _, text := range []string{"correcthorsebattery", "12345678", "k3y_abcdefgh1234567890", "7K3M9QX2RB41"} {
		p := b.send(visit{to: "/flows/errors", form: url.Values{"text": {text}}}).want(http.StatusOK, "Explain an error")
		if strings.Contains(p.text("main"), "correcthorse") || p.sel(`input[value="`+text+`"]`).Length() > 0 {
			t.Errorf("%s comes back", text)
		}
	}
	// A number may be a one-time password, and words a passphrase: neither comes back,
	// nor goes into an address.
	for _, text := range []string{"83746152", "compliant tenant"} {
		p := b.send(visit{to: "/flows/errors", form: url.Values{"text": {text}}}).want(http.StatusOK, "Explain an error")
		if strings.Contains(p.text("main"), text) || p.sel(`[href*="`+text+`"], [value="`+text+`"]`).Length() > 0 {
			t.Errorf("%s comes back", text)
		}
	}
	if found := trace.Leaks([]byte(w.log.String()), []string{token, secret, "0.AQIAcodeThatIsLong1234567890", "onfocus=alert(2)"}); len(found) > 0 {
		t.Errorf("the log has %v", found)
	}

	refused := 0
	for range 130 {
		if b.get("/flows/errors?q=50105").status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 || refused > 129 {
		t.Errorf("%d of 130 look-ups in a moment were refused", refused)
	}
	// Not even that page names what was pasted.
	if p := b.get("/flows/errors?q=" + url.QueryEscape(pasted)); p.status != http.StatusTooManyRequests || len(trace.Leaks([]byte(p.body), []string{token, secret})) > 0 {
		t.Errorf("over the limit: %d, %.300s", p.status, p.body)
	}
	// The page itself stays: the form is the way out of a sign-in that fails.
	b.get("/flows/errors").want(http.StatusOK, "Explain an error")
}

// TestTheHelpDeskFindsAFailedSignInByItsReference, and nobody else does.
func TestTheHelpDeskFindsAFailedSignInByItsReference(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	victim := w.browser()
	answer := with(victim.answer(dana), "state", strings.Repeat("A", 43))
	p := w.callback(victim, answer)
	reference := p.evidence("Reference")
	if p.evidence("Code") != "state_unknown" || reference == "" {
		t.Fatalf("the error page: %.500s", p.body)
	}
	p.has(".help a", "What does this mean?")
	victim.get("/flows/errors?q=state_unknown").has("#explained", "not started in this browser")

	// One that was begun here, and refused by the tenant.
	begun := with(with(with(victim.answer(dana), "code", ""), "id_token", ""), "error", "access_denied")
	begun.Set("error_description", "AADSTS65004: The resource owner declined.\r\nTrace ID: 11d7a0c2-58b4-4f0e-9d36-2c7b9e51f800\r\nCorrelation ID: 9ab2c6e0-7d14-4b8a-a5f3-60e81c4d2b00\r\nTimestamp: 2024-05-06 07:08:09Z")
	declined := w.callback(victim, begun)
	if declined.evidence("Code") != "AADSTS65004" {
		t.Fatalf("declined: %.500s", declined.body)
	}
	declined.has(".help pre", "Correlation ID: 9ab2c6e0-7d14-4b8a-a5f3-60e81c4d2b00")

	secrets := []string{answer.Get("code"), answer.Get("id_token"), strings.Repeat("A", 43)}
	if slices.Contains(secrets, "") {
		t.Fatal("the answer has no code or no ID token")
	}
	if found := trace.Leaks(w.databaseBytes(), secrets[:2]); len(found) > 0 {
		t.Errorf("the database has %v", found)
	}

	hugo := w.browser()
	hugo.signIn("hugo@contoso.com")
	hugo.get("/flows/failures").want(http.StatusOK, "Failed sign-ins").has("tbody", reference)
	hugo.get("/flows/failures?code=AADSTS65004").has("tbody", declined.evidence("Reference"))
	if text := hugo.get("/flows/failures?code=AADSTS65004").text("tbody"); strings.Contains(text, reference) {
		t.Error("the filter lets another code through")
	}
	found := hugo.send(visit{to: "/flows/errors?q=" + strings.ToLower(reference)}).leadsTo("/flows/failures/" + reference)
	shown := hugo.get(found.String()).want(http.StatusOK, "Failed sign-in")
	shown.has(".error-card", "state_unknown")
	shown.has("main", "The first: the answer has to belong to a sign-in that was begun in this browser.")
	shown.has("main", "127.0.0.0/24")
	shown.has(".code", "POST /auth/callback")
	shown.has(".code", "‹state ")
	if leaks := trace.Leaks([]byte(shown.body), secrets); len(leaks) > 0 {
		t.Errorf("the page shows %v", leaks)
	}
	other := hugo.get("/flows/failures/" + declined.evidence("Reference"))
	other.has("main", "None of ours: the browser brought this answer, unverified.")
	other.has("main", "9ab2c6e0-7d14-4b8a-a5f3-60e81c4d2b00")
	hugo.get("/flows/failures/7K3M9QX2RB41").want(http.StatusNotFound, "There is nothing here")
	// As people say codes and references on the telephone.
	hugo.get("/flows/failures?code=STATE").has("tbody", reference)
	for _, wrong := range []string{"7K3M9QX2RB41", "7k3m 9qx2 rb41"} {
		hugo.get("/flows/failures?code="+url.QueryEscape(wrong)).want(http.StatusOK, "Failed sign-ins").has(".card-empty", "No failed sign-in has the reference 7K3M9QX2RB41")
	}
	hugo.get("/flows/failures?code=65005").want(http.StatusOK, "Failed sign-ins").has(".filters input", "")
	hugo.send(visit{to: "/flows/failures?code=+" + strings.ToLower(reference)}).leadsTo("/flows/failures/" + reference)
	hugo.get("/flows/errors?q=7K3M9QX2RB41").has("#explained", "No failed sign-in has this reference")

	employee := w.browser()
	employee.signIn(dana)
	for _, path := range []string{"/flows/failures", "/flows/failures/" + reference} {
		p := employee.get(path)
		if p.status != http.StatusForbidden || strings.Contains(p.text("main"), "state_unknown") {
			t.Errorf("%s answers an employee with %d", path, p.status)
		}
		w.browser().send(visit{to: path}).leadsTo("/auth/login")
	}
	// Others learn who can look it up, and not whether it is there.
	for _, r := range []string{reference, "7K3M9QX2RB41"} {
		employee.get("/flows/errors?q="+r).has("#explained", "The help desk and administrators can look up")
	}
}

// TestAClosedWayToTheCompanySignInIsAFailedSignIn, but a frame that opens it is not.
func TestAClosedWayToTheCompanySignInIsAFailedSignIn(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{before: func(s *tenantServer) { s.Faults().Set("metadata.500", "", -1) }})
	p := w.browser().send(visit{to: "/auth/login?return_to=/tokens%3Fpurpose%3Dx&login_hint=dana%40contoso.com"})
	if p.status != http.StatusServiceUnavailable || p.evidence("Code") != "provider_down" {
		t.Fatalf("%d %.300s", p.status, p.body)
	}
	if n := w.rows("sign_in_failures"); n != 1 {
		t.Errorf("%d are kept", n)
	}
	w.browser().send(visit{to: "/auth/login", frame: true})
	if n := w.rows("sign_in_failures"); n != 1 {
		t.Errorf("%d are kept after a frame", n)
	}
	w.tenant.Faults().Clear()
	hugo := w.browser()
	for deadline := time.Now().Add(15 * time.Second); hugo.get("/readyz").status != http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatal("the portal does not recover")
		}
		time.Sleep(50 * time.Millisecond) // only asking tells
	}
	hugo.signIn("hugo@contoso.com")
	shown := hugo.get("/flows/failures/"+p.evidence("Reference")).want(http.StatusOK, "Failed sign-in")
	shown.has("main", "None yet: the way to the company sign-in was closed.")
	shown.has("main", "somebody of contoso.com")
	if strings.Contains(shown.body, "dana@") || strings.Contains(shown.text("main"), "purpose=x") {
		t.Error("the page shows a name or a query that nobody vouched for")
	}
}

// TestAttackFailedSignInsFillNothing: made-up answers from one network are kept up
// to a limit, and push out none that were begun here.
func TestAttackFailedSignInsFillNothing(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	victim := w.browser()
	genuine := w.callback(victim, with(victim.answer(dana), "id_token", "")).evidence("Reference")
	mallory := w.browser()
	for range 60 {
		w.callback(mallory, url.Values{"state": {strings.Repeat("x", 200<<10)}, "code": {"made up"}})
	}
	if n := w.rows("sign_in_failures"); n > 21 || n < 2 {
		t.Errorf("%d are kept", n)
	}
	hugo := w.browser()
	hugo.signIn("hugo@contoso.com")
	hugo.get("/flows/failures/"+genuine).want(http.StatusOK, "Failed sign-in").has(".error-card", "answer_incomplete")
}

// TestAttackVisitsPushOutNoOthers: a visit proves no more than that somebody opened
// the portal, so strangers with many networks fill their own room, slowly.
func TestAttackVisitsPushOutNoOthers(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{env: map[string]string{"PORTAL_TRUSTED_PROXIES": "127.0.0.1/32"}})
	declined := func(b *browser, network string) *page {
		from := http.Header{"X-Forwarded-For": {network}}
		left, err := url.Parse(b.send(visit{to: "/auth/login", header: from}).header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		answer := w.callbackVisit(url.Values{"state": {left.Query().Get("state")}, "error": {"access_denied"}, "error_description": {"AADSTS65004: no"}})
		answer.header = from
		return b.send(answer)
	}
	verified := func() int { return w.rows("sign_in_failures WHERE verified") }
	for i := range 140 {
		declined(w.browser(), fmt.Sprintf("2001:db8:1:%x::1", i))
	}
	if kept := w.rows("sign_in_failures"); kept != 100 {
		t.Errorf("%d are kept of one /48 in a minute", kept)
	}
	for i := range 120 {
		declined(w.browser(), fmt.Sprintf("2001:db8:%x::1", i+2))
	}
	if kept := w.rows("sign_in_failures"); kept != 200 {
		t.Errorf("%d are kept of all networks in a minute", kept)
	}
	if n := verified(); n != 0 {
		t.Errorf("%d of strangers are counted as verified", n)
	}
	// Who is signed in has another room, and is still heard.
	b := w.browser()
	b.signIn(dana)
	declined(b, "198.51.100.7")
	if n := verified(); n != 1 {
		t.Errorf("%d are verified", n)
	}
	// So is whose ID token passed, and only then.
	other := w.browser()
	w.callback(other, with(other.answer(dana), "code", "made up"))
	if n := verified(); n != 1 {
		t.Errorf("with a code that the ID token does not name %d are verified", n)
	}
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/token") {
			return false
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(rw, `{"error":"invalid_client","error_description":"AADSTS7000222: the secret has expired"}`)
		return true
	})
	w.callback(other, other.answer(dana))
	if n := verified(); n != 2 {
		t.Errorf("with an ID token that passed %d are verified", n)
	}
}

// TestAFlowThatFailsOnItsWayEndsNoSession: its person is signed in, and goes back to
// the flow.
func TestAFlowThatFailsOnItsWayEndsNoSession(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	left := b.send(visit{to: "/flows/hybrid/runs", form: runForm("tenant", ""), from: b.address("/")})
	to := strings.Replace(left.header.Get("Location"), "login_hint="+url.QueryEscape(dana), "prompt=select_account", 1)
	p := b.through(b.get(to), "noor@contoso.com")
	p.want(http.StatusForbidden, "The flow was not run")
	if p.evidence("Code") != "other_account" || p.sel(`a[href="/flows/hybrid"]`).Length() == 0 || strings.Contains(p.text("main"), "Use another account") {
		t.Errorf("the page: %s", p.text("main"))
	}
	if n := w.rows("sign_in_failures"); n != 0 {
		t.Errorf("%d failed sign-ins are kept", n)
	}
}

// TestAttackTheLogReadsWhatAnErrorSays: the text of an error is anybody's. What looks
// like a secret in it, and what the portal itself sent, is not logged.
func TestAttackTheLogReadsWhatAnErrorSays(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	secrets := []string{"q8Q~Zx3vN9uLxUe0qDq2Yw8RAAbcdefghij", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJlLW9mLWEtdG9rZW4tdGhhdC1pcy1sb25n", "0.AQIAcodeThatIsLong1234567890"}
	answer := b.answer(dana)
	w.callback(b, url.Values{"state": {answer.Get("state")}, "error": {"access_denied"},
		"error_description": {"AADSTS65004: no. client_secret=" + secrets[0] + " Bearer " + secrets[1] + " code=" + secrets[2]}})

	// The token endpoint repeats what it was sent.
	var sent url.Values
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/token") || r.ParseForm() != nil {
			return false
		}
		sent = r.PostForm
		rw.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(rw, `{"error":"invalid_grant","error_description":"AADSTS70008: %s and %s are too old"}`, sent.Get("code"), sent.Get("code_verifier"))
		return true
	})
	p := b.submit(b.toAnswer(b.get("/auth/login"), dana), "form#hiddenform", nil)
	if p.evidence("Code") != "AADSTS70008" || sent.Get("code") == "" {
		t.Fatalf("%d %s", p.status, p.text("main"))
	}
	log := w.log.String()
	for _, leak := range trace.Leaks([]byte(log), append(secrets, sent.Get("code"), sent.Get("code_verifier"), sent.Get("client_secret"))) {
		t.Error(leak)
	}
	if !strings.Contains(log, "AADSTS65004: no.") || !strings.Contains(log, "are too old") {
		t.Error("the log does not say what was refused")
	}
}
