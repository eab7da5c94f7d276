package handlers

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/a-h/templ"

	"azts.internal/portal/static"
)

const (
	// minGzip is the size from which compressing is worth its time, in bytes.
	minGzip = 1024
	// keptBuffer is the size up to which a buffer is used again: one of a huge page
	// would stay as large for all small ones.
	keptBuffer = 1 << 20
)

var (
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	// A writer holds a megabyte of tables. A sync.Pool would drop them at every
	// other collection; this keeps a few for good.
	zippers = make(chan *gzip.Writer, 2*runtime.GOMAXPROCS(0))
)

func giveBack(b *bytes.Buffer) {
	if b.Cap() <= keptBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

func zipper() *gzip.Writer {
	select {
	case z := <-zippers:
		return z
	default:
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
		return z
	}
}

// render renders a page wholly before it sends the status.
func (f *frame) render(w http.ResponseWriter, r *http.Request, status int, page templ.Component) error {
	b := buffers.Get().(*bytes.Buffer)
	defer giveBack(b)
	if err := page.Render(r.Context(), b); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Encoding")
	if b.Len() >= minGzip && static.AcceptsGzip(r.Header.Values("Accept-Encoding")) {
		return sendGzip(w, status, b.Bytes())
	}
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a browser that left is no failure of ours
	return nil
}

func sendGzip(w http.ResponseWriter, status int, body []byte) error {
	out := buffers.Get().(*bytes.Buffer)
	z := zipper()
	defer func() {
		giveBack(out)
		select {
		case zippers <- z:
		default: // enough are kept
		}
	}()
	z.Reset(out)
	if _, err := z.Write(body); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a browser that left is no failure of ours
	return nil
}

func wantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "application/json")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a browser that left is no failure of ours
}

// redirect answers with 303, after which the browser makes a GET.
func redirect(w http.ResponseWriter, location string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}
