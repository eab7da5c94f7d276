package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/sandbox"
)

// TestBrowserInspector holds what the inspector and the form for applications
// promise of a real browser.
func TestBrowserInspector(t *testing.T) {
	if !chromium.Enabled() {
		t.Log("the journeys in Chromium run with PORTAL_TEST_BROWSER=1")
		return
	}
	b := chromium.Start(t, chromium.Options{})
	for _, j := range []struct {
		name    string
		journey func(*testing.T, *chromium.Browser)
	}{
		{"nothing is sent", inspectWithoutSending},
		{"the same as the portal", inspectAsThePortalDoes},
		{"pasted blanks", inspectBlanks},
		{"keyboard", inspectByKeyboard},
		{"without scripts", inspectWithoutScripts},
		{"app token", getAppTokenInBrowser},
	} {
		t.Run(j.name, func(t *testing.T) { j.journey(t, b) })
	}
}

// paste puts a text into a field as pasting does.
func (v *visitor) paste(field, text string) {
	v.t.Helper()
	chromium.Eval[bool](v.Tab, `((el, text) => { el.value = text; return el.dispatchEvent(new Event('input', { bubbles: true })) })(document.getElementById(`+
		quoted(field)+`), `+quoted(text)+`)`)
}

// inspectorReady waits for the script.
func (v *visitor) inspectorReady() {
	v.t.Helper()
	v.Wait("the script", `document.querySelector('[data-decode]')?.disabled === false`)
}

// decode pastes a token and presses the button.
func (v *visitor) decode(text string) {
	v.t.Helper()
	v.inspectorReady()
	v.paste("inspect-token", text)
	v.Press("Decode")
	v.Wait("the token taken apart", `document.activeElement.id === 'inspected' && document.querySelector('#inspected section')`)
}

// tokens are tokens of the tenant to look at: of version 1.0 and 2.0.
func appTokens(w *world) (v1, v2 string) {
	b := w.browser()
	b.signIn(appOther)
	return b.copyApp(b.askApp(scanBot())), b.copyApp(b.askApp(scanBot("resource", "https://vault.azure.net/.default")))
}

// inspectWithoutSending decodes, compares and checks signatures, and watches what
// leaves the browser meanwhile: nothing, and public keys asked for by issuer and kid.
func inspectWithoutSending(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v1, v2 := appTokens(w)
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/tokens/inspect", "Token inspector")
	v.check("inspector, empty")
	before := len(v.Answers())
	v.decode("Bearer " + v1)
	v.has("#inspected", "The application that asked for the token.")
	v.has("#inspected", "not checked yet")
	v.check("inspector, one token")
	v.paste("inspect-second", v2)
	v.Wait("the comparison", `document.querySelector('#comparison-title')`)
	v.has(".compared", "≠ changed")
	v.has(".compared", "= same")
	v.has(".compared", "− only in the first")
	v.has(".compared", "+ only in the second")
	v.check("inspector, two tokens")
	for _, a := range v.Answers()[before:] {
		if a.Kind != "EventSource" && !strings.HasSuffix(a.URL, "/session") && !strings.HasPrefix(a.URL, "data:") {
			t.Errorf("decoding asked for %s (%s)", a.URL, a.Kind)
		}
	}
	before = len(v.Answers())
	v.Press("Check the signature")
	v.Wait("the verdict", `document.activeElement.matches('[data-inspect="signature"].tone-success')`)
	v.has(`[data-inspect="signature"]`, "Signature: good")
	var asked []string
	for _, a := range v.Answers()[before:] {
		if strings.Contains(a.URL, "/tokens/") {
			asked = append(asked, a.URL)
		}
	}
	if len(asked) != 1 || !strings.HasPrefix(asked[0], w.url+"/tokens/inspect/keys?") {
		t.Errorf("checking the signature asked for %q", asked)
	}
	for _, part := range strings.Split(v1, ".") {
		if slices.ContainsFunc(asked, func(a string) bool { return strings.Contains(a, part[:20]) }) {
			t.Error("a part of the token is in an address")
		}
	}
	cut := strings.LastIndexByte(v1, '.')
	v.decode(v1[:cut] + v2[strings.LastIndexByte(v2, '.'):])
	v.Press("Check the signature")
	v.Wait("the verdict", `document.activeElement.matches('[data-inspect="signature"].tone-error')`)
	v.has(`[data-inspect="signature"]`, "Signature: wrong")
	v.decode(w.tenant.plainText(t, "/federated/token"))
	v.Press("Check the signature")
	v.Wait("the verdict", `document.activeElement.matches('[data-inspect="signature"].tone-info')`)
	v.has(`[data-inspect="signature"]`, "is not ours and not on the list")
	if lines := w.log.lines("method=POST", "path=/tokens/inspect"); len(lines) != 0 {
		t.Errorf("the portal was sent something: %s", lines)
	}
	// Going away and back brings no token back.
	v.Follow(func() { v.Press("History") })
	v.Heading("Issued tokens")
	v.Follow(v.Back)
	v.Heading("Token inspector")
	if left := chromium.Eval[string](v.Tab, `document.getElementById('inspect-token').value + document.getElementById('inspected').textContent.trim()`); left != "" {
		t.Errorf("after going back the page still has %.60q", left)
	}
}

// shownParts are the selectors by which both ways are compared; the value is an
// attribute to read in place of the text.
var shownParts = []struct{ css, attribute string }{
	{"#inspected h2", ""}, {`#inspected [data-inspect="problem"]`, ""}, {`#inspected [data-inspect="note"]`, ""}, {"#inspected .claims tbody code", ""},
	{`#inspected td[data-label="Meaning"]`, ""}, {"#inspected td time", "datetime"}, {"#inspected pre code", ""}, {"#inspected .part", ""},
	{`#inspected [data-inspect="signature"]`, ""}, {"#comparison-title + p", ""}, {".compared tbody tr", ""},
}

// inspectAsThePortalDoes runs every case through the script and through the
// portal: both pages say the same.
func inspectAsThePortalDoes(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	_, v2 := appTokens(w)
	plain := w.browser()
	plain.signIn(appOther)
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/tokens/inspect", "Token inspector")
	for _, c := range inspectCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			v := &visitor{Tab: v.Tab, t: t, world: w}
			for _, second := range []string{"", v2} {
				v.paste("inspect-second", second)
				v.decode(c.pasted())
				p := plain.in(t).post("/tokens/inspect", url.Values{"token": {c.pasted()}, "second": {second}}).want(http.StatusOK, "Token inspector")
				for _, part := range shownParts {
					read := `el.textContent`
					if part.attribute != "" {
						read = `el.getAttribute('` + part.attribute + `').replace('.000Z', 'Z')`
					}
					got := chromium.Eval[[]string](v.Tab, `[...document.querySelectorAll(`+quoted(part.css)+`)].map((el) => `+read+`)`)
					var want []string
					p.sel(part.css).Each(func(_ int, s *goquery.Selection) {
						if part.attribute != "" {
							want = append(want, s.AttrOr(part.attribute, ""))
							return
						}
						want = append(want, s.Text())
					})
					for i := range max(len(got), len(want)) {
						if i >= len(got) || i >= len(want) {
							t.Fatalf("%s: the script shows %d, the portal %d", part.css, len(got), len(want))
						}
						offered := strings.HasPrefix(clean(got[i]), "Signature: not checked yet") // the portal has checked it
						if clean(got[i]) != clean(want[i]) && !offered {
							t.Errorf("%s: the script shows %.200q, the portal %.200q", part.css, clean(got[i]), clean(want[i]))
						}
					}
				}
				if n := chromium.Eval[int](v.Tab, `document.querySelectorAll('#inspected script, #inspected img, #inspected b').length`); n != 0 {
					t.Errorf("%d elements were made of what was pasted", n)
				}
			}
		})
	}
}

// inspectBlanks pastes what a careless selection brings along: the page stays
// alive, and says what is wrong.
func inspectBlanks(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/tokens/inspect", "Token inspector")
	v.inspectorReady()
	const most = 10_000 // milliseconds; it takes a few hundredths of a second, and took minutes
	for text, code := range map[string]string{
		`' '.repeat(1 << 20) + 'x'`:                               "too_large",
		`'eyJhbGciOiJub25lIn0' + ' '.repeat(1 << 20) + '.e30.'`:   "too_large",
		`'eyJhbGciOiJub25lIn0' + ' '.repeat(130000) + '.e30.'`:    "sig_none",
		`'"'.repeat(60000) + 'x' + '"'.repeat(60000) + 'y'`:       "one_part",
		`'x' + '\u200b'.repeat(40000) + 'y'`:                      "one_part",
		`'Bearer' + ' '.repeat(60000) + ',;'.repeat(30000) + 'y'`: "one_part",
	} {
		took := chromium.Eval[float64](v.Tab, `((el, text) => {
			el.value = text;
			const began = performance.now();
			document.querySelector('[data-decode]').click();
			return performance.now() - began;
		})(document.getElementById('inspect-token'), `+text+`)`)
		if took > most {
			t.Errorf("%s: the page stands still for %.0f ms", text, took)
		}
		v.has("#inspected", entra.InspectWords[code].Title)
	}
}

// inspectByKeyboard uses the inspector without a mouse.
func inspectByKeyboard(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/tokens/inspect", "Token inspector")
	v.inspectorReady()
	v.tabTo("#inspect-token")
	v.Type("eyJhbGciOiJub25lIn0.eyJzdWIiOiJkYW5hIn0.")
	v.tabTo("[data-decode]")
	v.Type(chromium.Enter)
	v.Wait("the focus on what was decoded", `document.activeElement.id === 'inspected'`)
	v.has("#inspected", entra.InspectWords["sig_none"].Text)
	v.Wait("the words for those who listen", `document.getElementById('live').textContent === 'Decoded.'`)
	v.tabTo("#inspected summary")
	v.Type(chromium.Enter)
	v.Wait("the raw JSON", `document.querySelector('#inspected details').open`)
	v.tabTo("#inspected .copy")
	for range maxTabs { // back up to the button
		v.ShiftTab()
		v.focusIsSeen()
		if v.Text(":focus") == "Clear" {
			break
		}
	}
	v.Type(chromium.Enter)
	v.Wait("the page to be cleared", `!document.querySelector('#inspected section')`)
}

// inspectWithoutScripts sends the form, since nothing else decodes.
func inspectWithoutScripts(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/tokens/inspect", "Token inspector")
	v.inspectorReady()
	v.WithoutScripts()
	v.Reload()
	v.Heading("Token inspector")
	if v.visible("#inspect-where") || v.visible("[data-decode]") || v.visible("button[name=send]") {
		t.Error("something is offered that needs a script")
	}
	v.has("#inspect", "Scripts are off")
	v.Click("#inspect-token")
	v.Type("eyJhbGciOiJub25lIn0.eyJzdWIiOiJkYW5hIn0.")
	v.Follow(func() { v.Press("Decode") })
	v.has("#inspected", "Signature: none")
	if got := chromium.Eval[string](v.Tab, `document.getElementById('inspect-token').value`); got != "" {
		t.Errorf("the field still has %q", got)
	}
}

// getAppTokenInBrowser gets a token for an application, and looks at the form as
// it is with each kind of credential.
func getAppTokenInBrowser(t *testing.T, b *chromium.Browser) {
	w := consented(t, sandbox.Options{})
	v := w.visitor(t, b.Profile(t))
	v.signIn(sandbox.DanaID, "/tokens/app", "App tokens")
	for kind, field := range map[string]string{"assertion": "#app-assertion", "certificate": "#app-file", "secret": "#app-secret"} {
		v.Click("#kind-" + kind)
		for _, other := range []string{"#app-assertion", "#app-file", "#app-secret"} {
			if v.visible(other) != (other == field) {
				t.Errorf("with %s, %s is seen: %t", kind, other, other != field)
			}
		}
		v.check("app tokens, " + kind)
	}
	v.Click("#kind-secret")
	v.paste("app-client", sandbox.ScriptClientID)
	v.paste("app-secret", "wrong")
	v.Expect("status of 403")
	v.Follow(func() { v.Press("Get the token") })
	v.has(".panel", "The secret is wrong.")
	v.check("app tokens, refused")
	v.paste("app-secret", sandbox.ScriptClientSecret)
	v.Follow(func() { v.Press("Get the token") })
	v.Wait("the token", `document.querySelector('[data-token]')`)
	v.check("app token")
	v.Press("Reveal")
	v.Wait("the token's text", `document.querySelector('.token-text').textContent.startsWith('eyJ')`)
	v.Press("Hide")
	v.Wait("the token to hide", `!document.querySelector('.token-text').textContent.includes('eyJ')`)
	v.Follow(func() { v.Press("Forget token") })
	v.has(".flash", "forgotten")
}
