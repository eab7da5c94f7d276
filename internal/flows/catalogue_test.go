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

// TestExamplesWorkIfTheyAreFollowed: an example has all that its own table calls
// required, a challenge its method, and the answer the way that was asked for.
func TestExamplesWorkIfTheyAreFollowed(t *testing.T) {
	has := func(example, name string) bool {
		for _, form := range []string{name + "=", `"` + name + `":`, "\n" + name + ": "} {
			if strings.Contains(example, form) {
				return true
			}
		}
		return false
	}
	for _, f := range Catalogue() {
		for _, m := range f.Messages {
			for version, example := range map[string]string{"v1": m.V1, "v2": m.V2} {
				if strings.Contains(example, "code_challenge=") != strings.Contains(example, "code_challenge_method=S256") {
					t.Errorf("%s, %s, %s: a challenge without its method", f.ID, m.ID, version)
				}
				if strings.Contains(example, "=authorization_code&") && !has(example, "redirect_uri") {
					t.Errorf("%s, %s, %s: a code is redeemed without redirect_uri", f.ID, m.ID, version)
				}
				for _, p := range m.Parameters {
					need := map[string]Need{"v1": p.V1, "v2": p.V2}[version]
					for _, name := range strings.Split(p.Name, ", ") {
						switch {
						case example == "" || strings.HasPrefix(example, "cat "):
						case need == Required && !strings.Contains(p.Name, ", ") && !has(example, name):
							t.Errorf("%s, %s: the example of %s lacks %s", f.ID, m.ID, version, name)
						case need == Absent && has(strings.ReplaceAll(example, "device_code=", ""), name):
							t.Errorf("%s, %s: %s has no %s, and its example has", f.ID, m.ID, version, name)
						}
					}
				}
			}
		}
		asked, _ := f.Message("authorize")
		if answer, ok := f.Message("answer"); ok && answer.To == Portal && asked.ID != "" {
			if posted := strings.HasPrefix(answer.V2, "POST "); posted != strings.Contains(asked.V2, "response_mode=form_post") {
				t.Errorf("%s: posted %v, asked for %q", f.ID, posted, asked.V2)
			}
			var listed []string
			for _, p := range answer.Parameters {
				listed = append(listed, strings.Split(p.Name, ", ")...)
			}
			for _, name := range []string{"state", "session_state", "error", "error_description", "error_uri", "error_subcode"} {
				if !slices.Contains(listed, name) {
					t.Errorf("%s: the answer does not list %s", f.ID, name)
				}
			}
		}
		// A nonce needs an ID token, and v1 names its API by resource.
		for _, p := range asked.Parameters {
			front := strings.Contains(asked.V2, "id_token")
			if p.Name == "nonce" && (p.V2 == Required) != front || p.Name == "scope" && (p.V1 == Required) != front {
				t.Errorf("%s: %s is %s in v1 and %s in v2", f.ID, p.Name, p.V1, p.V2)
			}
		}
	}
}

// TestCommandsWorkIfTheyAreFollowed: tools of people are public clients, which the
// portal is not, and a token is text where a header takes it.
func TestCommandsWorkIfTheyAreFollowed(t *testing.T) {
	for _, f := range Catalogue() {
		for _, c := range f.Commands {
			if strings.Contains(c.Code, "{client}") && f.ID != "admin-consent" {
				t.Errorf("%s, %s: the portal's own client id in %q", f.ID, c.Tool, c.Code)
			}
			if strings.Contains(c.Code, "<client id>") && !strings.Contains(c.Note, "7000218") {
				t.Errorf("%s, %s does not say which client id", f.ID, c.Tool)
			}
			if strings.Contains(c.Code, "Get-AzAccessToken") && (!strings.Contains(c.Code, "ConvertFrom-SecureString -AsPlainText") || !strings.Contains(c.Note, "Az 14")) {
				t.Errorf("%s, %s leaves the token a SecureString", f.ID, c.Tool)
			}
			if strings.HasPrefix(c.Code, "Connect-AzAccount") && !strings.Contains(c.Code, "Get-AzAccessToken") {
				t.Errorf("%s, %s asks for no token", f.ID, c.Tool)
			}
			if (strings.Contains(c.Code, "Get-MsalToken") || c.Tool == "MSAL.PS" && f.ID != "sign-out") && !strings.HasPrefix(c.Code, "Install-Module -Name MSAL.PS ") {
				t.Errorf("%s, %s does not say where it comes from", f.ID, c.Tool)
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
	for text, want := range map[string]string{"": "-d client_id='<client id>'", "abc": "-d client_id='abc'"} {
		if got := (Facts{Handed: text}).Fill("-d client_id='<client id>'"); got != want {
			t.Errorf("handed out %q: %s", text, got)
		}
	}
	if got := (Facts{}).Fill("{login} {nonsense}"); got != "{login} {nonsense}" {
		t.Errorf("what is not known became %q", got)
	}
}
