package templates

import (
	"context"
	"html"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
)

func text(t *testing.T, c templ.Component) string {
	t.Helper()
	return part(t, c).Text()
}

func part(t *testing.T, c templ.Component) *goquery.Selection {
	t.Helper()
	var b strings.Builder
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	d, err := goquery.NewDocumentFromReader(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return d.Find("body")
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", 3 * time.Minute: "3 minutes ago",
		time.Hour: "1 hour ago", 47 * time.Hour: "1 day ago", 48 * time.Hour: "2 days ago",
		-time.Second: "in a moment", -90 * time.Minute: "in 1 hour",
	} {
		if got := string(appendAge(nil, d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 21 * time.Second: "21 s", 95 * time.Second: "1 min 35 s", 57 * time.Minute: "57 min",
		65 * time.Minute: "1 h 5 min", 26 * time.Hour: "1 d 2 h",
	} {
		if got := took(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestTimesNameTheirZone(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	at := time.Date(2026, 11, 21, 15, 5, 0, 0, zone)
	s := part(t, timestamp(at)).Find("time[data-local]")
	if s.Text() != "21 Nov 2026, 14:05 UTC" || s.AttrOr("datetime", "") != "2026-11-21T14:05:00Z" {
		t.Errorf("%q at %q", s.Text(), s.AttrOr("datetime", ""))
	}
	if got := text(t, ago(at.Add(3*time.Minute), at)); got != "3 minutes ago, 21 Nov 2026, 14:05 UTC" {
		t.Errorf("age reads %q", got)
	}
	if got := text(t, ago(at, time.Time{})); got != "never" {
		t.Errorf("no time reads %q", got)
	}
}

func TestCountdownSaysWhenItIsOver(t *testing.T) {
	if got := text(t, countdown(sampleNow, sampleNow)); got != "Expired" {
		t.Errorf("at the moment: %q", got)
	}
	if got := text(t, countdown(sampleNow, sampleNow.Add(4*time.Minute))); got != "Expires in 4 min 0 s" {
		t.Errorf("before: %q", got)
	}
}

func TestEscapingIsThatOfTheStandardLibrary(t *testing.T) {
	for _, s := range []string{"", "plain", hostile, `&<>"'`, "a&b", "ü<ö", "\xff<", "'"} {
		if got, want := string(appendText(nil, s)), html.EscapeString(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// TestShortenedIDIsWholeOnCopy: shortening is for the eye; selecting, hearing
// and the button give every character.
func TestShortenedIDIsWholeOnCopy(t *testing.T) {
	for _, id := range []string{sampleID(1), "short", "ünïcödé-identifier-that-is-long", strings.Repeat("\u20ac", 9), strings.Repeat("\u20ac", 12), hostile} {
		s := part(t, identifier(id))
		if got := s.Find("code").Text(); got != id {
			t.Errorf("text %q, want %q", got, id)
		}
		if got := s.Find("button").AttrOr("data-copy", ""); got != id {
			t.Errorf("copies %q, want %q", got, id)
		}
	}
}

func TestComplianceBar(t *testing.T) {
	for _, c := range []struct {
		in   Compliance
		want string
	}{
		{Compliance{true, 93.33}, "93.3 %"}, {Compliance{true, 100}, "100.0 %"}, {Compliance{true, -4}, "0.0 %"},
		{Compliance{true, 1e9}, "100.0 %"}, {Compliance{true, math.NaN()}, "0.0 %"}, {Compliance{false, 50}, "–none"},
	} {
		if got := text(t, complianceBar(c.in)); got != c.want {
			t.Errorf("%v: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 5000: "5,000", 1234567: "1,234,567", -1234: "-1,234", -999: "-999"} {
		if got := number(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestStatusesDifferByMoreThanColour: each status of AzTS has a word and an
// icon of its own; one that nobody knows is shown as it came.
func TestStatusesDifferByMoreThanColour(t *testing.T) {
	icons, words := map[string]string{}, map[string]string{}
	for _, status := range []string{"Passed", "Failed", "Verify", "NotApplicable", "ExtScanned", "Exempted", "Error", "NotScanned"} {
		s := part(t, controlStatus(status))
		icon, err := s.Find("svg").Html()
		if err != nil || icon == "" {
			t.Fatalf("%s has no icon (%v)", status, err)
		}
		if other := icons[icon]; other != "" {
			t.Errorf("%s and %s share an icon", status, other)
		}
		if other := words[s.Text()]; other != "" || s.Text() == "" {
			t.Errorf("%s and %s share a word", status, other)
		}
		icons[icon], words[s.Text()] = status, status
	}
	if got := text(t, controlStatus("Deferred")); got != "“Deferred”" {
		t.Errorf("unknown status reads %q", got)
	}
	if got := text(t, controlStatus("")); got != "Unknown" {
		t.Errorf("missing status reads %q", got)
	}
	if got := text(t, scanStatus("Paused")); got != "Paused" {
		t.Errorf("unknown state reads %q", got)
	}
	if got := text(t, severity("Extreme")); got != "Extreme" {
		t.Errorf("unknown severity reads %q", got)
	}
}

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{"Erika Employee": "EE", "ada": "A", "Jean-Luc de la Tour": "JT", "": "?", "<>": "?", "élan vital": "ÉV"} {
		if got := initials(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for got, want := range map[string]string{
		LoginURL(""):                                    "/auth/login",
		LoginURL("/"):                                   "/auth/login",
		LoginURL("/scans?q=a&b=c#x"):                    "/auth/login?return_to=%2Fscans%3Fq%3Da%26b%3Dc%23x",
		OtherAccountURL("/account"):                     "/auth/login?return_to=%2Faccount&prompt=select_account",
		LoginOptions{LoginHint: "a b@c"}.URL():          "/auth/login?login_hint=a+b%40c",
		ScanURL("../../account"):                        "/scans/..%2F..%2Faccount",
		SubscriptionResultsURL("a/b?c", ResultsQuery{}): "/subscriptions/a%2Fb%3Fc/results",
		SubscriptionResultsURL("s", ResultsQuery{Scan: "1", Skip: "eyJQ==&x", Page: 2}): "/subscriptions/s/results?page=2&scan=1&skip=eyJQ%3D%3D%26x",
		SubscriptionResultsCSVURL("s", ResultsQuery{Page: 1}):                           "/subscriptions/s/results.csv",
		OverviewPageURL(1): "/",
		NewScanQuery{Text: "a&b", Only: OnlyFailing, Page: 3}.URL(): "/scans/new?only=failing&page=3&q=a%26b",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestCommandsKeepTheTokenOutOfHistory: a token in a command line would stay in
// the shell's history and in the list of processes.
