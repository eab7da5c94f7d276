package main

import (
	"net/http"
	"strings"
	"testing"
)

// FuzzCallback posts whatever body to the callback of a running portal, from a
// browser that has a sign-in under way: never a session, never a failure of ours.
func FuzzCallback(f *testing.F) {
	person := startPortal(f, nil).browser()
	state := person.answer(dana).Get("state")
	for _, seed := range []string{"", "state=", "state=%00", "state=x&code=y", "state=x&state=y", "error=access_denied&state=x", "state=" + strings.Repeat("x", 5000),
		"state=x;code=y", "id_token=a.b.c&state=x", "%", "state=../../x", "state=x%0d%0aSet-Cookie:a=b", "code=c&id_token=a.b.c&state="} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, body string, ownState bool) {
		if ownState {
			body += "&state=" + state
		}
		b := person.in(t)
		from := b.address("http://127.0.0.1/")
		p := b.send(visit{method: http.MethodPost, to: "/auth/callback", body: body, from: from,
			header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
		switch p.status {
		case http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("%q is answered with %d", body, p.status)
		}
		if p.heading() == "" || p.evidence("Reference") == "" || b.cookie(sessionCookie) != "" {
			t.Errorf("%q is answered with %q", body, p.body)
		}
	})
}
