package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, method, target, accept string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryFileIsServedForEver(t *testing.T) {
	for name, f := range files {
		res := get(t, http.MethodGet, URL(name), "")
		if res.StatusCode != http.StatusOK || !bytes.Equal(body(t, res), f.plain) {
			t.Errorf("%s: status %d, or other bytes than the file's", name, res.StatusCode)
		}
		for header, want := range map[string]string{
			"Cache-Control":          "public, max-age=31536000, immutable",
			"X-Content-Type-Options": "nosniff",
			"Vary":                   "Accept-Encoding",
			"Content-Encoding":       "",
			"Content-Type":           contentTypes[path.Ext(name)],
		} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
}

func TestGzipIsTheSameFile(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 { // the first use compresses: it must happen once
		wg.Go(func() {
			res := get(t, http.MethodGet, URL("css/portal.css"), "br, gzip")
			if got := res.Header.Get("Content-Encoding"); got != "gzip" {
				t.Errorf("Content-Encoding is %q", got)
				return
			}
			zr, err := gzip.NewReader(res.Body)
			if err != nil {
				t.Error(err)
				return
			}
			plain, err := io.ReadAll(zr)
			if err != nil || !bytes.Equal(plain, files["css/portal.css"].plain) {
				t.Errorf("unpacked bytes differ (error %v)", err)
			}
		})
	}
	wg.Wait()
}

func TestAcceptEncoding(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "deflate, gzip;q=0.5": true, "*": true, "br": false,
		"gzip;q=0": false, "gzip; q=0.000": false, "*, gzip;q=0": false, "*;q=0": false, "gzip;q=x": false, "identity": false,
	} {
		if got := AcceptsGzip([]string{accept}); got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
		}
	}
	if !AcceptsGzip([]string{"br", "gzip"}) {
		t.Error("the second header line was not read")
	}
}

func TestAnotherBuildsAddressIsNotKept(t *testing.T) {
	res := get(t, http.MethodGet, "/static/0000000000000000/css/portal.css", "")
	if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, Cache-Control %q", res.StatusCode, res.Header.Get("Cache-Control"))
	}
}

func TestRefusals(t *testing.T) {
	for target, want := range map[string]int{
		"/static/" + setHash + "/nothing.css":           http.StatusNotFound,
		"/static/" + setHash + "/css/":                  http.StatusNotFound,
		"/static/" + setHash + "/../static.go":          http.StatusNotFound,
		"/static/" + setHash + "/css/%2e%2e/portal.css": http.StatusNotFound,
		"/static/css/portal.css":                        http.StatusNotFound,
		"/static/":                                      http.StatusNotFound,
	} {
		if res := get(t, http.MethodGet, target, ""); res.StatusCode != want || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, Cache-Control %q", target, res.StatusCode, res.Header.Get("Cache-Control"))
		}
	}
	res := get(t, http.MethodPost, URL("css/portal.css"), "")
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
}

func TestURLOfAnUnknownFilePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic: a page would point nowhere")
		}
	}()
	URL("css/missing.css")
}

// TestHashFollowsContent is about caches: an address kept for ever must change
// with any byte of any file, since modules import each other inside the set.
func TestHashFollowsContent(t *testing.T) {
	hash := func(css, js string) string {
		_, h := load(fstest.MapFS{"css/a.css": {Data: []byte(css)}, "js/b.js": {Data: []byte(js)}}, []string{"a"})
		return h
	}
	first := hash("one", "two")
	if first == hash("one", "2") || first == hash("on", "etwo") {
		t.Error("two sets share a hash")
	}
	if first != hash("one", "two") {
		t.Error("the hash is not stable")
	}
}

var importPath = regexp.MustCompile(`(?m)^import .*?'([^']+)';$`)

func TestModulesImportEachOther(t *testing.T) {
	seen := 0
	for name, f := range files {
		if path.Ext(name) != ".js" {
			continue
		}
		for _, m := range importPath.FindAllSubmatch(f.plain, -1) {
			seen++
			if target := path.Join(path.Dir(name), string(m[1])); !strings.HasPrefix(string(m[1]), "./") || files[target] == nil {
				t.Errorf("%s imports %s, which is not in the set", name, m[1])
			}
		}
	}
	if seen == 0 {
		t.Error("no import found: the test reads the modules wrongly")
	}
}

// TestNothingFromElsewhere keeps the files free of other hosts and of what the
// content security policy refuses.
func TestNothingFromElsewhere(t *testing.T) {
	for name, f := range files {
		text := strings.ReplaceAll(string(f.plain), "http://www.w3.org/2000/svg", "")
		for _, word := range []string{"http:", "https:", "@import", "eval(", "innerHTML", "insertAdjacentHTML", "document.write"} {
			if strings.Contains(text, word) {
				t.Errorf("%s holds %q", name, word)
			}
		}
	}
}

// maxWeight is what each kind of file may weigh on a first page, in bytes, compressed.
const maxWeight = 15 << 10

// TestWeight keeps the promise of the first page, and the same for what a page
// loads besides: a module that another one asks for by import().
func TestWeight(t *testing.T) {
	style := 0
	for name, f := range files {
		if path.Ext(name) == ".css" {
			style += len(f.compressed())
		}
	}
	first := modules("js/portal.js")
	maps.Copy(first, modules("js/scan.js")) // with each page, of who wants to be told of a scan's end
	besides := modules("js/inspect.js")
	maps.Copy(besides, modules("js/schedule.js"))
	maps.DeleteFunc(besides, func(name string, _ int) bool { return first[name] > 0 })
	for kind, weight := range map[string]int{"style": style, "every page's scripts": total(first), "the scripts of single pages": total(besides)} {
		t.Logf("%s: %d bytes compressed", kind, weight)
		if weight == 0 || weight > maxWeight {
			t.Errorf("%s: %d bytes compressed, at most %d are allowed", kind, weight, maxWeight)
		}
	}
	if len(first)+len(besides) != 9 {
		t.Errorf("%v and %v are weighed: is a script missing?", first, besides)
	}
}

// modules returns the weight of a module and of those that it imports, compressed.
func modules(name string) map[string]int {
	found := map[string]int{}
	for open := []string{name}; len(open) > 0; open = open[1:] {
		f := files[open[0]]
		if f == nil || found[open[0]] > 0 {
			continue
		}
		found[open[0]] = len(f.compressed())
		for _, m := range importPath.FindAllSubmatch(f.plain, -1) {
			open = append(open, path.Join(path.Dir(open[0]), string(m[1])))
		}
	}
	return found
}

func total(weights map[string]int) int {
	sum := 0
	for _, n := range weights {
		sum += n
	}
	return sum
}

func TestEveryFileIsKnown(t *testing.T) {
	n := 0
	err := fs.WalkDir(FS, ".", func(name string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil || n-len(sheetParts)+1 != len(files) { // the parts are served as one sheet
		t.Errorf("%d files embedded, of which %d are parts of the style sheet, %d served, error %v", n, len(sheetParts), len(files), err)
	}
}
