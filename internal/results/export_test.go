package results_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"iter"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
)

func sequence(rows []results.Row, end error) iter.Seq2[results.Row, error] {
	return func(yield func(results.Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
		if end != nil {
			yield(results.Row{}, end)
		}
	}
}

func TestCSVIsReadBackAsItWas(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rows := unique(append(randomRows(random, 200), generate(300, 1, subA)...))
	rows[0].Description = "two \"quoted\" words; a, comma\r\nand a line"
	for _, bom := range []bool{true, false} {
		var out bytes.Buffer
		if err := results.WriteCSV(&out, sequence(rows, nil), bom); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if strings.HasPrefix(text, "\ufeff") != bom {
			t.Errorf("the byte order mark: %q", text[:3])
		}
		// A line end inside a cell is not changed, but Go's reader reads \r\n as \n.
		records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
		if err != nil || len(records) != len(rows)+1 {
			t.Fatalf("%d records, %v", len(records), err)
		}
		if !reflect.DeepEqual(records[0], []string{"Control", "Control name", "Status", "Severity", "Resource", "Resource group", "Resource id", "Subscription", "Reason",
			"Category", "Baseline", "Exception", "Exception expires", "Justification", "Description", "Remediation"}) {
			t.Errorf("%q", records[0])
		}
		for i := range rows {
			r := &rows[i]
			want := []string{r.ControlDisplayName, r.ControlName, r.Status, r.Severity, r.ResourceName, r.ResourceGroupName, r.ResourceID, r.SubscriptionID, r.StatusReason,
				r.Category, strconv.FormatBool(r.IsBaseline), r.ExceptionWorkflow, r.ExceptionExpiry.Text, r.Justification, r.Description, r.Remediation}
			for j := range want {
				if want[j] = strings.ReplaceAll(results.FormulaSafe(want[j]), "\r\n", "\n"); records[i+1][j] != want[j] {
					t.Errorf("row %d, %s is %q, want %q", i, records[0][j], records[i+1][j], want[j])
				}
			}
		}
		if lines := strings.Count(text, "\r\n"); lines < len(rows)+1 {
			t.Errorf("%d line ends", lines)
		}
	}
}

// formulas are what spreadsheets run: by Excel, LibreOffice and Google Sheets,
// or by none but not worth finding out.
var formulas = []string{"=1+1", "=cmd|' /C calc'!A0", `=HYPERLINK("https://evil.example","Click")`, "+1", "-1", "-2+3+cmd|' /C calc'!A0", "@SUM(1,1)",
	"\t=1+1", "\r=1+1", "\n=1+1", "=", "＝1+1", "＋1", "－1", "＠SUM(1)"}

func TestAttackFormulaInACell(t *testing.T) {
	for _, cell := range formulas {
		got := results.FormulaSafe(cell)
		if !strings.HasPrefix(got, "'") || strings.ReplaceAll(got, "'", "") != strings.ReplaceAll(cell, "'", "") {
			t.Errorf("%q is exported as %q", cell, got)
		}
		if again := results.FormulaSafe(got); again != got {
			t.Errorf("%q is exported as %q, and that as %q", cell, got, again)
		}
	}
	for _, cell := range []string{"", "a", "a=b", "1-2", "storage-account", "Größe", "'quoted", "'=1", "/subscriptions/x", " a", "–", "é", "\u00a0",
		"a;b", "a; b=c", ";", "a\nb", `say "hello"; "good-bye"`, "a,=1"} {
		if got := results.FormulaSafe(cell); got != cell {
			t.Errorf("%q is changed to %q", cell, got)
		}
	}
}

// TestAttackFormulaAfterASemicolon: where Excel's list separator is ";", a cell
// begins after it, whatever our commas and quotes say.
func TestAttackFormulaAfterASemicolon(t *testing.T) {
	for cell, want := range map[string]string{
		"a;=HYPERLINK(1)":  "a;'=HYPERLINK(1)",
		`a;=cmd|'/C'!A0`:   `a;'=cmd|'/C'!A0`,
		"a;b;+1;@c;-d":     "a;b;'+1;'@c;'-d",
		";=1":              ";'=1",
		";;=1":             ";;'=1",
		"a; =1":            "a; '=1",
		`a;"=1"`:           `a;"'=1"`,
		"a;\u00a0＝1":       "a;\u00a0'＝1",
		"a\n=1":            "a\n'=1",
		"a\r\n=1":          "a\r\n'=1",
		"a\t=1":            "a\t'=1",
		" =1":              " '=1",
		`"=1`:              `"'=1`,
		"=1;=2":            "'=1;'=2",
		"\t=1":             "'\t'=1",
		"a;=1\nb;-2;c=d;e": "a;'=1\nb;'-2;c=d;e",
	} {
		if got := results.FormulaSafe(cell); got != want {
			t.Errorf("%q is exported as %q, want %q", cell, got, want)
		}
	}
	// As Excel reads it there: lines end at line ends, cells at semicolons, and
	// quotes count where such a cell begins.
	for _, formula := range formulas {
		for _, before := range []string{"a;", `a";`, "a\n", `x;"`, "a; ", `",";`} {
			var b bytes.Buffer
			out := csv.NewWriter(&b)
			out.UseCRLF = true
			if err := out.Write([]string{"id", results.FormulaSafe(before + formula), results.FormulaSafe(before + formula)}); err != nil {
				t.Fatal(err)
			}
			out.Flush()
			for _, cell := range strings.FieldsFunc(b.String(), func(r rune) bool { return strings.ContainsRune(";\t\r\n", r) }) {
				if first := strings.TrimLeft(cell, " \""); first != "" && strings.ContainsAny(first[:1], "=+-@") {
					t.Errorf("after %q, %q begins a cell with %q", before, formula, cell)
				}
			}
		}
	}
}

func TestCellsCannotBeFormulas(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "plain text": "plain text", "/subscriptions/x": "/subscriptions/x", "a=b": "a=b", "1-2": "1-2", "ein Gedanke - und noch einer": "ein Gedanke - und noch einer",
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t'=1", "\r=1": "'\r'=1", "\n": "'\n",
		" =1": " '=1", "\u00a0=1": "\u00a0'=1", "\"=1": "\"'=1", "＝1": "'＝1", "＠x": "'＠x",
		"a;=1": "a;'=1", "a\t+1": "a\t'+1", "a\n-1\n@x": "a\n'-1\n'@x", "x; y": "x; y", ";\"=1": ";\"'=1",
	} {
		if got := results.FormulaSafe(cell); got != want {
			t.Errorf("%q is written %q, want %q", cell, got, want)
		}
	}
}

// cellsOf cuts a line as a spreadsheet might that takes separator for its own.
func cellsOf(text, separator string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(separator+"\r\n", r) })
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"=1", "a;=1", " \"=1", "x\t@y", "plain", "\r\n+1", ",=1", "é;\u00a0＝"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		rows := []results.Row{{Result: azts.Result{ControlDisplayName: a, Description: b}}, {Result: azts.Result{ControlName: b, Description: b}}}
		var out bytes.Buffer
		if err := results.WriteCSV(&out, sequence(rows, nil), false); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(records) != 3 || len(records[1]) != 16 {
			t.Fatalf("%q, %q: %v, %v", a, b, records, err)
		}
		if records[2][14] != records[1][14] {
			t.Errorf("%q is written %q at first and then %q", b, records[1][14], records[2][14])
		}
		for _, record := range records[1:] {
			for _, cell := range record {
				for _, part := range append(cellsOf(cell, ";\t"), cell) {
					first, _ := utf8.DecodeRuneInString(strings.TrimLeft(part, " \u00a0\""))
					if strings.ContainsRune("=+-@＝＋－＠", first) {
						t.Errorf("%q, %q: the cell %q begins a formula", a, b, cell)
					}
				}
			}
		}
	})
}

// TestFormulasAreFoundLikeByTheReference holds the search for formulas to the same
// rule, said letter by letter.
func TestFormulasAreFoundLikeByTheReference(t *testing.T) {
	reference := func(cell string) string {
		var out strings.Builder
		begins := true
		for i, c := range cell {
			if i == 0 && strings.ContainsRune("\t\r\n", c) || begins && strings.ContainsRune("=+-@＝＋－＠", c) {
				out.WriteByte('\'')
			}
			begins = strings.ContainsRune(";\t\r\n", c) || begins && strings.ContainsRune(" \u00a0\"", c)
			out.WriteRune(c)
		}
		return out.String()
	}
	random, letters := rand.New(rand.NewPCG(3, 4)), []rune("ab=+-@＝＠;;\t\r\n \u00a0\"é,'")
	for range 200_000 {
		cell := make([]rune, random.IntN(12))
		for i := range cell {
			cell[i] = letters[random.IntN(len(letters))]
		}
		if got, want := results.FormulaSafe(string(cell)), reference(string(cell)); got != want {
			t.Fatalf("%q became %q, want %q", string(cell), got, want)
		}
	}
}

// TestNoCellIsLongerThanExcelTakes: with the apostrophes of its guard, too.
func TestNoCellIsLongerThanExcelTakes(t *testing.T) {
	for name, text := range map[string]string{"letters": strings.Repeat("x", 40_000), "apostrophes": strings.Repeat(";=", azts.TextLimit/2),
		"pairs": strings.Repeat("😀", 20_000), "wide": strings.Repeat("ü", 31_000), "most": strings.Repeat("x", 32_000)} {
		var out bytes.Buffer
		if err := results.WriteCSV(&out, func(yield func(results.Row, error) bool) {
			yield(results.Row{Result: azts.Result{StatusReason: text}}, nil)
		}, false); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		cell, whole := records[1][8], results.FormulaSafe(text)
		cut := strings.HasSuffix(cell, "… (cut: a spreadsheet takes no more)")
		if n := len(utf16.Encode([]rune(cell))); n > 32_000 || cut != (len(utf16.Encode([]rune(whole))) > 32_000) || cut && n < 31_900 || !cut && cell != whole || !utf8.ValidString(cell) {
			t.Errorf("%s: the cell has %d units, cut %v", name, n, cut)
		}
	}
}

func TestJSONLinesHaveARowEach(t *testing.T) {
	rows := unique(append(randomRows(rand.New(rand.NewPCG(5, 5)), 100), generate(50, 1, subA)...))
	rows[0].StatusReason = "<b>two\nlines</b> & \u2028"
	var out bytes.Buffer
	if err := results.WriteJSONLines(&out, sequence(rows, nil)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), `\u003c`) {
		t.Error("characters are hidden that JSON does not hide")
	}
	lines := bufio.NewScanner(&out)
	for i := range rows {
		if !lines.Scan() {
			t.Fatalf("%d lines", i)
		}
		var got map[string]any
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		r := &rows[i]
		for name, want := range map[string]any{"ControlName": r.ControlName, "Status": r.Status, "StatusReason": r.StatusReason, "ResourceID": r.ResourceID, "SubscriptionId": r.SubscriptionID,
			"IsBaseline": r.IsBaseline, "ExceptionExpiryDate": r.ExceptionExpiry.Text, "ExceptionWorkFlowStatus": r.ExceptionWorkflow, "Remediation": r.Remediation} {
			if got[name] != want {
				t.Errorf("row %d, %s is %v, want %v", i, name, got[name], want)
			}
		}
		if len(got) != 17 {
			t.Errorf("%d fields", len(got))
		}
	}
	if lines.Scan() {
		t.Errorf("one more: %s", lines.Text())
	}
}

// gone is a reader that has left after some bytes.
type gone struct{ left int }

var errGone = errors.New("the browser left")

func (g *gone) Write(p []byte) (int, error) {
	if g.left -= len(p); g.left < 0 {
		return 0, errGone
	}
	return len(p), nil
}

func TestABrokenExportIsAnError(t *testing.T) {
	broken := errors.New("segment 3")
	rows := unique(generate(2000, 1, subA))
	for name, write := range map[string]func(*gone, iter.Seq2[results.Row, error]) error{
		"CSV":        func(w *gone, r iter.Seq2[results.Row, error]) error { return results.WriteCSV(w, r, true) },
		"JSON Lines": func(w *gone, r iter.Seq2[results.Row, error]) error { return results.WriteJSONLines(w, r) },
	} {
		if err := write(&gone{1 << 30}, sequence(rows, broken)); !errors.Is(err, broken) {
			t.Errorf("%s: rows that end with an error: %v", name, err)
		}
		if err := write(&gone{1 << 30}, sequence(rows, nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, after := range []int{0, 200_000} {
			read := 0
			counted := func(yield func(results.Row, error) bool) {
				for _, row := range rows {
					if read++; !yield(row, nil) {
						return
					}
				}
			}
			if err := write(&gone{after}, counted); !errors.Is(err, errGone) {
				t.Errorf("%s: a reader that left: %v", name, err)
			}
			if read == len(rows) {
				t.Errorf("%s: all rows are written to nobody", name)
			}
		}
	}
}
