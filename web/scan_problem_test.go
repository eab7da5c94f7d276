package main

import (
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// TestProblemOfAScanLeadsToTheLog: the help desk finds why AzTS did not take a
// scan by the reference on the scan's page. And an API that refuses a token which
// the provider has just issued costs no refresh, however often the page is read.
func TestProblemOfAScanLeadsToTheLog(t *testing.T) {
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	choice := b.get("/scans/new")
	id := ""
	choice.sel("table.choose input[name=subscription]").EachWithBreak(func(_ int, in *goquery.Selection) bool {
		id = in.AttrOr("value", "")
		return false
	})
	w.tenant.Faults().Set("azts.401", "", -1)
	before := w.tenant.count(tokenPath)
	page := b.submit(choice, `form.scan-form button[name=idempotency_key]`, map[string][]string{"subscription": {id}})
	reference := page.evidence("Reference")
	if page.evidence("Code") != "token_refused" || reference == "" || len(w.log.lines("scan not taken", "ref="+reference, "token_refused")) != 1 {
		t.Errorf("code %q, reference %q, log %v", page.evidence("Code"), reference, w.log.lines("scan not taken"))
	}
	for range 10 {
		b.get("/scans/new")
	}
	if n := w.tenant.count(tokenPath) - before; n != 0 {
		t.Errorf("eleven pages cost %d requests to the token endpoint", n)
	}
	if strings.Contains(page.body, "Bearer") {
		t.Error("the page tells of the token")
	}
}
