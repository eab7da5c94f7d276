package trace

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkTrace: 30 messages of a sign-in with tokens for three APIs, noted and
// redacted. Recording costs what the flow waits for, the trace what the page does.
func BenchmarkTrace(b *testing.B) {
	var flow []Exchange
	for i := range 30 {
		token := func(kind string) string {
			return jwt(fmt.Sprintf(`{"aud":"api-%d","kind":"%s","groups":"%s"}`, i%3, kind, strings.Repeat("9ab2c1d0-", 80)))
		}
		x := Exchange{Step: Step{From: "Portal", To: "Tenant"}, Method: "POST", URL: "https://login.example/7c9e1b42/oauth2/v2.0/token", Status: 200,
			Header: http.Header{"Content-Type": {formType}, "Authorization": {"Bearer " + token("sent")}, "User-Agent": {"portal"}},
			Body:   fmt.Appendf(nil, "grant_type=authorization_code&code=%s%d&client_secret=swordfish-77&redirect_uri=https%%3A%%2F%%2Fportal%%2Fcb", entraCode, i),
			AnswerHeader: http.Header{"Content-Type": {"application/json"}, "X-Ms-Request-Id": {someID},
				"Set-Cookie": {fmt.Sprintf("fpc=cookie-value-%d; path=/; secure", i)}},
			AnswerBody: fmt.Appendf(nil, `{"token_type":"Bearer","access_token":"%s","refresh_token":"%s%d","id_token":"%s","value":[%s]}`, token("access"), entraCode, i, token("id"),
				strings.Repeat(`{"id":"9ab2c1d0","displayName":"A name of somebody","state":"Enabled"},`, 20)+"{}")}
		flow = append(flow, x)
	}
	record := func() *Recorder {
		r := New(Options{Now: clock(), Random: chance()})
		for _, x := range flow {
			r.Add(x)
		}
		return r
	}
	b.Run("record", func(b *testing.B) {
		for b.Loop() {
			record()
		}
	})
	b.Run("redact", func(b *testing.B) {
		r := record()
		for b.Loop() {
			r.Trace()
		}
	})
}
