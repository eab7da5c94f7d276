package trace

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// hiding puts a secret somewhere in an exchange, by the choices of random.
type hiding struct {
	random *rand.Rand
	secret string
}

func (h hiding) pick(of ...string) string { return of[h.random.IntN(len(of))] }

// encoded is the secret as somebody might repeat it, up to three times encoded.
func (h hiding) encoded() string {
	s := h.secret
	for range h.random.IntN(4) {
		s = h.once(s)
	}
	return s
}

func (h hiding) once(s string) string {
	switch h.random.IntN(8) {
	case 0:
		return url.QueryEscape(s)
	case 1:
		return url.PathEscape(s)
	case 2:
		return html.EscapeString(s)
	case 3:
		b, _ := json.Marshal(s)
		return string(b)
	case 4:
		return base64.StdEncoding.EncodeToString([]byte(s))
	case 5:
		return base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("p", h.random.IntN(4)) + s))
	case 6: // some letters escaped, in one way or another
		var out strings.Builder
		for i := range len(s) {
			if c := s[i]; c < 0x80 && h.random.IntN(2) == 0 {
				fmt.Fprintf(&out, h.pick("%%%02x", `\u%04x`, "&#%d;", "&#x%x;", `\x%02X`), c)
			} else {
				out.WriteByte(c)
			}
		}
		return out.String()
	}
	return s
}

// structural is the secret where a secret belongs: by that it must be learned.
func (h hiding) structural(x *Exchange) {
	quoted, _ := json.Marshal(h.secret)
	name := h.pick("code", "client_secret", "refresh_token", "device_code", "password", "client_assertion", "access_token", "code_verifier", "session_state")
	form := "a=b&" + name + "=" + url.QueryEscape(h.secret) + "&scope=x"
	member := h.pick("client_secret", "refresh_token", "access_token", "device_code", "password", "id_token")
	object := `{"a":1,"` + member + `":` + string(quoted) + `,"b":[true]}`
	switch h.random.IntN(9) {
	case 0:
		x.Header.Set("Content-Type", formType)
		x.Body = []byte(form)
	case 1:
		x.AnswerHeader.Set("Content-Type", "application/json")
		x.AnswerBody = []byte(object)
	case 2:
		nested, _ := json.Marshal(object)
		x.AnswerBody = []byte(`{"inner":` + string(nested) + `}`)
	case 3:
		x.URL += "?" + form
	case 4:
		x.AnswerHeader.Set("Location", "https://portal/cb"+h.pick("?", "#")+form)
	case 5:
		x.AnswerBody = []byte(`<form method="post"><input type="hidden" name="` + name + `" value="` + html.EscapeString(h.secret) + `"/></form>`)
	case 6:
		x.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("client:"+url.QueryEscape(h.secret))))
	case 7:
		x.Header.Set("Cookie", "x=y; session="+url.QueryEscape(h.secret)+"; z=1")
	case 8:
		x.Header["AUTHORIZATION"] = []string{"Bearer " + h.secret}
	}
}

// elsewhere repeats the secret, or two halves of it, anywhere.
func (h hiding) elsewhere(x *Exchange) {
	s := h.encoded()
	half := len(h.secret) / 2
	switch h.random.IntN(7) {
	case 0:
		x.AnswerBody = append(x.AnswerBody, (" repeated: " + s + " end")...)
	case 1:
		x.AnswerHeader.Add("X-Debug", "got "+s)
	case 2:
		x.URL += h.pick("?", "&", "/", "#") + "q=" + url.QueryEscape(s)
	case 3:
		x.Note = "It said " + s
	case 4:
		x.Err = fmt.Errorf("no route for %q", s)
	case 5:
		x.AnswerHeader.Add("WWW-Authenticate", `Bearer error="x", claims="`+base64.StdEncoding.EncodeToString([]byte(`{"t":"`+s+`"}`))+`"`)
	case 6:
		x.Header.Add("X-First", h.secret[:half])
		x.Body = append(x.Body, ("&second=" + h.secret[half:])...)
	}
}

func exchangeOf(kind byte) Exchange {
	return Exchange{Step: Step{From: "Browser", To: "Tenant", Name: fmt.Sprint("message ", kind)}, Method: "POST", URL: "https://login.example/token",
		Header: http.Header{}, Status: 200, AnswerHeader: http.Header{}}
}

// FuzzNoSecretIsStored: wherever a secret stood, in whichever encoding and in
// whatever order, it is in nothing that is stored or exported.
func FuzzNoSecretIsStored(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, uint8(seed%5), []byte{})
	}
	f.Add(uint64(19219), uint8(4), []byte{}) // base64 of base64, and a path that goes on
	f.Add(uint64(1), uint8(0), []byte(`p~8Q/w+R&7"x<z'%41`))
	f.Fuzz(func(t *testing.T, seed uint64, alphabet uint8, given []byte) {
		random := rand.New(rand.NewPCG(seed, 1))
		letters := []string{"ABCDEFGHJKLMNPQRSTUVWXYZ23456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
			"abcdefghijklmnopqrstuvwxyz0123456789+/=", "abcXYZ123~!@#$^*()_{}|:;,.?/<>&'\"+= %\\", "0123456789abcdef"}[alphabet%5]
		secret := make([]byte, 24+random.IntN(80))
		for i := range secret {
			secret[i] = letters[random.IntN(len(letters))]
		}
		for i, c := range given { // bytes that the fuzzer likes, of those that secrets have
			if i < len(secret) && c >= ' ' && c < 0x7f {
				secret[i] = c
			}
		}
		secret[0], secret[len(secret)-1] = 'q', 'q' // no blanks at its ends: those are trimmed
		h := hiding{random, string(secret)}

		r := New(Options{ID: "t", Now: clock(), Random: rand.NewChaCha8([32]byte{byte(seed)}), Parties: nil})
		messages := []Exchange{exchangeOf(0), exchangeOf(1), exchangeOf(2)}
		told := random.IntN(3) == 0
		if !told {
			h.structural(&messages[random.IntN(3)])
		}
		for range 1 + random.IntN(3) {
			h.elsewhere(&messages[random.IntN(3)])
		}
		for _, x := range messages {
			r.Add(x)
		}
		if told {
			r.Secret(Secret, h.secret)
		}
		var stored bytes.Buffer
		tr := r.Trace()
		if err := tr.WriteJSON(&stored); err != nil {
			t.Fatal(err)
		}
		if err := tr.WriteHAR(&stored, "c", "1"); err != nil {
			t.Fatal(err)
		}
		if leaks := Leaks(stored.Bytes(), []string{h.secret}); leaks != nil {
			t.Errorf("%q: %v\nin  %+v\nout %s", h.secret, leaks, messages, stored.Bytes())
		}
		if _, err := ReadJSON(&stored); err != nil {
			t.Error(err)
		}
	})
}
