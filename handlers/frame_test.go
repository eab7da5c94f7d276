package handlers

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/session"
)

// signedInFrame returns a frame in which Ann is signed in, her cookie, and the
// clock, which the test moves.
func signedInFrame(t *testing.T) (f *frame, cookie *http.Cookie, now *time.Time) {
	t.Helper()
	f, _ = newFrame(t)
	clock := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	f.now = func() time.Time { return clock }
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "portal.db"), f.now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := seal.NewKeyRing(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	f.sessions, err = session.New(db, keys, session.Options{Idle: time.Hour, Max: 12 * time.Hour,
		Accept: func(access.User) bool { return true }, Now: f.now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	ann := access.User{ID: access.PersonID{Authority: "tenant", Subject: "ann"}, Issuer: "https://login.example", Name: "Ann"}
	if _, err := f.sessions.SignIn(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/auth/callback", nil),
		session.SignIn{Content: session.Content{User: ann}}); err != nil {
		t.Fatal(err)
	}
	return f, w.Result().Cookies()[0], &clock
}

// TestAttackOpenPageKeepsTheSessionAlive: a page with a scan was left open. It
// fetches itself anew with every event, for hours, and nobody is there.
func TestAttackOpenPageKeepsTheSessionAlive(t *testing.T) {
	f, cookie, now := signedInFrame(t)
	page := f.serve(f.signedIn(func(w http.ResponseWriter, r *http.Request, _ *session.Session) error {
		f.page(r, "Scan", "") // the frame looks the session up as well
		w.WriteHeader(http.StatusOK)
		return nil
	}))
	ask := func(pull bool) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/scans/1", nil)
		r.AddCookie(cookie)
		if pull {
			r.Header.Set(pullHeader, "1")
		}
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		return w.Code
	}
	for range 5 {
		*now = now.Add(11 * time.Minute)
		if code := ask(true); code != http.StatusOK {
			t.Errorf("before the session's end the page gets %d", code)
		}
	}
	*now = now.Add(11 * time.Minute)
	if code := ask(true); code != http.StatusSeeOther {
		t.Errorf("66 minutes after the person's last request the page gets %d", code)
	}

	f, cookie, now = signedInFrame(t)
	page = f.serve(f.signedIn(func(w http.ResponseWriter, _ *http.Request, _ *session.Session) error {
		w.WriteHeader(http.StatusOK)
		return nil
	}))
	for range 6 {
		*now = now.Add(11 * time.Minute)
		if code := ask(false); code != http.StatusOK {
			t.Errorf("while the person is there the page gets %d", code)
		}
	}
}

func TestMarkTellsSessionsAndPeopleApart(t *testing.T) {
	const tenant, subject = "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10", "2f6d8a10-94c3-4b7e-8e15-0a3c7d91b6e2"
	of := func(id byte, authority, subject string) string {
		live := &session.Session{ID: session.ID{id}}
		live.User.ID = access.PersonID{Authority: authority, Subject: subject}
		return mark(live)
	}
	person := func(mark string) string {
		_, person, found := strings.Cut(mark, ".")
		if !found || person == "" {
			t.Fatalf("mark %q names no person", mark)
		}
		return person
	}
	one, next := of(1, tenant, subject), of(2, tenant, subject)
	if one == next || person(one) != person(next) {
		t.Errorf("two sessions of one person are %q and %q", one, next)
	}
	for _, other := range []string{of(1, tenant, tenant), of(1, subject, subject), of(1, tenant+subject, ""), of(1, "", tenant+subject)} {
		if person(other) == person(one) {
			t.Errorf("two people have the mark %q", other)
		}
	}
	for _, part := range []string{tenant, subject} {
		if strings.Contains(one, part[:8]) {
			t.Errorf("the mark %q names the person", one)
		}
	}
}

func TestAFormThatWasSentTooLateLeadsBackToItsPage(t *testing.T) {
	pages := []string{"/", "/tokens", "/scans", "/admin", "/admin/consent"}
	f := &frame{opens: func(path string) bool { return slices.Contains(pages, path) }}
	for _, test := range []struct{ path, referer, want string }{
		{"/tokens/renew", "https://portal.example/tokens/reveal", "/tokens"},
		{"/admin/consent/withdraw", "https://portal.example/admin/consent?q=a", "/admin/consent?q=a"},
		{"/nowhere/at/all", "", "/"},
		{"/nowhere/at/all", "https://portal.example", "/"},
		{"*", "", "/"},
		{"/tokens/reveal", "https://portal.example/tokens?resource=arm", "/tokens?resource=arm"},
		{"/tokens/reveal", "", "/tokens"},
		{"/admin/consent/withdraw", "", "/admin/consent"},
		{"/scans", "https://portal.example/scans?q=prod", "/scans?q=prod"},
		{"/scans", "https://elsewhere.example/scans?q=prod", "/scans"},
		{"/scans", "://", "/scans"},
	} {
		r := &http.Request{Method: http.MethodPost, Host: "portal.example", URL: &url.URL{Path: test.path}, Header: make(http.Header)}
		r.Header.Set("Referer", test.referer)
		if back := f.pageOfForm(r); back != test.want {
			t.Errorf("%s from %q leads to %q, want %q", test.path, test.referer, back, test.want)
		}
	}
}
