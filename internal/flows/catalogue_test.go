package flows

import (
	"slices"
	"strings"
	"testing"
)

// TestTheCatalogueIsWhole: what a page links to is there, and says what it is.
func TestTheCatalogueIsWhole(t *testing.T) {
	wanted := []string{"sign-in", "hybrid", "code", "code-pkce", "incremental-consent", "admin-consent", "refresh", "client-credentials-secret",
		"client-credentials-certificate", "client-credentials-federated", "device-code", "on-behalf-of", "managed-identity", "custom-api", "sign-out",
		"step-up", "implicit", "password"}
	ids := map[string]bool{}
	for _, f := range Catalogue() {
		if ids[f.ID] {
			t.Errorf("%s is there twice", f.ID)
		}
		ids[f.ID] = true
		if f.Title == "" || f.Summary == "" || f.Group == "" || len(f.UseWhen) == 0 || len(f.AvoidWhen) == 0 || len(f.Commands) == 0 || len(f.Risks) == 0 || len(f.Messages) == 0 {
			t.Errorf("%s lacks something", f.ID)
		}
		if !f.Runs(InLab) {
			t.Errorf("%s cannot be run in the lab", f.ID)
		}
		messages := map[string]bool{}
		for _, m := range f.Messages {
			if messages[m.ID] {
				t.Errorf("%s has two messages %s", f.ID, m.ID)
			}
			messages[m.ID] = true
			if !slices.Contains(f.Parties, m.From) || !slices.Contains(f.Parties, m.To) || m.From == m.To {
				t.Errorf("%s, %s: from %s to %s, among %v", f.ID, m.ID, m.From, m.To, f.Parties)
			}
			if m.Name == "" || m.What == "" || m.V2 == "" {
				t.Errorf("%s, %s lacks words", f.ID, m.ID)
			}
			names := map[string]bool{}
			for _, p := range m.Parameters {
				if names[p.Name] || p.Meaning == "" || p.V1 == "" || p.V2 == "" {
					t.Errorf("%s, %s: parameter %+v", f.ID, m.ID, p)
				}
				names[p.Name] = true
			}
		}
		for _, id := range f.Failures {
			if _, ok := FindFailure(id); !ok {
				t.Errorf("%s shows an unknown failure %q", f.ID, id)
			}
		}
	}
	for _, id := range wanted {
		if _, ok := Find(id); !ok {
			t.Errorf("no flow %s", id)
		}
	}
	if len(ids) != len(wanted) {
		t.Errorf("%d flows, want %d", len(ids), len(wanted))
	}
	if _, ok := Find("none"); ok {
		t.Error("a flow that is not there is found")
	}
}

func TestEachFailureCanBeShown(t *testing.T) {
	shown := map[string]bool{}
	for _, f := range Catalogue() {
		for _, id := range f.Failures {
			shown[id] = true
		}
	}
	for _, f := range Failures() {
		if !shown[f.ID] {
			t.Errorf("no flow shows %s", f.ID)
		}
		if f.Title == "" || f.What == "" || f.Check == "" || f.Code == "" || f.Why == "" || f.Refuses == "" {
			t.Errorf("%s lacks words", f.ID)
		}
	}
}

// TestAFailureIsToldAsItIsThere: where a flow shows a failure in a way of its own,
// it says so, and no sentence names somebody who takes no part.
func TestAFailureIsToldAsItIsThere(t *testing.T) {
	for _, c := range []struct{ flow, failure, code, what, why string }{
		{"client-credentials-certificate", "clock-off", "AADSTS700024", "script's clock", "Times only mean"},
		{"sign-in", "clock-off", "id_token_nbf", "portal's clock", "Times only mean"},
		{"incremental-consent", "missing-consent", "AADSTS65004", "says no", "The person decides"},
		{"admin-consent", "missing-consent", "AADSTS65004", "says no", "The person decides"},
		{"device-code", "missing-consent", "authorization_declined", "says no", "The person decides"},
		{"code", "missing-consent", "AADSTS65001", "nobody has agreed", "The person decides"},
		{"client-credentials-secret", "foreign-audience", "invalid_token", "for somebody else", "in the application's name"},
		{"client-credentials-certificate", "foreign-audience", "AADSTS50012", "for somebody else", "in the application's name"},
		{"client-credentials-federated", "foreign-audience", "AADSTS700212", "for somebody else", "in the application's name"},
		{"on-behalf-of", "foreign-audience", "invalid_token", "for somebody else", "act as you"},
		{"client-credentials-federated", "tampered-signature", "AADSTS50013", "is changed", "write themselves a token"},
	} {
		f, ok := FailureIn(c.flow, c.failure, InLab)
		if !ok || f.Code != c.code || !strings.Contains(f.What, c.what) || !strings.Contains(f.Why, c.why) {
			t.Errorf("%s, %s: %s %q %q", c.flow, c.failure, f.Code, f.What, f.Why)
		}
	}
	for _, flow := range Catalogue() {
		for _, id := range flow.Failures {
			f, _ := FailureIn(flow.ID, id, InLab)
			if strings.Contains(f.What, "portal") && !slices.Contains(flow.Parties, Portal) {
				t.Errorf("%s, %s: %q, and there is no portal", flow.ID, id, f.What)
			}
			if !slices.Contains(flow.Parties, f.Refuses) {
				t.Errorf("%s, %s: %s refuses, who takes no part", flow.ID, id, f.Refuses)
			}
		}
	}
}

func TestFactsFillExamples(t *testing.T) {
	facts := Facts{Login: "https://login.example", Tenant: "t", Client: "c", URI: "api://a", Scope: "api://a/s", API: "https://azts.example", Portal: "https://portal.example", ARM: "https://arm.example"}
	for _, f := range Catalogue() {
		for _, m := range f.Messages {
			for _, text := range []string{facts.Fill(m.V1), facts.Fill(m.V2)} {
				for _, name := range []string{"{login}", "{tenant}", "{client}", "{uri}", "{scope}", "{api}", "{portal}", "{arm}"} {
					if strings.Contains(text, name) {
						t.Errorf("%s, %s: %s is left", f.ID, m.ID, name)
					}
				}
			}
		}
	}
	if got := (Facts{}).Fill("{login} {nonsense}"); got != "{login} {nonsense}" {
		t.Errorf("what is not known became %q", got)
	}
}
