// Package static owns the files that browsers keep: style sheet, modules, pictures.
//
// They are embedded in the binary and served under addresses that hold a hash
// of the whole set, so a browser may keep them for ever and modules import
// each other by relative paths. Nothing here depends on the person who asks.
// The invariant its users rely on: an address from [URL] names the same bytes
// on every replica that runs the same build.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// FS holds the files as they are written, for example "js/portal.js".
//
//go:embed css/*.css js/*.js img/*.svg
var FS embed.FS

// sheet is the one style sheet that pages load; it is written in parts, by area.
const sheet = "css/portal.css"

// sheetParts are the parts in their order: of two rules of the same weight the
// later one wins.
var sheetParts = []string{"base", "frame", "parts", "tables", "landing", "tokens", "access", "narrow", "admin", "scans", "flows"}

// prefix is where [Handler] expects to be mounted.
const prefix = "/static/"

// hashLen is the length of the hash in an address: 64 bits, in hex. It has to
// tell builds apart, not to resist an attacker.
const hashLen = 16

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// file is one embedded file, compressed once at its first use.
type file struct {
	contentType string
	plain       []byte
	once        sync.Once
	gzipped     []byte
}

// compressed returns the gzip form.
func (f *file) compressed() []byte {
	f.once.Do(func() {
		var b bytes.Buffer
		// Neither call fails: the level is valid and a bytes.Buffer takes all.
		zw, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		_, _ = zw.Write(f.plain)
		_ = zw.Close()
		f.gzipped = b.Bytes()
	})
	return f.gzipped
}

var files, setHash = load(FS, sheetParts)

// load reads every file, joins the parts of the style sheet, and hashes names and
// contents in the order of names.
func load(fsys fs.FS, parts []string) (map[string]*file, string) {
	found := map[string]*file{}
	sum := sha256.New()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		contentType := contentTypes[path.Ext(name)]
		if contentType == "" {
			return fmt.Errorf("no content type for %s", name)
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		_, _ = io.WriteString(sum, name+"\x00"+strconv.Itoa(len(b))+"\x00")
		_, _ = sum.Write(b)
		found[name] = &file{contentType: contentType, plain: b}
		return nil
	})
	if err == nil {
		err = joinSheet(found, parts)
	}
	if err != nil {
		panic("static: " + err.Error()) // a build with a broken file set cannot serve a page
	}
	return found, hex.EncodeToString(sum.Sum(nil))[:hashLen]
}

// joinSheet puts the style sheet in the place of its parts.
func joinSheet(found map[string]*file, parts []string) error {
	var whole []byte
	for _, part := range parts {
		name := "css/" + part + ".css"
		if found[name] == nil {
			return fmt.Errorf("no file %s", name)
		}
		whole = append(whole, found[name].plain...)
		delete(found, name)
	}
	for name := range found {
		if path.Ext(name) == ".css" {
			return fmt.Errorf("%s is no part of the style sheet", name)
		}
	}
	found[sheet] = &file{contentType: contentTypes[".css"], plain: whole}
	return nil
}

// URL returns the address of a file, for example /static/1f…/css/portal.css.
// It panics on an unknown name: call it once, into a package variable.
func URL(name string) string {
	if files[name] == nil {
		panic("static: no file " + name)
	}
	return prefix + setHash + "/" + name
}

// Handler serves the addresses that [URL] returns; it expects the whole path,
// "/static/" included.
//
// An address with the hash of another build is answered with today's file and
// no permission to keep it: while replicas are replaced, a page of one build
// asks another for its style sheet, and a page without style is worse.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	hash, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, prefix), "/")
	f := files[name]
	if f == nil || len(hash) != hashLen {
		h.Set("Cache-Control", "no-store")
		http.Error(w, "No such file", http.StatusNotFound)
		return
	}
	if hash == setHash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Type", f.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if AcceptsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = f.compressed()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // a browser that left is no failure of ours
}

// AcceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3): gzip or *, unless its
// weight is zero. A named gzip outranks *.
func AcceptsGzip(values []string) bool {
	star := false
	for coding := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, params, _ := strings.Cut(coding, ";")
		weight, found := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		allowed := !found || err == nil && q > 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			return allowed
		case "*":
			star = allowed
		}
	}
	return star
}
