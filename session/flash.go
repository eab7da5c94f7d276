package session

import (
	"encoding/json"
	"net/http"
)

const (
	flashName   = "__Host-flash"
	flashMaxAge = 60 // seconds
)

// Flash is a sentence for the next page this browser opens.
type Flash struct {
	Good bool   `json:"g"`
	Text string `json:"t"`
}

// AddFlash leaves a sentence for the next page. It is sealed: nobody else can
// put words on our pages.
func (s *Store) AddFlash(w http.ResponseWriter, flash Flash) {
	plain, err := json.Marshal(flash)
	if err != nil {
		return // a bool and a string cannot fail
	}
	setFlashCookie(w, s.keys.SealText(plain, flashName), flashMaxAge)
}

// TakeFlash returns the sentence that was left, if there is one, and removes it.
func (s *Store) TakeFlash(w http.ResponseWriter, r *http.Request) (Flash, bool) {
	cookie, err := r.Cookie(flashName)
	if err != nil {
		return Flash{}, false
	}
	setFlashCookie(w, "", -1)
	var flash Flash
	plain, err := s.keys.OpenText(cookie.Value, flashName)
	if err != nil || json.Unmarshal(plain, &flash) != nil {
		return Flash{}, false
	}
	return flash, true
}

func setFlashCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: flashName, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
