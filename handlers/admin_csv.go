package handlers

import (
	"encoding/csv"
	"errors"
	"net/http"
	"time"

	"azts.internal/portal/internal/results"
)

// csvFile writes a file of rows to a browser: UTF-8 with a byte order mark, by
// which Excel knows it, and no cell that a spreadsheet takes for a formula.
type csvFile struct {
	out     *csv.Writer
	control *http.ResponseController
	failed  error
	cells   []string
}

func newCSV(w http.ResponseWriter, name string) *csvFile {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	f := &csvFile{out: csv.NewWriter(w), control: http.NewResponseController(w)}
	f.out.UseCRLF = true
	_, f.failed = w.Write([]byte("\ufeff"))
	return f
}

func (f *csvFile) row(cells []string) {
	if f.failed != nil {
		return
	}
	f.cells = f.cells[:0]
	for _, cell := range cells {
		f.cells = append(f.cells, results.FormulaSafe(cell))
	}
	f.failed = f.out.Write(f.cells)
}

// flush sends what is written. As long as that goes on, the file may take longer
// than an ordinary page.
func (f *csvFile) flush() {
	f.out.Flush()
	if f.failed == nil {
		f.failed = f.out.Error()
	}
	if err := f.control.SetWriteDeadline(time.Now().Add(time.Minute)); f.failed == nil && !errors.Is(err, http.ErrNotSupported) {
		f.failed = err
	}
}

func (f *csvFile) err() error { return f.failed }
