package handlers

import (
	"encoding/csv"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"azts.internal/portal/internal/consent"
	"azts.internal/portal/templates"
)

func TestConsentQueriesComeBack(t *testing.T) {
	const id = "5d1e7c30-0b94-4a6f-9c28-71f3e08a4d15"
	full := templates.ConsentQuery{Text: "a & b", Kind: "role", For: "person", Risk: "unused", Client: id, Resource: id, Sort: "since", Desc: true, Page: 3}
	for _, want := range []templates.ConsentQuery{{Page: 1}, {Text: "ü", Page: 2}, full} {
		u, err := url.Parse(want.URL())
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := consentQuery(u.Query()); got != want {
			t.Errorf("%s comes back as %+v", want.URL(), got)
		}
	}
	// What nobody can have chosen is no filter, and nothing of it stays in an address.
	hostile := url.Values{"q": {strings.Repeat("x", 5000)}, "kind": {"<b>"}, "for": {"all"}, "risk": {"none"}, "client": {"'; --"}, "api": {"x"}, "sort": {"id desc"}, "order": {"up"}, "page": {"-9"}}
	got, wanted := consentQuery(hostile)
	if len(got.Text) != maxSearch || got != (templates.ConsentQuery{Text: got.Text, Page: 1}) || wanted.Risk != 0 || wanted.Kind != "" || wanted.Sort != "" {
		t.Errorf("%+v, %+v", got, wanted)
	}
}

func TestFingerprintsTellStatesApart(t *testing.T) {
	same := fingerprint([]string{"a", "b"})
	if fingerprint([]string{"b", "a"}) != same {
		t.Error("the order of scopes counts")
	}
	for _, other := range [][]string{{"a"}, {"a", "b", "c"}, {"ab"}, nil} {
		if fingerprint(other) == same {
			t.Errorf("%q has the fingerprint of another set", other)
		}
	}
}

func TestCellsOfTheConsentFileAreSafe(t *testing.T) {
	row := &consent.Row{Kind: consent.Delegated, ClientName: `=HYPERLINK("http://evil")`, PersonName: "+1", PersonID: "p", PersonAccount: "@x", ResourceName: "-2", Scopes: []string{"=a"}, ID: "g"}
	w := httptest.NewRecorder()
	file := newCSV(w, "x.csv")
	file.row(consentHeader)
	file.row(consentCells(row))
	if file.flush(); file.err() != nil {
		t.Fatal(file.err())
	}
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(w.Body.String(), "\ufeff"))).ReadAll()
	if err != nil || len(records) != 2 || len(records[1]) != len(consentHeader) {
		t.Fatal(records, err)
	}
	for i, cell := range records[1] {
		if cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
			t.Errorf("%s begins as a formula: %q", consentHeader[i], cell)
		}
	}
	if records[1][1] != `'=HYPERLINK("http://evil")` {
		t.Errorf("the name is %q", records[1][1])
	}
}

func TestTheRequestOfAVisitIsFound(t *testing.T) {
	for address, want := range map[string]string{"/admin/requests/ABC": "ABC", "/admin/requests": "", "/admin/consent/grant?scope=x": "", "/admin/requests/a/b": "", "/admin/requests/a?x": ""} {
		if got := requestOf(address); got != want {
			t.Errorf("requestOf(%s) = %q", address, got)
		}
	}
}

// TestNamesCanBeTyped: what a person reads, or an id, confirms; nothing else does.
func TestNamesCanBeTyped(t *testing.T) {
	const app = "5d1e7c30-0b94-4a6f-9c28-71f3e08a4d15"
	for _, name := range []string{"Ledger Exporter", "Ledger  Exporter", "Ledger\u200b Exporter", "Ledger\u00a0Exporter", "Led\u00adger Exporter", " Ledger Exporter\u2060"} {
		w := &withdrawal{kind: consent.Delegated, tenantWide: true, client: name, clientApp: app}
		for typed, want := range map[string]bool{"Ledger Exporter": true, "  Ledger   Exporter ": true, name: true, app: true, strings.ToUpper(app): true,
			"": false, "ledger exporter": false, "Ledger": false, "LedgerExporter": false, "5d1e7c30": false} {
			if w.confirmed(typed) != want {
				t.Errorf("%q typed for %q: %v", typed, name, !want)
			}
		}
		if w.expected() != "Ledger Exporter" {
			t.Errorf("%q is shown as %q", name, w.expected())
		}
	}
	if w := (&withdrawal{kind: consent.Delegated, tenantWide: true, client: "\u200b", clientApp: app}); w.expected() != app || w.confirmed("") {
		t.Errorf("a name that cannot be seen: %q", w.expected())
	}
	if w := (&withdrawal{kind: consent.Delegated}); !w.confirmed("") {
		t.Error("one person's grant asks for a name")
	}
}

func TestAFilterOfManyValues(t *testing.T) {
	list := make([]consent.Choice, maxChoices+30)
	for i := range list {
		list[i] = consent.Choice{ID: fmt.Sprint(i), Name: fmt.Sprint("n", i)}
	}
	last := list[len(list)-1]
	out := choices("Every application", list, last.ID)
	if len(out) != maxChoices+2 || out[len(out)-1].Value != last.ID || !strings.Contains(out[0].Label, "500 of 530") {
		t.Errorf("%d values, the first %+v, the last %+v", len(out), out[0], out[len(out)-1])
	}
}
