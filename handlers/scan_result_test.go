package handlers

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/templates"
)

func TestAListIsTheSameAfterItsAddress(t *testing.T) {
	same := func(v url.Values) resultList {
		l, err := readList(v)
		if err != nil {
			t.Errorf("%.40q: %v", v, err)
		}
		return l
	}
	for query, want := range map[string]string{
		"":                      "",
		"page=1&size=50&sort=":  "",
		"sort=-":                "",
		"sort=nonsense&size=51": "",
		"page=3&size=250&sort=-severity&q=++two++words+":  "page=3&q=two+words&size=250&sort=-severity",
		"status=Failed&status=failed&status=Error":        "status=Failed&status=Error",
		"group=&group.is=":                                "group=", // rows without a group
		"group.is=+rg+":                                   "group=rg",
		"q=%ff%fe":                                        "",
		"status=%ff":                                      "",
		"status=" + strings.Repeat("x", azts.NameLimit+1): "",
		"unknown=1&subscription=A":                        "subscription=A",
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		l := same(v)
		if got := l.encode(); got != want {
			t.Errorf("%q is %q, want %q", query, got, want)
		}
		again, err := url.ParseQuery(l.encode())
		if err != nil || same(again).encode() != l.encode() {
			t.Errorf("%q is another list after its address", query)
		}
	}
	many := url.Values{}
	for i := range 3 * results.MaxValues {
		many.Add("group", strconv.Itoa(i))
	}
	many.Set("q", strings.Repeat("ü", 3*maxWords))
	if l := same(many); len(l.Group) != results.MaxValues || len([]rune(l.Text)) != maxWords {
		t.Errorf("%d values and %d characters are taken", len(l.Group), len([]rune(l.Text)))
	}
}

func TestCommandsAreToldFromWords(t *testing.T) {
	for remediation, want := range map[string][]string{
		"":                        nil,
		"\r\n \r\n":               nil,
		"Ask somebody.":           {"-Ask somebody."},
		"az storage account list": {"$az storage account list"},
		"Do:\r\n\r\n  az a \\\r\n    --b\r\n\r\nand\nSet-AzContext -Subscription x\nGet-AzVM\nthen look": {
			"-Do:", "$az a \\\n  --b", "-and", "$Set-AzContext -Subscription x", "$Get-AzVM", "-then look"},
		"Get-AzVM |\nWhere-Object Name -eq x |\n\tStop-AzVM -Force":           {"$Get-AzVM |\n  Where-Object Name -eq x |\n  Stop-AzVM -Force"},
		"az keyvault secret list-versions\naz group update --name Übung | jq": {"$az keyvault secret list-versions", "$az group update --name Übung | jq"},
		"az keyvaults are the place\nSet-AzContext is what you need":          {"-az keyvaults are the place\nSet-AzContext is what you need"},
		"Set-AzVM `\n  -Name x":                             {"$Set-AzVM `\n  -Name x"},
		"azure is a cloud\nSet-Azimuth\nSet your goals\naz": {"-azure is a cloud\nSet-Azimuth\nSet your goals\naz"},
		"rm -rf /\ncurl x | sh\nInvoke-Expression x":        {"-rm -rf /\ncurl x | sh\nInvoke-Expression x"},
	} {
		var got []string
		for _, p := range fixOf(remediation) {
			mark := "-"
			if p.Command {
				mark = "$"
			}
			got = append(got, mark+p.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q is parted into %q, want %q", remediation, got, want)
		}
	}
}

// TestAttackHiddenCharactersInACommand: what is copied must be what was read.
func TestAttackHiddenCharactersInACommand(t *testing.T) {
	for _, c := range []string{"\u202e", "\u200b", "\ufeff", "\x1b[8m", "\r", "\u2028", "\u00ad", "\x08", "\t", "\u00a0", "\u3000", "\u0085", "\u3164", "\u115f",
		"\uffa0", "\u2800", "\u034f", "\ufe0f", "\U000e0100", "   ", strings.Repeat(" ", 300) + "; curl evil | sh"} {
		for _, p := range fixOf("az vm update --name x" + c + " --all\nand more") {
			if p.Command {
				t.Errorf("%q is to be copied: %q", c, p.Text)
			}
		}
	}
	// What comes after the line may be another command.
	for _, text := range []string{"az vm list \\\nrm -rf ~", "az vm list \\\n\n\n--all", "az vm list --query `\nrm -rf /", "az vm list |\nsh", "az vm list --all \\",
		"az vm list \\\n--all \\\nrm -rf ~", "az vm list --a \\\naz vm delete --b"} {
		for _, p := range fixOf(text) {
			if p.Command {
				t.Errorf("of %q is to be copied: %q", text, p.Text)
			}
		}
	}
}

func TestEvidenceIsSetOutInLines(t *testing.T) {
	for reason, want := range map[string][2]string{
		"":                        {"", ""},
		"plain":                   {"plain", ""},
		`{"a":1}`:                 {"", "{\n  \"a\": 1\n}"},
		`See [1]: {"a":[1]}`:      {"See [1]:", "{\n  \"a\": [\n    1\n  ]\n}"},
		`open ports [22, 3389]`:   {"open ports", "[\n  22,\n  3389\n]"},
		`{"a":1} and more`:        {`{"a":1} and more`, ""},
		`{not json}`:              {`{not json}`, ""},
		`{"n":12345678901234567}`: {"", "{\n  \"n\": 12345678901234567\n}"},
		"{}":                      {"{}", ""},
	} {
		text, evidence := evidenceOf(reason)
		if text != want[0] || evidence != want[1] {
			t.Errorf("%q is %q and %q, want %q", reason, text, evidence, want)
		}
	}
	begun := time.Now()
	evidenceOf(strings.Repeat("{[", azts.TextLimit/2))
	if took := time.Since(begun); took > time.Second {
		t.Errorf("a text of brackets takes %v", took)
	}
}

// TestAttackEvidenceThatGrows: each line of JSON that is set out begins with
// blanks for its depth, so 20 KB would become 200 MB.
func TestAttackEvidenceThatGrows(t *testing.T) {
	nested := func(depth int, inside string) string {
		return strings.Repeat("[", depth) + inside + strings.Repeat("]", depth)
	}
	for name, reason := range map[string]string{
		"depth":          nested(9990, "1,2"),
		"objects":        strings.Repeat(`{"":`, 5000) + "1" + strings.Repeat("}", 5000),
		"one too deep":   nested(deepestEvidence+1, "1,2"),
		"wide and large": nested(deepestEvidence, strings.Repeat("1,", 2000)+"1"),
	} {
		if text, evidence := evidenceOf(reason); text != reason || evidence != "" {
			t.Errorf("%s: %d bytes became %d", name, len(reason), len(evidence))
		}
	}
	for _, reason := range []string{nested(deepestEvidence, "1,2"), `["` + strings.Repeat(`[{\"`, 100) + `",1]`} {
		if text, evidence := evidenceOf(reason); text != "" || evidence == "" {
			t.Errorf("%.40q is not set out", reason)
		}
	}
}

// TestAttackResourceIDAsAddress: a link leads to a resource of the row's own
// subscription, and to no other page of the Azure portal.
func TestAttackResourceIDAsAddress(t *testing.T) {
	for _, id := range []string{"/subscriptions/" + subA, "/SUBSCRIPTIONS/" + strings.ToUpper(subA) + "/resourceGroups/Übung/providers/a.b/c/d"} {
		if got, want := resourceLink("portal.azure.com", "t", subA, id), (&url.URL{Fragment: "@t/resource" + id}).String(); got != "https://portal.azure.com/"+want {
			t.Errorf("%q leads to %q, want %q", id, got, want)
		}
	}
	own := "/subscriptions/" + subA
	if got := resourceLink("portal.azure.com", "", subA, own); got != "" {
		t.Errorf("without a tenant it leads to %q", got)
	}
	for _, id := range []string{"", "/", "x", "javascript:alert(1)", own[1:], "/subscriptions", "/subscriptions/", "/subscriptions/" + subB + "/x", "//" + own, own + "/", own + "//evil.example",
		own + "/../../blade/x", own + "/./x", own + "/%2e%2e/x", own + "/x?y", own + "/x#y", own + `\x`, own + "/x y", own + "/\u202egnp", own + "/x\u2028y", own + "/\u00a0"} {
		if got := resourceLink("portal.azure.com", "t", subA, id); got != "" {
			t.Errorf("%q leads to %q", id, got)
		}
	}
}

func TestAnExceptionRemindsOfItsEnd(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]string{
		-time.Second:                    "The exception has ended",
		0:                               "The exception has ended",
		time.Hour:                       "The exception ends within a day",
		25 * time.Hour:                  "The exception ends in 1 day",
		14 * 24 * time.Hour:             "The exception ends in 14 days",
		14*24*time.Hour + time.Second:   "",
		1000*24*time.Hour + time.Second: "",
	} {
		e := exceptionOf(&azts.Result{Status: "Exempted", ExceptionExpiry: azts.Stamp{Time: now.Add(left), Text: "x"}}, now)
		got := ""
		if e.Warning != nil {
			got = e.Warning.Title
		}
		if got != want {
			t.Errorf("%v before: %q, want %q", left, got, want)
		}
	}
	refused := &azts.Result{Status: "Failed", ExceptionWorkflow: "Rejected", ExceptionExpiry: azts.Stamp{Time: now.Add(time.Hour), Text: "x"}}
	if e := exceptionOf(refused, now); e.Warning == nil || e.Warning.Title != "This exception is not in force" {
		t.Errorf("one that was refused gives %+v", e.Warning)
	}
	if e := exceptionOf(&azts.Result{Status: "Exempted", ExceptionExpiry: azts.Stamp{Text: "31/02/2026"}}, now); e == nil || e.Warning != nil || e.EndsText != "31/02/2026" {
		t.Errorf("a date that cannot be read gives %+v", e)
	}
	if exceptionOf(&azts.Result{}, now) != nil {
		t.Error("there is an exception where there is none")
	}
}

func TestFileNamesNeedNoQuotes(t *testing.T) {
	at := time.Date(2026, 11, 21, 15, 4, 0, 0, time.FixedZone("", 3600))
	info := results.Info{State: results.Whole, Subscriptions: []results.Subscription{{ID: subA}, {ID: subB}}}
	names := map[string]string{subA: `Pay"ments` + "\r\n" + `; x="/../ü – ` + strings.Repeat("long ", 40), subB: "データ"}
	for _, tt := range []struct {
		only []string
		want string
	}{
		{nil, "azts-2-subscriptions-20261121-1404"},
		{[]string{strings.ToUpper(subA)}, "azts-Pay-ments-x-long-long-long-long-long-long-long-long-long-lon-20261121-1404"},
		{[]string{subB}, "azts-" + subB + "-20261121-1404"},
		{[]string{"/"}, "azts-subscription-20261121-1404"},
	} {
		if got := fileName(info, resultList{Query: results.Query{Subscription: tt.only}}, names, at); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.only, got, tt.want)
		}
	}
}

func TestLongReasonsAreCutBetweenWords(t *testing.T) {
	for text, want := range map[string]string{
		"short": "short", strings.Repeat("word ", 10): "word word word word…", strings.Repeat("x", 60): strings.Repeat("x", 20) + "…", strings.Repeat("ü", 20): strings.Repeat("ü", 20), "": "",
	} {
		if got := beginning(text, 20); got != want {
			t.Errorf("%q begins %q, want %q", text, got, want)
		}
	}
}

// TestUnknownWordsStayAsTheyAre: a status that nobody knows is shown in quotes, and known
// ones are the same in every letter case.
func TestUnknownWordsStayAsTheyAre(t *testing.T) {
	for status, want := range map[string]string{"failed": "Failed", "NOTAPPLICABLE": "Not applicable", "Quarantined": "“Quarantined”", "": "Unknown", "<b>": "“<b>”"} {
		if got := templates.StatusWord(status); got != want {
			t.Errorf("%q is %q, want %q", status, got, want)
		}
	}
}
