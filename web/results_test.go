package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestLongSkipTokensLeadOn: AzTS's skip tokens are opaque, and may be as long as
// the client sends them back.
func TestLongSkipTokensLeadOn(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	token := strings.Repeat("+/", 4<<10) // each takes three bytes in an address
	w.tenant.answerWith(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/ControlScanResult") {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body) // what it asks for beside does not matter here
		next, control := token, "first"
		if got := r.URL.Query().Get("skipToken"); got == token {
			next, control = "", "second"
		} else if got != "" {
			control = "wrong"
		}
		rw.Header().Set("Content-Type", "application/json")
		b, _ := json.Marshal(next) // a string always has a JSON form
		fmt.Fprintf(rw, `{"data":[{"ControlName":%q,"ControlDisplayName":%q}],"skipToken":%s}`, control, control, b)
		return true
	})
	b := w.browser()
	b.signIn(dana)
	const results = "/subscriptions/3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3/results"
	first := b.get(results).want(http.StatusOK, "Contoso Prod")
	first.has("main", "first")
	next := first.sel(`a[href*="skip="]`).First().AttrOr("href", "")
	if next == "" {
		t.Fatal("no way to the second page")
	}
	b.get(next).want(http.StatusOK, "Contoso Prod").has("main", "second")
	if p := b.get(results + "?skip=" + strings.Repeat("a", 8<<10+1)); p.status != http.StatusBadRequest {
		t.Errorf("a token longer than AzTS's limit is answered with %d", p.status)
	}
}
