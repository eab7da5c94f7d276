package results

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// csvHeader names the columns of WriteCSV.
const csvHeader = "Control,Control name,Status,Severity,Resource,Resource group,Resource id,Subscription,Reason,Category," +
	"Baseline,Exception,Exception expires,Justification,Description,Remediation\r\n"

// repeated is the first of the columns that come again with each result of their
// control: its description and remediation.
const repeated = 14

const exportBuffer = 64 << 10

// WriteCSV writes rows as RFC 4180 has it, in UTF-8, with a byte order mark if bom
// is set, by which Excel knows it. What a spreadsheet would take for a formula
// gets an apostrophe in front, see [FormulaSafe]; what is longer than Excel takes
// is cut, and says so. Line ends inside cells stay as
// they are.
//
// After an error, of rows or of w, what was written is not whole: whoever sends
// it must not let it look so.
func WriteCSV(w io.Writer, rows iter.Seq2[Row, error], bom bool) error {
	out := bufio.NewWriterSize(w, exportBuffer)
	if bom {
		out.WriteString("\ufeff") // an error of a bufio.Writer stays until Flush
	}
	out.WriteString(csvHeader)
	cells := memory{}
	var line []byte
	for row, err := range rows {
		if err != nil {
			return fmt.Errorf("results: export: %w", err)
		}
		line = line[:0]
		for i, cell := range [...]string{row.ControlDisplayName, row.ControlName, row.Status, row.Severity, row.ResourceName, row.ResourceGroupName,
			row.ResourceID, row.SubscriptionID, row.StatusReason, row.Category, strconv.FormatBool(row.IsBaseline), row.ExceptionWorkflow,
			row.ExceptionExpiry.Text, row.Justification, row.Description, row.Remediation} {
			if i > 0 {
				line = append(line, ',')
			}
			if i >= repeated {
				line = cells.append(line, cell)
			} else {
				line = appendCell(line, cell)
			}
		}
		line = append(line, '\r', '\n')
		if _, err := out.Write(line); err != nil {
			return fmt.Errorf("results: export: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("results: export: %w", err)
	}
	return nil
}

// memory remembers how long cells are written that come again.
type memory struct {
	cells map[string]string
	bytes int
}

const (
	rememberFrom = 48      // bytes of a cell; shorter ones are written as quickly
	maxMemory    = 4 << 20 // bytes; then it begins anew
)

func (m *memory) append(line []byte, cell string) []byte {
	if len(cell) < rememberFrom {
		return appendCell(line, cell)
	}
	if known, found := m.cells[cell]; found {
		return append(line, known...)
	}
	start := len(line)
	line = appendCell(line, cell)
	if m.bytes += 2*len(cell) + 64; m.bytes > maxMemory || m.cells == nil {
		m.cells, m.bytes = map[string]string{}, 2*len(cell)
	}
	m.cells[cell] = string(line[start:])
	return line
}

const (
	// maxCell is how long a cell gets, in UTF-16 units: Excel takes 32,767, and
	// puts what is beyond into other cells.
	maxCell = 32_000
	cutMark = "… (cut: a spreadsheet takes no more)"
)

// fitting cuts a cell that is longer than a spreadsheet takes, and says so in it.
func fitting(cell string) string {
	if len(cell) <= maxCell {
		return cell
	}
	units, cut := 0, 0 // cut is where the mark would fit
	for i, c := range cell {
		if units <= maxCell-len(cutMark) {
			cut = i
		}
		if units += utf16.RuneLen(c); units > maxCell {
			return cell[:cut] + cutMark
		}
	}
	return cell
}

func appendCell(line []byte, cell string) []byte {
	cell = fitting(FormulaSafe(cell))
	if !quoted(cell) {
		return append(line, cell...)
	}
	line = append(line, '"')
	for {
		i := strings.IndexByte(cell, '"')
		if i < 0 {
			break
		}
		line = append(append(line, cell[:i+1]...), '"')
		cell = cell[i+1:]
	}
	return append(append(line, cell...), '"')
}

// quoted reports whether a cell needs quotes: also for the sake of readers that
// cut at semicolons, or take away blanks.
func quoted(cell string) bool {
	if cell == "" {
		return false
	}
	return strings.ContainsAny(cell, "\",;\t\r\n") || cell[0] == ' ' || cell[len(cell)-1] == ' '
}

// formulaSigns are what spreadsheets take for the start of a formula. Those of
// some languages read the wide signs like the narrow.
const formulaSigns = "=+-@＝＋－＠"

const (
	cuts   = ";\t\r\n"          // after them a cell may begin
	begins = cuts + " \u00a0\"" // they may stand before a formula
)

// FormulaSafe puts an apostrophe before whatever a spreadsheet would take for a
// formula: whoever names a resource could otherwise run one on the reader's
// machine.
//
// A formula begins with the cell, or inside it after a semicolon, a tab or a
// line end: where Excel's list separator is ";", as in most of Europe, it cuts
// our lines there and not at our commas, and knows our quotes only where one of
// its own cells begins. Blanks and quotes may stand before the sign.
func FormulaSafe(cell string) string {
	if plain(cell) {
		return cell
	}
	var out strings.Builder
	kept := 0 // bytes of cell that were copied
	guard := func(at int) {
		out.WriteString(cell[kept:at])
		out.WriteByte('\'')
		kept = at
	}
	if first, _ := utf8.DecodeRuneInString(cell); strings.ContainsRune("\t\r\n", first) {
		guard(0)
	}
	for begin := 0; ; { // a cell may begin here
		sign := begin + len(cell[begin:]) - len(strings.TrimLeft(cell[begin:], begins))
		if c, _ := utf8.DecodeRuneInString(cell[sign:]); sign < len(cell) && strings.ContainsRune(formulaSigns, c) {
			guard(sign)
		}
		next := strings.IndexAny(cell[sign:], cuts)
		if next < 0 {
			break
		}
		begin = sign + next + 1
	}
	if out.Len() == 0 {
		return cell
	}
	out.WriteString(cell[kept:])
	return out.String()
}

// plain reports quickly that no formula begins in most cells: they begin with a
// letter, a digit or a slash, and no cell can begin inside.
func plain(cell string) bool {
	if cell == "" {
		return true
	}
	c := cell[0]
	if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '/') {
		return false
	}
	return !strings.ContainsAny(cell, cuts)
}

// line is a row as WriteJSONLines has it, named as AzTS does.
type line struct {
	SubscriptionID          string `json:"SubscriptionId"`
	ControlName             string
	ControlDisplayName      string
	Status                  string
	Severity                string
	Category                string
	IsBaseline              bool
	ResourceName            string
	ResourceGroupName       string
	ResourceID              string
	StatusReason            string
	Justification           string
	ExceptionExpiryDate     string
	ExceptionWorkFlowStatus string
	OrgTenantID             string `json:"OrgTenantId"`
	Description             string
	Remediation             string
}

// WriteJSONLines writes each row as one line of JSON in UTF-8, with the names of
// azts.md and texts as they came. Errors are as with WriteCSV.
func WriteJSONLines(w io.Writer, rows iter.Seq2[Row, error]) error {
	out := bufio.NewWriterSize(w, exportBuffer)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for row, err := range rows {
		if err != nil {
			return fmt.Errorf("results: export: %w", err)
		}
		err := encoder.Encode(line{row.SubscriptionID, row.ControlName, row.ControlDisplayName, row.Status, row.Severity, row.Category, row.IsBaseline,
			row.ResourceName, row.ResourceGroupName, row.ResourceID, row.StatusReason, row.Justification, row.ExceptionExpiry.Text, row.ExceptionWorkflow,
			row.OrganizationTenant, row.Description, row.Remediation})
		if err != nil {
			return fmt.Errorf("results: export: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("results: export: %w", err)
	}
	return nil
}
