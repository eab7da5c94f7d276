package azhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"azts.internal/portal/internal/apperr"
)

// collect follows a list to where it ends.
func collect(f *fixture, maxPages int) (all []int, err error) {
	first := Request{Method: "GET", Path: "/list", Header: http.Header{"Consistencylevel": {"eventual"}}, Repeat: Repeatable}
	for page, e := range Pages[int](context.Background(), f.Client, f.tokens, first, maxPages) {
		if e != nil {
			return all, e
		}
		all = append(all, page...)
	}
	return all, nil
}

func TestPagesFollowsBothKindsOfLinks(t *testing.T) {
	f := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("ConsistencyLevel") != "eventual" || r.Header.Get("Authorization") == "" {
			t.Errorf("headers of page %d: %v", n, r.Header)
		}
		if n > 1 && r.URL.Query().Get("p") != fmt.Sprint(n) {
			t.Errorf("page %d asked with %v", n, r.URL)
		}
		link := map[int]string{1: "nextLink", 2: "@odata.nextLink", 3: "none"}[n]
		body := map[int]string{1: "1,2", 2: "", 3: "3"}[n]
		fmt.Fprintf(w, `{"value":[%s],%q:"HTTP://%s/other?p=%d"}`, body, link, r.Host, n+1)
	})
	all, err := collect(f, 10)
	if err != nil || !reflect.DeepEqual(all, []int{1, 2, 3}) {
		t.Errorf("pages = %v, %v", all, err)
	}
}

func TestPagesNeverSendsTheTokenElsewhere(t *testing.T) {
	for _, link := range []string{"https://evil.example/x", "http://127.0.0.1:1/x", "//evil.example/x", "/relative", "http://user@HOST/x",
		"https://HOST/x", "javascript:alert(1)", "http://HOST.evil.example/", "http:HOST", "http://HOST\\@evil.example/", "\x00"} {
		f := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"value":[1],"nextLink":%s}`, quote(strings.ReplaceAll(link, "HOST", r.Host)))
		})
		all, err := collect(f, 10)
		if len(all) != 1 || f.count() != 1 || !apperr.IsKind(err, apperr.BadGateway) {
			t.Errorf("%q: %v, %d calls, %v", link, all, f.count(), err)
		}
	}
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\x00", `\u0000`).Replace(s) + `"`
}

func TestPagesEndsLoopsAndEndlessLists(t *testing.T) {
	f := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"value":[%d],"nextLink":"http://%s/x?p=%d#f%d"}`, n, r.Host, n%2, n)
	})
	_, err := collect(f, 100)
	if want(t, err, apperr.BadGateway, "pages_refused"); !errors.Is(err, ErrPageLoop) || f.count() != 3 {
		t.Errorf("%d calls, %v", f.count(), err)
	}
	f = serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"value":[%d],"nextLink":"http://%s/x?p=%d"}`, n, r.Host, n)
	})
	all, err := collect(f, 5)
	if want(t, err, apperr.BadGateway, "pages_refused"); !errors.Is(err, ErrTooManyPages) || len(all) != 5 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestPagesStopsWhenTheReaderDoes(t *testing.T) {
	f := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"value":[%d],"nextLink":"http://%s/x?p=%d"}`, n, r.Host, n)
	})
	for range Pages[int](context.Background(), f.Client, f.tokens, Request{Method: "GET", Path: "/l", Repeat: Repeatable}, 9) {
		break
	}
	if f.count() != 1 {
		t.Errorf("%d calls", f.count())
	}
}

func TestPagesReportsAnErrorInTheMiddle(t *testing.T) {
	f := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 2 {
			w.WriteHeader(403)
			return
		}
		fmt.Fprintf(w, `{"value":[%d],"nextLink":"http://%s/x?p=%d"}`, n, r.Host, n)
	})
	all, err := collect(f, 9)
	if want(t, err, apperr.Forbidden, "access_denied"); len(all) != 1 {
		t.Errorf("pages before the error: %v", all)
	}
}

// TestPagesKnowsAnErrorFromAnEmptyList: what is no list is none, whatever its status.
func TestPagesKnowsAnErrorFromAnEmptyList(t *testing.T) {
	for body, whole := range map[string]bool{`{"value":[]}`: true, `{"value":[],"error":null}`: true, `{}`: false, `{"value":null}`: false,
		`{"error":{"code":"x"}}`: false, `{"value":[1],"error":{"code":"x"}}`: false} {
		f := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		if all, err := collect(f, 10); (err == nil) != whole || !whole && !errors.Is(err, ErrNoList) || len(all) != 0 {
			t.Errorf("%s: %v, %v", body, all, err)
		}
	}
}
