package handlers

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// formulas are what spreadsheets run: by Excel, LibreOffice and Google Sheets,
// or by none but not worth finding out.
var formulas = []string{"=1+1", "=cmd|' /C calc'!A0", `=HYPERLINK("https://evil.example","Click")`, "+1", "-1", "-2+3+cmd|' /C calc'!A0", "@SUM(1,1)",
	"\t=1+1", "\r=1+1", "\n=1+1", "=", "＝1+1", "＋1", "－1", "＠SUM(1)"}

func TestAttackFormulaInACell(t *testing.T) {
	for _, cell := range formulas {
		got := formulaSafe(cell)
		if !strings.HasPrefix(got, "'") || strings.ReplaceAll(got, "'", "") != strings.ReplaceAll(cell, "'", "") {
			t.Errorf("%q is exported as %q", cell, got)
		}
		if again := formulaSafe(got); again != got {
			t.Errorf("%q is exported as %q, and that as %q", cell, got, again)
		}
	}
	for _, cell := range []string{"", "a", "a=b", "1-2", "storage-account", "Größe", "'quoted", "'=1", "/subscriptions/x", " a", "–", "é", "\u00a0",
		"a;b", "a; b=c", ";", "a\nb", `say "hello"; "good-bye"`, "a,=1"} {
		if got := formulaSafe(cell); got != cell {
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
		if got := formulaSafe(cell); got != want {
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
			if err := out.Write(csvRow(&azts.Result{ControlName: "id", ControlDisplayName: "name", ResourceName: before + formula, Justification: before + formula})); err != nil {
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

func TestCSVRow(t *testing.T) {
	for _, formula := range formulas {
		hostile := formula + "\",\"x\"\r\n=2+2"
		row := csvRow(&azts.Result{ControlName: hostile, ControlDisplayName: hostile, Status: hostile, Severity: hostile, ResourceName: hostile,
			ResourceGroupName: hostile, ResourceID: hostile, StatusReason: hostile, Category: hostile, ExceptionWorkflow: hostile,
			Justification: hostile, Description: hostile, Remediation: hostile})
		if len(row) != len(csvHeader) {
			t.Fatalf("%d cells under %d headings", len(row), len(csvHeader))
		}
		var b bytes.Buffer
		out := csv.NewWriter(&b)
		out.UseCRLF = true
		if err := out.WriteAll([][]string{csvHeader, row}); err != nil {
			t.Fatal(err)
		}
		read, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(read) != 2 || len(read[1]) != len(csvHeader) {
			t.Fatalf("%d rows, %v", len(read), err)
		}
		for i, cell := range read[1] {
			if slices.Contains([]string{"Baseline", "Exception expires"}, csvHeader[i]) {
				continue // no text of others
			}
			if !strings.HasPrefix(cell, "'") {
				t.Errorf("%s: %q", csvHeader[i], cell)
			}
		}
	}
}

func TestCSVRowHoldsEachColumn(t *testing.T) {
	row := csvRow(&azts.Result{ControlName: "id", ControlDisplayName: "name", Status: "status", Severity: "severity", ResourceName: "resource",
		ResourceGroupName: "group", ResourceID: "rid", StatusReason: "reason", Category: "category", IsBaseline: true,
		ExceptionWorkflow: "exception", Justification: "why", Description: "text", Remediation: "mend"})
	got := make(map[string]string)
	for i, heading := range csvHeader {
		got[heading] = row[i]
	}
	for heading, want := range map[string]string{"Control": "name", "Control name": "id", "Status": "status", "Severity": "severity", "Resource": "resource",
		"Resource group": "group", "Resource id": "rid", "Reason": "reason", "Category": "category", "Baseline": "true", "Exception": "exception",
		"Exception expires": "", "Justification": "why", "Description": "text", "Remediation": "mend"} {
		if got[heading] != want {
			t.Errorf("%s: %q, want %q", heading, got[heading], want)
		}
	}
}

func TestAttackLinkToTheAzurePortal(t *testing.T) {
	s := &results{portalHost: "portal.azure.com"}
	live := &session.Session{}
	live.User.TenantID = "tenant"
	for id, want := range map[string]string{
		"/subscriptions/a/resourceGroups/b": "https://portal.azure.com/#@tenant/resource/subscriptions/a/resourceGroups/b",
		"":                                  "",
		"javascript:alert(1)":               "",
		"//evil.example":                    "",
		"/subscriptions/a?x=1":              "",
		"/subscriptions/a#x":                "",
		"/subscriptions/a\\b":               "",
		"/subscriptions/a b":                "",
		"/subscriptions/a\nb":               "",
	} {
		if got := s.row(live, &azts.Result{ResourceID: id}).PortalURL; got != want {
			t.Errorf("%q links to %q, want %q", id, got, want)
		}
	}
	live.User.TenantID = ""
	if got := s.row(live, &azts.Result{ResourceID: "/subscriptions/a"}).PortalURL; got != "" {
		t.Errorf("without a tenant it links to %q", got)
	}
}

func TestCut(t *testing.T) {
	rows := make([]int, 2*pageSize+1)
	for i := range rows {
		rows[i] = i
	}
	address := func(page int) string { return strings.Repeat("p", page) }
	for _, tt := range []struct {
		rows, page  int
		first, last int // of the slice, as numbers of the pager
		prev, next  string
	}{
		{0, 1, 1, 0, "", ""},
		{0, 7, 1, 0, "", ""},
		{1, 1, 1, 1, "", ""},
		{pageSize, 1, 1, pageSize, "", ""},
		{pageSize, 2, 1, pageSize, "", ""},
		{pageSize + 1, 1, 1, pageSize, "", "pp"},
		{pageSize + 1, 2, pageSize + 1, pageSize + 1, "p", ""},
		{2*pageSize + 1, 2, pageSize + 1, 2 * pageSize, "p", "ppp"},
		{2*pageSize + 1, 3, 2*pageSize + 1, 2*pageSize + 1, "pp", ""},
		{2*pageSize + 1, 1 << 62, 2*pageSize + 1, 2*pageSize + 1, "pp", ""},
		{2*pageSize + 1, 0, 1, pageSize, "", "pp"},
		{2*pageSize + 1, -1 << 62, 1, pageSize, "", "pp"},
	} {
		got, pager := cut(rows[:tt.rows], tt.page, "rows", address)
		want := templates.Pager{Noun: "rows", From: tt.first, To: tt.last, Total: tt.rows, PrevURL: tt.prev, NextURL: tt.next}
		if pager != want || !slices.Equal(got, rows[tt.first-1:tt.last]) {
			t.Errorf("page %d of %d rows: %d rows, %+v, want %+v", tt.page, tt.rows, len(got), pager, want)
		}
	}
}
