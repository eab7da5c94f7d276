package main

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/sandbox"
)

// TestNewcomer is the walk of somebody who has just started the program, with a
// tenant of its own and nothing configured.
func TestNewcomer(t *testing.T) {
	t.Parallel()
	portal := startPortal(t, nil)
	for _, text := range []string{portal.url, "sandbox", "dana@contoso.com", "ada@contoso.com"} {
		if !strings.Contains(portal.announced, text) {
			t.Errorf("the line at the start is %q, without %q", portal.announced, text)
		}
	}
	b := portal.browser()
	landing := b.get("/")
	landing.has(".env", "Sandbox")
	landing.has("table", "dana@contoso.com")
	p := b.toAnswer(b.get("/auth/login?login_hint=dana@contoso.com"), "dana@contoso.com")
	if p.url.Hostname() != "127.0.0.1" {
		t.Errorf("the tenant is at %s, the same site as the portal", p.url)
	}
	overview := b.submit(p, "form#hiddenform", nil).want(http.StatusOK, "Overview")
	if n := overview.sel("table tbody tr").Length(); n < 10 {
		t.Errorf("the overview lists %d subscriptions", n)
	}
	b.signOut().want(http.StatusOK, "You are signed out")
}

// TestWholeWalk goes from sign-in over a token, a scan and its results to
// sign-out.
func TestWholeWalk(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{sandbox: sandbox.Options{ScanDuration: 800 * time.Millisecond, ResultsPerSubscription: 130}})
	b := w.browser()
	overview := b.signInTo("dana@contoso.com", "/").want(http.StatusOK, "Overview")
	overview.has("table", "Contoso Prod")

	// The sign-in brought a token; request one as somebody does who has none.
	none := b.submit(b.get("/tokens"), `#azts form[action="/tokens/forget"] button`, nil)
	tokens := b.submit(none, `form[action="/tokens"] button`, nil).want(http.StatusOK, "Tokens")
	if shown := tokens.text("#text-azts"); strings.Contains(shown, "eyJ") {
		t.Error("the token is shown before anyone asked to see it")
	}
	revealed := b.submit(tokens, "#azts form[data-reveal] button", nil).want(http.StatusOK, "Tokens")
	if token := revealed.text("#text-azts"); strings.Count(token, ".") != 2 || !strings.HasPrefix(token, "eyJ") {
		t.Errorf("the token reads %.40q", token)
	}
	revealed.has("#azts .facts", sandbox.AzTSAppIDURI)

	scan := startScan(b, "Contoso Prod", "Payments – Staging")
	events := b.events()
	for scan = b.get(scan.url.String()); scan.sel("#scan[data-running]").Length() > 0; scan = b.get(scan.url.String()) {
		b.await(events, "scan", 30*time.Second)
	}
	if n := scan.sel("tbody .status:contains(Completed), tbody td:contains(Completed)").Length(); n < 2 {
		t.Fatalf("the scan ended so: %s", scan.text("table"))
	}
	readResults(b, scan)

	b.signOut().want(http.StatusOK, "You are signed out").has(".outcomes", "came back from the sign-out of the company sign-in")
	b.send(visit{to: "/account"}).leadsTo("/auth/login?return_to=%2Faccount")
	// The tenant's session ended too: it asks who one is.
	b.get("/auth/login").want(http.StatusOK, "Choose an account")
	if n := w.sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// startScan chooses subscriptions by name and starts.
func startScan(b *browser, names ...string) *page {
	b.t.Helper()
	choice := b.get("/scans/new").want(http.StatusOK, "New scan")
	chosen := url.Values{}
	choice.sel("table.choose tbody tr").Each(func(_ int, row *goquery.Selection) {
		for _, name := range names {
			if clean(row.Find(".name").Text()) == name {
				chosen.Add("subscription", row.Find("input[name=subscription]").AttrOr("value", ""))
			}
		}
	})
	if len(chosen["subscription"]) != len(names) {
		b.t.Fatalf("found %d of %q in %s", len(chosen["subscription"]), names, choice.text("table.choose"))
	}
	return b.submit(choice, `form.scan-form button[name=idempotency_key]`, chosen).want(http.StatusOK, "Scan of 2 subscriptions")
}

// readResults opens what the scan found in a subscription, and then what AzTS
// says of it now: both pages, and the file.
func readResults(b *browser, scan *page) {
	b.t.Helper()
	found := b.get(scan.sel(`#scan tbody a[href$="#results"]`).First().AttrOr("href", ""))
	found.has("#list-title", "130 of 260 results")
	first := b.get("/subscriptions/3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3/results")
	if n := first.sel("table.results details.opener").Length(); first.status != http.StatusOK || n != 100 {
		b.t.Fatalf("page 1 of the results is %d with %d rows", first.status, n)
	}
	// The figures are of this scan, not of the one before.
	if got := first.text(".strip"); strings.Contains(got, "hours ago") {
		b.t.Errorf("the results are summed up as %q", got)
	}
	second := b.get(first.one("a[rel=next]").AttrOr("href", ""))
	if n := second.sel("table.results details.opener").Length(); n != 30 {
		b.t.Errorf("page 2 has %d rows", n)
	}
	file := b.get(first.one(`a[href*=".csv"]`).AttrOr("href", ""))
	if kind := file.header.Get("Content-Type"); file.status != http.StatusOK || kind != "text/csv; charset=utf-8" {
		b.t.Fatalf("the file is %d %s", file.status, kind)
	}
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file.body, "\ufeff"))).ReadAll()
	if err != nil || len(records) != 131 {
		b.t.Errorf("the file has %d records, %v", len(records), err)
	}
}
