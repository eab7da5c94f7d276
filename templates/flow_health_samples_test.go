package templates

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
)

func sampleHealth() HealthPage {
	return HealthPage{Page: samplePage(FlowsURL), Tabs: []NavItem{{"All flows", FlowsURL, false}, {"Health", FlowHealthURL, true}}, At: sampleNow.Add(-20 * time.Second),
		Counts: []HealthCount{{HealthBad, 1}, {HealthWarn, 1}, {HealthUnknown, 1}, {HealthGood, 17}},
		Mend:   []HealthLink{{"redirect_uris", "Redirect URIs", HealthBad}, {"clock", "Clocks", HealthWarn}},
		Allow:  &Action{Label: "Allow reading the directory", URL: FlowHealthAllowURL, Post: true},
		Groups: []HealthGroup{{"Company sign-in", []HealthCheck{
			{ID: "metadata", Title: "Metadata of the issuer", State: HealthGood, Finding: "It answers.", Place: "PORTAL_TENANT_ID or PORTAL_ISSUER", PlaceSettings: true},
			{ID: "clock", Title: "Clocks", State: HealthWarn, Finding: "The clock of this machine is 40 seconds behind the provider's.", Next: "Let the machine set its clock by NTP.", Mender: "Whoever runs this portal can mend this."}}},
			{"Registration of this portal", []HealthCheck{
				{ID: "redirect_uris", Title: "Redirect URIs", State: HealthBad, Finding: "The one that people come back to is not registered: signing in ends with AADSTS50011.",
					Next: "Add to the platform Web, to the letter: https://scans.contoso.example/auth/callback.", Mender: "An administrator can mend this.", Place: "Entra admin center › App registrations › this portal › Authentication", PlaceURL: "https://entra.microsoft.com/#view/x"},
				{ID: "claims", Title: "Optional claims of ID tokens", Finding: "Not read.", Place: "Entra admin center › App registrations › this portal › Token configuration"}}}},
		Steps: []HealthStep{{"Switch the REST API on", "Set FeatureManagement__OnDemandScanAPI to true.", "Azure portal › App Services", "AzTS answers a call with your token.", HealthGood},
			{"Hand out the four facts", "Give users the facts.", "below", "Not all four are known here.", HealthWarn}},
		Facts: &HealthFacts{TenantID: sampleID(79), ClientID: sampleID(5), Scope: "api://" + sampleID(5) + "/user_impersonation", URL: "https://AzSK-AzTS-WebApi-x.azurewebsites.example",
			Text: "To use the REST API of AzTS, you need these four facts:\n\nTenant id: " + sampleID(79) + "\n"}}
}

// healthSamples are the doctor's pages: with something of everything, at its best
// without AzTS, and with hostile text.
func healthSamples() map[string]templ.Component {
	best := sampleHealth()
	best.Counts, best.Mend, best.Allow, best.Steps, best.Facts = []HealthCount{{HealthGood, 2}}, nil, nil, nil, nil
	bad := HealthPage{Page: hostilePage(), Tabs: []NavItem{{hostile, "javascript:alert(1)", true}}, At: sampleNow, Counts: []HealthCount{{hostile, 1}}, Mend: []HealthLink{{hostile, hostile, hostile}},
		Groups: []HealthGroup{{hostile, []HealthCheck{{hostile, hostile, hostile, hostile, hostile, hostile, hostile, "javascript:alert(1)", false}, {ID: "s", Place: hostile, PlaceSettings: true}}}},
		Steps:  []HealthStep{{hostile, hostile, hostile, hostile, hostile}}, Facts: &HealthFacts{hostile, hostile, hostile, hostile, hostile}}
	return map[string]templ.Component{"health": Health(sampleHealth()), "health-good": Health(best), "hostile-health": Health(bad)}
}

// TestHealthLeadsToWhatIsWrong: each link above leads to a row, and the states
// differ by more than colour.
func TestHealthLeadsToWhatIsWrong(t *testing.T) {
	d := doc(t, "health")
	links := d.Find(".to-mend a")
	for i, want := range []string{"#check-redirect_uris", "#check-clock"} {
		if got := links.Eq(i).AttrOr("href", ""); got != want || d.Find(got).Length() != 1 {
			t.Errorf("link %d leads to %q, %d rows", i, got, d.Find(got).Length())
		}
	}
	words, icons := map[string]bool{}, map[string]bool{}
	for _, s := range healthSigns {
		words[s.word], icons[string(s.icon)] = true, true
	}
	if len(words) != 4 || len(icons) != 4 {
		t.Errorf("%d words and %d icons for four states", len(words), len(icons))
	}
	if doc(t, "health-good").Find(".to-mend").Length() != 0 {
		t.Error("there is nothing to mend")
	}
}

// TestTheFourFactsAsAMail: the mail is addressed to nobody, holds the whole text,
// and nothing in a fact adds a header.
func TestTheFourFactsAsAMail(t *testing.T) {
	f := HealthFacts{Text: "a+b & c=d\n\nbcc: x%0d?cc=eve@x.example\n"}
	mail, err := url.Parse(string(f.mail()))
	if err != nil || mail.Scheme != "mailto" || mail.Opaque != "" {
		t.Fatalf("%q: %v", f.mail(), err)
	}
	if strings.Contains(mail.RawQuery, "+") {
		t.Error("mail programs show a + for what a form calls a blank")
	}
	q := mail.Query()
	if len(q) != 2 || q.Get("subject") == "" || q.Get("body") != strings.ReplaceAll(f.Text, "\n", "\r\n") {
		t.Errorf("%q", q)
	}
}
