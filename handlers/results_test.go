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

func TestCSVRow(t *testing.T) {
	for _, formula := range []string{"=1+1", "+1", "-1", "@SUM(1,1)", "\t=1", "\r=1"} {
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
	s := &latestResults{portalHost: "portal.azure.com"}
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
