package session_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"azts.internal/portal/session"
)

const flashCookie = "__Host-flash"

func (p *portal) takeFlash(b browser) (flash session.Flash, ok bool) {
	p.Helper()
	b.visit(p, func(w http.ResponseWriter, r *http.Request) { flash, ok = p.TakeFlash(w, r) })
	return flash, ok
}

func TestFlashIsShownOnce(t *testing.T) {
	p, b := newPortal(t), browser{}
	want := session.Flash{Good: true, Text: "That session is signed out. <b>&é"}
	set := b.visit(t, func(w http.ResponseWriter, _ *http.Request) { p.AddFlash(w, want) })
	if len(set) != 1 || !set[0].Secure || !set[0].HttpOnly || set[0].SameSite != http.SameSiteLaxMode || set[0].MaxAge != 60 {
		t.Errorf("cookies %v", set)
	}
	if strings.Contains(set[0].Value, "signed") {
		t.Error("the cookie shows the sentence")
	}
	if got, ok := p.takeFlash(b); !ok || got != want {
		t.Errorf("flash %+v, %v", got, ok)
	}
	if _, ok := p.takeFlash(b); ok || b[flashCookie] != "" {
		t.Error("it is shown a second time")
	}
}

func TestAttackWordsOfOthersOnOurPages(t *testing.T) {
	p, b := newPortal(t), browser{}
	p.startFlow(b)
	_, flow, _ := strings.Cut(b[b.flows()[0]], ".")
	b.visit(t, func(w http.ResponseWriter, _ *http.Request) { p.AddFlash(w, session.Flash{Text: "ours"}) })
	ours := b[flashCookie]
	for name, value := range map[string]string{
		"plain":               `{"g":true,"t":"Call this number"}`,
		"encoded":             base64.RawURLEncoding.EncodeToString([]byte(`{"g":true,"t":"Call this number"}`)),
		"sealed as something": flow,
		"changed":             ours[:30] + "AAAAAAAA" + ours[38:],
		"cut":                 ours[:len(ours)-4],
		"empty":               "",
		"long":                strings.Repeat("A", 4000),
	} {
		other := browser{flashCookie: value}
		if got, ok := p.takeFlash(other); ok {
			t.Errorf("%s: %+v", name, got)
		}
		if _, left := other[flashCookie]; left {
			t.Errorf("%s: the cookie is left", name)
		}
	}
}
