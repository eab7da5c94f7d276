package handlers

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"azts.internal/portal/internal/apperr"
)

// answer runs a handler that fails and returns its answer and the log.
func answer(t *testing.T, err error, change func(*http.Request)) (*httptest.ResponseRecorder, *logged) {
	t.Helper()
	f, log := newFrame(t)
	r := httptest.NewRequest(http.MethodGet, "/scans?page=2", nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	f.outer(nil, f.serve(func(http.ResponseWriter, *http.Request) error { return err })).ServeHTTP(w, r)
	return w, log
}

func TestEveryKindOfErrorHasAStatusAndAHeading(t *testing.T) {
	for kind := apperr.Internal; kind.String() != "unknown"; kind++ {
		w, log := answer(t, apperr.New(kind, "the_code", "What happened.").Becausef("secret-cause"), nil)
		if w.Code != statuses[kind] || w.Code < 400 || headings[kind] == "" {
			t.Errorf("%v: status %d, heading %q", kind, w.Code, headings[kind])
		}
		for _, shown := range []string{"What happened.", headings[kind], "the_code"} {
			if !strings.Contains(w.Body.String(), shown) {
				t.Errorf("%v: the page does not say %q", kind, shown)
			}
		}
		if strings.Contains(w.Body.String(), "secret-cause") {
			t.Errorf("%v: the page shows the cause", kind)
		}
		lines := log.lines(t, "request failed")
		if len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0]["err"]), "secret-cause") || lines[0]["kind"] != kind.String() {
			t.Fatalf("%v: log %v", kind, lines)
		}
		if ref := fmt.Sprint(lines[0]["ref"]); !strings.Contains(w.Body.String(), ref) {
			t.Errorf("%v: the page does not show the reference", kind)
		}
		if want := map[bool]string{true: "ERROR", false: "INFO"}[w.Code >= 500]; lines[0]["level"] != want {
			t.Errorf("%v: level %v, want %s", kind, lines[0]["level"], want)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v: the page may be stored", kind)
		}
	}
}

func TestStrangeErrorsShowNothing(t *testing.T) {
	for _, err := range []error{errors.New("pq: password of portal@db"), fmt.Errorf("dial tcp 10.0.0.1: %w", context.DeadlineExceeded),
		errors.Join(errors.New("a"), errors.New("b")), fmt.Errorf("<script>alert(1)</script>")} {
		w, _ := answer(t, err, nil)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), err.Error()) {
			t.Errorf("%v: status %d, or shown", err, w.Code)
		}
	}
}

func TestErrorsInWordsOfOthersAreText(t *testing.T) {
	w, _ := answer(t, apperr.New(apperr.Invalid, "<b>", "<script>alert(1)</script>").WithNext(apperr.MenderPerson, "<img src=x onerror=alert(1)>"), nil)
	for _, markup := range []string{"<script>alert", "<img src=x", "<b>"} {
		if strings.Contains(w.Body.String(), markup) {
			t.Errorf("the page holds %s", markup)
		}
	}
}

func TestErrorsForPrograms(t *testing.T) {
	w, _ := answer(t, errNotFound, func(r *http.Request) { r.Header.Set("Accept", "application/json") })
	var body struct{ Error, Message, Reference string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusNotFound || body.Error != "not_found" || body.Message == "" || len(body.Reference) != 12 {
		t.Errorf("status %d, %+v, %v", w.Code, body, err)
	}
}

func TestWhoLeftIsToldNothing(t *testing.T) {
	w, log := answer(t, fmt.Errorf("query: %w", context.Canceled), func(r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		*r = *r.WithContext(ctx)
	})
	if w.Body.Len() != 0 || len(log.lines(t, "request failed")) != 0 {
		t.Errorf("%d bytes, log %v", w.Body.Len(), log.lines(t, "request failed"))
	}
	// Cancelled by somebody else: the browser is still there.
	if w, _ := answer(t, context.Canceled, nil); w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
}

func TestAButtonOnlyWhereTryingAgainCanHelp(t *testing.T) {
	again := apperr.New(apperr.Unavailable, "down", "Down.").WithRetry()
	if w, _ := answer(t, again, nil); !strings.Contains(w.Body.String(), `href="/scans?page=2"`) {
		t.Error("no button that asks for the same page")
	}
	if w, _ := answer(t, apperr.New(apperr.Forbidden, "no", "No."), nil); strings.Contains(w.Body.String(), "Try again") {
		t.Error("a button that cannot help")
	}
	if w, _ := answer(t, again, func(r *http.Request) { r.Method = http.MethodPost }); strings.Contains(w.Body.String(), "Try again") {
		t.Error("a button that would send the form as a page")
	}
	// A refused sign-in is started again, and goes back to where it was wanted.
	if w, _ := answer(t, &refusal{err: again, returnTo: "/scans"}, nil); !strings.Contains(w.Body.String(), `href="/auth/login?return_to=%2Fscans"`) {
		t.Error("no button that starts the sign-in again")
	}
}

func TestPageThatFailsIsNotHalfSent(t *testing.T) {
	f, _ := newFrame(t)
	broken := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, _ = io.WriteString(w, "half a page")
		return errors.New("broken")
	})
	w := httptest.NewRecorder()
	f.outer(nil, f.serve(func(w http.ResponseWriter, r *http.Request) error { return f.render(w, r, http.StatusOK, broken) })).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "half a page") {
		t.Errorf("status %d: %.100q", w.Code, w.Body)
	}
}

func TestPagesAreCompressedForWhoeverTakesIt(t *testing.T) {
	f, _ := newFrame(t)
	text := strings.Repeat("a page ", 1000)
	page := templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	for _, accept := range []string{"", "br", "gzip, deflate, br"} {
		for range 3 { // buffers and writers are used again
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Encoding", accept)
			w := httptest.NewRecorder()
			if err := f.render(w, r, http.StatusOK, page); err != nil {
				t.Fatal(err)
			}
			if got := w.Header().Get("Content-Length"); got != fmt.Sprint(w.Body.Len()) || w.Header().Get("Vary") != "Accept-Encoding" {
				t.Errorf("%q: length %s of %d, Vary %q", accept, got, w.Body.Len(), w.Header().Get("Vary"))
			}
			body := io.Reader(w.Body)
			if zipped := w.Header().Get("Content-Encoding") == "gzip"; zipped != strings.Contains(accept, "gzip") {
				t.Errorf("%q: compressed %v", accept, zipped)
			} else if zipped {
				var err error
				if body, err = gzip.NewReader(body); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := io.ReadAll(body); err != nil || string(got) != text {
				t.Errorf("%q: another page, %v", accept, err)
			}
		}
	}
}

func TestWrongMethodAndUnknownAddress(t *testing.T) {
	f, _ := newFrame(t)
	mux := http.NewServeMux()
	ok := f.serve(func(http.ResponseWriter, *http.Request) error { return nil })
	mux.Handle("GET /{$}", ok)
	mux.Handle("POST /auth/callback", ok)
	mux.Handle("GET /tokens", ok)
	mux.Handle("POST /tokens", ok)
	mux.Handle("/", f.nothing(mux))
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{http.MethodGet, "/", http.StatusOK, ""},
		{http.MethodHead, "/", http.StatusOK, ""},
		{http.MethodPost, "/", http.StatusMethodNotAllowed, "GET, HEAD"},
		{http.MethodGet, "/auth/callback", http.StatusMethodNotAllowed, "POST"},
		{http.MethodDelete, "/tokens", http.StatusMethodNotAllowed, "GET, POST, HEAD"},
		{http.MethodGet, "/nothing", http.StatusNotFound, ""},
		{http.MethodPost, "/nothing", http.StatusNotFound, ""},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", tt.method, tt.path, w.Code, w.Header().Get("Allow"), tt.status, tt.allow)
		}
	}
}
