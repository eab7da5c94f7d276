package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// Limits of downloads: each holds an open set, and texts that are unpacked.
const (
	downloadsOfPerson = 3
	downloadsAtOnce   = 16 // of everybody
)

// downloads counts the files that are being sent. Its zero value is ready.
type downloads struct {
	mu  sync.Mutex
	all int
	of  map[access.PersonID]int
}

var (
	errOwnDownloads = apperr.New(apperr.TooMany, "downloads_own", "You are downloading "+strconv.Itoa(downloadsOfPerson)+" files already.").
			WithNext(apperr.MenderPerson, "Wait until one of them is done, then try again.").WithRetry()
	errAllDownloads = apperr.New(apperr.Unavailable, "downloads_busy", "Too many people are downloading files at the moment.").
			WithNext(apperr.MenderNobody, "Try again in a minute.").WithRetry()
)

// begin takes a place, which done gives back.
func (d *downloads) begin(person access.PersonID) (done func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.of[person] >= downloadsOfPerson:
		return nil, errOwnDownloads
	case d.all >= downloadsAtOnce:
		return nil, errAllDownloads
	case d.of == nil:
		d.of = map[access.PersonID]int{}
	}
	d.all++
	d.of[person]++
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.all--
		if d.of[person]--; d.of[person] == 0 {
			delete(d.of, person)
		}
	}, nil
}

const (
	// downloadPiece is what has to get through within downloadPatience, in bytes:
	// small, so that a slow download is none that is stuck.
	downloadPiece    = 16 << 10
	downloadPatience = 5 * time.Minute
	downloadLimit    = 2 * time.Hour // of a whole file
)

// download sends a file whose length nobody knows before: its head with the
// first bytes, so that an error before them is still a page. As long as bytes
// flow, it may take longer than an ordinary answer.
type download struct {
	w       http.ResponseWriter
	control *http.ResponseController
	kind    string // media type
	name    string // of the file
	began   bool
	ends    time.Time
}

func newDownload(w http.ResponseWriter, kind, name string) *download {
	return &download{w: w, control: http.NewResponseController(w), kind: kind, name: name, ends: time.Now().Add(downloadLimit)}
}

// Write implements io.Writer.
func (d *download) Write(b []byte) (n int, err error) {
	if !d.began {
		d.began = true
		h := d.w.Header()
		h.Set("Content-Type", d.kind)
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
		d.w.WriteHeader(http.StatusOK)
	}
	for n < len(b) && err == nil {
		d.goOn()
		var sent int
		sent, err = d.w.Write(b[n:min(n+downloadPiece, len(b))])
		n += sent
	}
	return n, err
}

// goOn gives the next piece its time.
func (d *download) goOn() {
	until := time.Now().Add(downloadPatience)
	if until.After(d.ends) {
		until = d.ends
	}
	_ = d.control.SetWriteDeadline(until) // without deadlines there is none to put off
}

// end returns the error of a file that has not begun. One that breaks off must
// not look whole: then it breaks the connection.
func (d *download) end(f *frame, r *http.Request, err error) error {
	if err == nil {
		if !d.began { // a file without rows
			_, err = d.Write(nil)
		}
		return err
	}
	if !d.began {
		return err
	}
	f.log.WarnContext(r.Context(), "a download broke off", "file", d.name, "err", err)
	panic(http.ErrAbortHandler)
}

const (
	kindCSV       = "text/csv; charset=utf-8"
	kindJSONLines = "application/jsonl; charset=utf-8"
)

// exportCSV is GET /scans/{id}/results.csv?<list>&bom=: the rows of a list in its
// order; bom=0 leaves out the byte order mark, by which Excel knows UTF-8.
func (s *findings) exportCSV(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	return s.export(w, r, live, kindCSV, ".csv", func(to *download, set *results.Set, q results.Query) error {
		return results.WriteCSV(to, set.Rows(q), r.URL.Query().Get("bom") != "0")
	})
}

// exportJSON is GET /scans/{id}/results.jsonl?<list>.
func (s *findings) exportJSON(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	return s.export(w, r, live, kindJSONLines, ".jsonl", func(to *download, set *results.Set, q results.Query) error {
		return results.WriteJSONLines(to, set.Rows(q))
	})
}

func (s *findings) export(w http.ResponseWriter, r *http.Request, live *session.Session, kind, suffix string, write func(*download, *results.Set, results.Query) error) error {
	done, err := s.downloads.begin(live.User.ID)
	if err != nil {
		return err
	}
	defer done()
	one, set, err := s.setOf(r.Context(), r, live)
	if err != nil {
		return err
	}
	list, err := readList(r.URL.Query())
	if err != nil {
		return err
	}
	names := s.subscriptions.names(r.Context(), live)
	to := newDownload(w, kind, fileName(set.Info(), list, names, one.EndedAt)+suffix)
	return to.end(s.frame, r, write(to, set, list.Query))
}

// fileName tells of which subscription the rows are, of when, and whether all
// are there.
func fileName(info results.Info, list resultList, names map[string]string, at time.Time) string {
	ids := list.Subscription
	if len(ids) == 0 {
		ids = subscriptionsOf(info)
	}
	if at.IsZero() {
		at = info.CreatedAt
	}
	name := "azts-" + whatOf(ids, names) + "-" + fileTime(at)
	if info.State != results.Whole {
		name += "-incomplete"
	}
	return name
}

func subscriptionsOf(info results.Info) (ids []string) {
	for _, sub := range info.Subscriptions {
		ids = append(ids, sub.ID)
	}
	return ids
}

func fileTime(at time.Time) string { return at.UTC().Format("20060102-1504") }

// whatOf names subscriptions in the name of a file.
func whatOf(ids []string, names map[string]string) string {
	what := fmt.Sprintf("%d-subscriptions", len(ids))
	if len(ids) == 1 {
		id := strings.ToLower(ids[0])
		what = cmp.Or(fileWord(names[id]), fileWord(id), "subscription")
	}
	return what
}

// maxFileWord keeps names short enough for every file system.
const maxFileWord = 60

// fileWord returns a name as a part of a file's name: letters, digits and dashes,
// which need no quoting anywhere.
func fileWord(name string) string {
	word := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '-'
	}, name)
	for strings.Contains(word, "--") {
		word = strings.ReplaceAll(word, "--", "-")
	}
	return strings.Trim(word[:min(len(word), maxFileWord)], "-")
}

// exportChoice says what a file of the list would hold.
func (s *findings) exportChoice(info results.Info, list resultList, total int, scanID string, names map[string]string) templates.ExportChoice {
	v := templates.ExportChoice{Text: templates.Count(total, "row") + ", not filtered"}
	if words := list.words(names); words != "" {
		v.Text = templates.Count(total, "row") + ", filtered by " + words
	}
	switch {
	case !info.State.Ended():
		v.Warning = "Results are still coming in. A file of now has those that are there."
	case info.State != results.Whole:
		v.Warning = "Some results of this scan are missing, and so they are in the file."
	}
	address := func(format string, more ...string) string {
		q := list.filters()
		for _, f := range list.order() {
			if f.Name != "size" {
				q.Set(f.Name, f.Value)
			}
		}
		for i := 0; i+1 < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		return templates.ScanExportURL(scanID, format, q.Encode())
	}
	v.ExcelURL, v.PlainURL, v.JSONLines = address("csv"), address("csv", "bom", "0"), address("jsonl")
	return v
}
