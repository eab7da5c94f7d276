package handlers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

func subID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func TestPastedEntries(t *testing.T) {
	one, two := subID(1), subID(2)
	for text, want := range map[string][]pastedEntry{
		one:             {{1, one, one}},
		one + "," + two: {{1, one, one}, {1, two, two}},
		"\ufeff\"" + one + "\"\r\n'" + two + "';\r\n":                         {{1, one, one}, {2, two, two}},
		"[" + strings.ToUpper(one) + "]":                                      {{1, strings.ToUpper(one), one}},
		"\n\n  " + one + "\t" + "x":                                           {{3, one, one}, {3, "x", ""}},
		"/subscriptions/" + one + "/resourceGroups/a":                         {{1, "/subscriptions/" + one + "/resourceGroups/a", one}},
		"https://portal.azure.com/#@t/resource/Subscriptions/" + one + "?x=1": {{1, "https://portal.azure.com/#@t/resource/Subscriptions/" + one + "?x=1", one}},
		"/subscriptions/":                                                     {{1, "/subscriptions/", ""}},
		strings.ReplaceAll(one, "-", ""):                                      {{1, strings.ReplaceAll(one, "-", ""), ""}},
		" ,;\n":                                                               nil,
	} {
		if got := entriesOf(text, 9); !slices.Equal(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	if got := entriesOf(strings.Repeat("x ", 50), 7); len(got) != 7 {
		t.Errorf("%d entries, want 7", len(got))
	}
}

func FuzzPastedEntries(f *testing.F) {
	for _, seed := range []string{"", subID(1), "/subscriptions/" + subID(1), "İsubscriptions/", "a,b\r\nc", "\xff\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range entriesOf(text, 100) {
			if e.written == "" || e.line < 1 || e.id != "" && !strings.Contains(strings.ToLower(e.written), e.id) {
				t.Errorf("entry %+v of %q", e, text)
			}
		}
	})
}

// TestPastedListIsMarkedEntryByEntry: each fault at its place, nothing typed is
// lost, and what is good is chosen the first time alone.
func TestPastedListIsMarkedEntryByEntry(t *testing.T) {
	mine := estate{rows: []templates.Subscription{{ID: subID(1)}, {ID: subID(2)}, {ID: subID(3), UsedUpUntil: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}}}
	c := choice{list: subID(1) + "\nwrong\n" + subID(2) + " " + subID(1) + "\n" + subID(3) + "\n" + subID(9)}
	chosen := map[string]bool{}
	p := pasted(c, mine, chosen)
	if !chosen[subID(1)] || !chosen[subID(2)] || len(chosen) != 2 || p.Good != 2 || p.Text != c.list || p.Error != "" {
		t.Errorf("chosen %v, good %d, error %q", chosen, p.Good, p.Error)
	}
	for i, want := range []struct {
		line, entry int
		why         string
		offered     bool
	}{{2, 2, "not a subscription id", false}, {3, 4, "The same as entry 1", false}, {4, 5, "used up until 22 Nov, 00:00 UTC", false}, {5, 6, "not among your subscriptions", true}} {
		m := p.Marks[i]
		if m.Line != want.line || m.Entry != want.entry || !strings.Contains(m.Why, want.why) || (m.ID != "") != want.offered || m.Chosen {
			t.Errorf("mark %d: %+v", i, m)
		}
	}
	// The person takes one back: checking again does not choose it again.
	c.checked = p.Checked
	chosen = map[string]bool{subID(2): true}
	if p = pasted(c, mine, chosen); len(chosen) != 1 || p.Good != 1 || c.unchecked() {
		t.Errorf("chosen %v, good %d, unchecked %v", chosen, p.Good, c.unchecked())
	}
	// Browsers send other line ends than they were given.
	c.list = strings.ReplaceAll(c.list, "\n", "\r\n") + "\r\n"
	if c.unchecked() {
		t.Error("other line ends are another list")
	}
	if c.list += subID(4); !c.unchecked() {
		t.Error("a longer list passes for the one that was checked")
	}
	// Where the list of subscriptions may lack some, an unlisted one is chosen.
	mine.paste, chosen = true, map[string]bool{}
	if p = pasted(choice{list: subID(9)}, mine, chosen); !chosen[subID(9)] || !p.Marks[0].Chosen {
		t.Errorf("chosen %v, mark %+v", chosen, p.Marks[0])
	}
}

func TestAttackPastedListTooLong(t *testing.T) {
	var list strings.Builder
	for n := range scan.MaxParts + 1 {
		list.WriteString(subID(n) + "\n")
	}
	chosen := map[string]bool{}
	p := pasted(choice{list: list.String()}, estate{}, chosen)
	if p.Error == "" || p.Checked != "" || len(chosen) != 0 || p.Text != list.String() {
		t.Errorf("error %q, %d chosen", p.Error, len(chosen))
	}
	p = pasted(choice{list: strings.Repeat(strings.Repeat("x", 500)+" ", scan.MaxParts)}, estate{}, chosen)
	if len(p.Marks) > shownMarks || len(p.Marks)+p.More > 2*scan.MaxParts || len([]rune(p.Marks[1].Written)) > shownWritten+1 {
		t.Errorf("%d marks and %d more, the second of %d characters", len(p.Marks), p.More, len(p.Marks[1].Written))
	}
}

// TestKeyOfAScan: the same form and choice give the same key, anything else another.
func TestKeyOfAScan(t *testing.T) {
	ann, bob := access.PersonID{Authority: "t", Subject: "ann"}, access.PersonID{Authority: "t", Subject: "bob"}
	key := scanKey(ann, "form", []string{subID(1), subID(2)})
	if same := scanKey(ann, "form", []string{subID(2), " " + strings.ToUpper(subID(1)), subID(2)}); same != key {
		t.Error("the order of a choice changes its key")
	}
	for name, other := range map[string]string{"choice": scanKey(ann, "form", []string{subID(1)}), "form": scanKey(ann, "form2", []string{subID(1), subID(2)}),
		"person": scanKey(bob, "form", []string{subID(1), subID(2)})} {
		if other == key {
			t.Errorf("another %s has the same key", name)
		}
	}
}

func TestChoosingAllEndsAtTheLimit(t *testing.T) {
	rows := make([]templates.Subscription, scan.MaxParts+50)
	for i := range rows {
		rows[i].ID = subID(i)
	}
	rows[3].UsedUpUntil = time.Now()
	chosen := map[string]bool{"elsewhere": true}
	if n := choosable(rows, chosen); n != scan.MaxParts-1 {
		t.Errorf("%d can be chosen", n)
	}
	chooseAll(rows, chosen)
	if len(chosen) != scan.MaxParts || chosen[subID(3)] {
		t.Errorf("%d are chosen, the used up one %v", len(chosen), chosen[subID(3)])
	}
	if n := choosable(rows, chosen); n != 0 {
		t.Errorf("%d more can be chosen", n)
	}
}

func TestWhichSubscriptionIsMeant(t *testing.T) {
	names := map[string]string{subID(1): "Payments", subID(2): "Payments test", subID(3): "HR"}
	for typed, want := range map[string]struct {
		id       string
		which    int
		noneSuch bool
	}{
		strings.ToUpper(subID(1)): {id: subID(1)}, "payments": {id: subID(1)}, "test": {id: subID(2)}, "pay": {which: 2}, "zzz": {noneSuch: true}, subID(8): {id: subID(8)},
	} {
		page, q := templates.ScansPage{Query: templates.ScansQuery{Subscription: typed}}, scan.HistoryQuery{}
		found := findSubscription(&page, &q, names)
		if q.Subscription != want.id || found != (want.id != "") || len(page.Which) != want.which || page.NoneSuch != want.noneSuch {
			t.Errorf("%q: %q, %d to choose from, none such %v", typed, q.Subscription, len(page.Which), page.NoneSuch)
		}
	}
}

// TestAChosenSubscriptionThatIsUsedUpIsNamed: it is not chosen any more, and does
// not go without a word.
func TestAChosenSubscriptionThatIsUsedUpIsNamed(t *testing.T) {
	k := newKept(t)
	rows := []templates.Subscription{{ID: subA, Name: "Payments", UsedUpUntil: k.now.Add(9 * time.Hour)}, {ID: subB, Name: "HR"}}
	k.subscriptions.lists[session.ID{}] = estate{asOf: k.now.AddDate(9, 0, 0), rows: rows}
	s := &scans{frame: k.frame, service: k.service, subscriptions: k.subscriptions}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, templates.NewScanQuery{Chosen: []string{subA, subB}, Page: 1, Text: "HR"}.URL(), nil)
	k.ok(s.offer(w, r, ann))
	doc, err := goquery.NewDocumentFromReader(w.Body)
	k.ok(err)
	if said := doc.Find(`[aria-label="Not chosen any more"]`).Text(); !strings.Contains(said, "Payments, until") || strings.Contains(said, "HR") {
		t.Errorf("said %q", said)
	}
	if n := doc.Find("input[name=subscription][checked]").Length(); n != 1 {
		t.Errorf("%d are chosen", n)
	}
}
