package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/sandbox"
)

// inspectCase is one of the cases that hold the server's decoder and the
// script's to the same (internal/entra/testdata/inspect.json).
type inspectCase struct {
	Name, Text, Raw2 string
	Parts            []*string
	TextParts        []string
	Repeat           struct {
		Text  string
		Times int
	}
	Before, After  string
	Wrap           int
	Problem, About string
}

// pasted is the text of a case, as the file describes it.
func (c *inspectCase) pasted() string {
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	parts := append([]string(nil), c.TextParts...)
	if len(parts) > 0 {
		parts[0] = encode(parts[0])
	}
	for _, part := range c.Parts {
		if part == nil {
			parts = append(parts, c.Raw2)
		} else {
			parts = append(parts, encode(*part))
		}
	}
	text := c.Text + strings.Repeat(c.Repeat.Text, c.Repeat.Times) + strings.Join(parts, ".")
	for at := c.Wrap; c.Wrap > 0 && at < len(text); at += c.Wrap + 2 {
		text = text[:at] + "\r\n" + text[at:]
	}
	return c.Before + text + c.After
}

func inspectCases(t testing.TB) []inspectCase {
	t.Helper()
	b, err := os.ReadFile("../internal/entra/testdata/inspect.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []inspectCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestInspectByForm: without a script the form answers, once, with the same words.
func TestInspectByForm(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	for _, c := range inspectCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			p := b.in(t).post("/tokens/inspect", url.Values{"token": {c.pasted()}}).want(http.StatusOK, "Token inspector")
			if p.header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", p.header.Get("Cache-Control"))
			}
			if c.Problem == "" {
				if n := p.sel(`[data-inspect="problem"]`).Length(); n != 0 {
					t.Errorf("it has a problem: %s", p.text(`[data-inspect="problem"]`))
				}
				return
			}
			word := entra.InspectWords[c.Problem]
			p.has(`[data-inspect="problem"] h3`, word.Title)
			p.has(`[data-inspect="problem"] p`, clean(strings.ReplaceAll(word.Text, "{about}", c.About)))
		})
	}
	w.stop()
	if lines := w.log.lines("eyJ"); len(lines) != 0 {
		t.Errorf("the log holds what was pasted: %.300s", lines[0])
	}
}

// TestInspectTokens: the portal's own tokens of both versions, one of an issuer
// on the list and one of nobody we know; and what stays of them.
func TestInspectTokens(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{start: func(t testing.TB, env map[string]string) *portalRun {
		env["PORTAL_TRUSTED_ISSUERS"] = strings.TrimSuffix(env["PORTAL_ISSUER"], sandbox.TenantID+"/v2.0") + "federated"
		return startPortal(t, env)
	}})
	b := w.browser()
	b.signIn(dana)
	v1 := b.copyApp(b.askApp(scanBot()).want(http.StatusOK, "App tokens"))
	v2 := b.copyApp(b.askApp(scanBot("resource", "https://vault.azure.net/.default")).want(http.StatusOK, "App tokens"))
	federated := w.tenant.plainText(t, "/federated/token")
	foreign := w.tenant.plainText(t, "/federated/token?issuer="+url.QueryEscape(w.tenant.url+"/elsewhere"))
	cut := strings.LastIndexByte(v2, '.')
	for name, c := range map[string]struct{ token, code string }{
		"version 1.0": {v1, "sig_good"}, "version 2.0": {v2, "sig_good"}, "issuer on the list": {federated, "sig_good"},
		"issuer unknown": {foreign, "sig_issuer_foreign"}, "changed": {v2[:cut-4] + "AAAA" + v2[cut:], ""}, "cut off": {v2[:cut+1], "sig_malformed"},
		"signature of another": {v2[:cut] + v1[strings.LastIndexByte(v1, '.'):], "sig_wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			p := b.in(t).post("/tokens/inspect", url.Values{"token": {c.token}}).want(http.StatusOK, "Token inspector")
			if c.code != "" {
				p.has(`[data-inspect="signature"] h3`, entra.InspectWords[c.code].Title)
			} else if strings.Contains(p.text(`[data-inspect="signature"]`), "good") {
				t.Error("a changed token has a good signature")
			}
			nowhere(t, "the page", []byte(p.body), map[string][]string{"the signature": {c.token[max(0, len(c.token)-64):]}})
		})
	}
	p := b.post("/tokens/inspect", url.Values{"token": {v1}, "second": {v2}})
	p.has("#comparison-title", "Side by side")
	for name, difference := range map[string]string{"tid": "same", "ver": "changed", "appid": "only in the first", "azp": "only in the second"} {
		found := ""
		p.sel(".compared tbody tr").Each(func(_ int, row *goquery.Selection) {
			if clean(row.Find("th").Text()) == name {
				found = clean(row.Find(`td[data-label="Difference"]`).Text())
			}
		})
		if !strings.HasSuffix(found, difference) || found == difference {
			t.Errorf("%s is %q, want a sign and %q", name, found, difference)
		}
	}
	secrets := map[string][]string{"what was pasted": {v1, v2, federated}}
	nowhere(t, "the database", w.databaseBytes(), secrets)
	w.stop()
	nowhere(t, "the log", []byte(w.log.String()), secrets)
}

// TestInspectKeys: public keys of issuers that we chose, for those signed in.
func TestInspectKeys(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	stranger := w.browser()
	if p := stranger.get("/tokens/inspect/keys?issuer=x"); p.heading() == "" {
		t.Errorf("a stranger gets %.100s", p.body)
	}
	b := w.browser()
	b.signIn(dana)
	ask := func(q url.Values) (code string, keys []map[string]any) {
		t.Helper()
		p := b.get("/tokens/inspect/keys?" + q.Encode())
		var answer struct {
			Code string
			Keys []map[string]any
		}
		if err := json.Unmarshal([]byte(p.body), &answer); err != nil || p.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %v, %.200s", p.url, err, p.body)
		}
		return answer.Code, answer.Keys
	}
	ours := w.env["PORTAL_ISSUER"]
	code, keys := ask(url.Values{"issuer": {ours}, "tenant": {sandbox.TenantID}})
	if code != "" || len(keys) != 2 || keys[0]["n"] == nil {
		t.Errorf("our issuer: %q, %d keys", code, len(keys))
	}
	for _, key := range keys {
		if key["d"] != nil || key["p"] != nil {
			t.Error("a private part of a key")
		}
	}
	for name, c := range map[string]struct {
		query url.Values
		code  string
	}{
		"nobody":                  {url.Values{}, "sig_issuer_missing"},
		"somebody else":           {url.Values{"issuer": {w.tenant.url + "/elsewhere"}}, "sig_issuer_foreign"},
		"another tenant of Entra": {url.Values{"issuer": {strings.Replace(ours, sandbox.TenantID, sandbox.FabrikamTenantID, 1)}, "tenant": {sandbox.FabrikamTenantID}}, "sig_issuer_foreign"},
		"unknown key":             {url.Values{"issuer": {ours}, "tenant": {sandbox.TenantID}, "kid": {"made-up"}}, "sig_key_unknown"},
	} {
		if code, keys := ask(c.query); code != c.code || len(keys) != 0 {
			t.Errorf("%s: %q, %d keys", name, code, len(keys))
		}
	}
	if n := w.tenant.count("/elsewhere/.well-known/openid-configuration"); n != 0 {
		t.Errorf("the address of a token was opened %d times", n)
	}
}

// TestAttackSecretAsKid: what is pasted is nowhere in the log, made-up kids neither;
// whoever comes after many of them is told to wait, and not that a key is unknown.
func TestAttackSecretAsKid(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	enc := base64.RawURLEncoding.EncodeToString
	claims := enc([]byte(`{"iss":"` + w.env["PORTAL_ISSUER"] + `","tid":"` + sandbox.TenantID + `"}`))
	var p *page
	for i := range 9 {
		header := enc(fmt.Appendf(nil, `{"alg":"RS256","kid":"P4ssw0rd-in-kid-%d"}`, i))
		p = b.post("/tokens/inspect", url.Values{"token": {header + "." + claims + "." + enc([]byte("signature"))}}).want(http.StatusOK, "Token inspector")
	}
	p.has(`[data-inspect="signature"]`, "Try again in a minute")
	if len(w.log.lines("an unknown kid was not looked up")) == 0 {
		t.Error("the log does not say that keys were not looked up")
	}
	w.stop()
	nowhere(t, "the log", []byte(w.log.String()), map[string][]string{"a kid": {"P4ssw0rd-in-kid-"}})
}

// TestInspectIsForPeopleSignedIn: nobody else, and no form of another site.
func TestInspectIsForPeopleSignedIn(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	for _, v := range []visit{{to: "/tokens/inspect"}, {to: "/tokens/inspect", form: url.Values{"token": {"a.b.c"}}}} {
		b.send(v).leadsTo("/auth/login?return_to=%2Ftokens")
	}
	b.signIn(dana)
	b.open(visit{to: "/tokens/inspect", form: url.Values{"token": {"a.b.c"}}, from: b.address(w.tenant.url)}).want(http.StatusForbidden, "This is not open to you")
	b.post("/tokens/inspect", url.Values{"token": {strings.Repeat("a", 2<<20)}}).want(http.StatusRequestEntityTooLarge, "This is too large")
}
