package templates

import (
	"time"

	"github.com/a-h/templ"
)

const sampleInspectData = `{"words":{"empty":{"text":"<b>&\"'"}}}`

// appTokenSamples are the pages of tokens for applications and of the inspector:
// empty, full, refused, and with hostile text everywhere.
func appTokenSamples() map[string]templ.Component {
	empty := AppTokensPage{Page: samplePage(AppTokensURL), Tabs: TokenTabs(AppTokensURL), Tenants: []string{sampleID(79)},
		Resources: []AppResource{{"AzTS", "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c/.default"}, {"Microsoft Graph", "https://graph.microsoft.com/.default"}}}

	card := AppTokenCard{ID: "t1", Resource: "AzTS", API: "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c", ClientID: sampleID(5), TenantID: sampleID(79),
		Scope: "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c/.default", Purpose: "nightly scans", Issued: sampleNow.Add(-8 * time.Minute), Expires: sampleNow.Add(51 * time.Minute),
		NoRoles: true, Claims: RenderClaims(sampleClaims()), Header: "{\n  \"alg\": \"RS256\"\n}", Payload: "{\n  \"idtyp\": \"app\"\n}",
		Verdict: &TokenVerdict{Tone: ToneWarning, Summary: "No: the token speaks for an application, but carries no role.",
			Checks: []VerdictCheck{{"Audience", CheckPassed, "The token is for AzTS."}, {"Permission (roles)", CheckFailed, "It carries no role."}, {"Calling application", CheckOpen, "AzTS has the list."}}}}
	machine := AppTokenCard{ID: "t2", Resource: "https://graph.microsoft.com", ClientID: sampleID(6), TenantID: sampleID(79), Scope: "https://graph.microsoft.com/.default",
		Machine: true, Revealed: "eyJ0eXAiOiJKV1Qi.eyJzYW1wbGUiOnRydWV9.c2lnbmF0dXJl", Issued: sampleNow.Add(-time.Minute), Expires: sampleNow.Add(23 * time.Hour)}
	full := empty
	full.Cards = []AppTokenCard{card, machine}
	full.Tenants = []string{sampleID(79), sampleID(80)}
	full.Identity, full.IdentityID = true, sampleID(6)
	full.Problem = &Problem{Title: "You got no token", What: "The secret is wrong.", Next: "Often the secret's id was copied in place of its value.",
		Mender: "You can mend this yourself.", Code: "AADSTS7000215", Reference: "r-7f3a9c1e52", At: sampleNow}
	full.Form = AppForm{Tenant: sampleID(80), ClientID: sampleID(5), Kind: AppCertificate, Scope: "api://6f2d1c84-5b0e-4f7a-8c93-1d2e3f4a5b6c/user_impersonation", Purpose: "nightly"}

	bad := full
	bad.Form = AppForm{ClientID: hostile, Kind: hostile, Scope: hostile, Purpose: hostile, Resource: hostile}
	bad.Form.LeftOut.ClientID, bad.Form.LeftOut.Scope, bad.Form.LeftOut.Purpose = true, true, true
	worst := card
	worst.Resource, worst.ClientID, worst.Scope, worst.Purpose, worst.API, worst.TenantID = hostile, hostile, hostile, hostile, hostile, hostile
	bad.Cards = []AppTokenCard{worst}

	plain := InspectPage{Page: samplePage(InspectURL), Tabs: TokenTabs(InspectURL), Data: sampleInspectData}
	one := plain
	one.Tokens = []InspectedToken{sampleInspected("Token", sampleClaims())}
	two := plain
	other := sampleClaims()[3:]
	other[0].Value = "1795269999"
	two.Tokens = []InspectedToken{sampleInspected("First token", sampleClaims()), sampleInspected("Second token", other)}
	two.Comparison = []ComparedClaim{{"aud", "api://x", "api://x", ClaimSame}, {"exp", "1", "2", ClaimChanged}, {"scp", "user_impersonation", "", ClaimOnlyFirst}, {"roles", "", "Scan.Request", ClaimOnlySecond}}
	broken := plain
	broken.Tokens = []InspectedToken{{Name: "Token", Problem: &InspectWords{ToneError, "A part is missing", "There are two parts, and a JWT has three."}}}
	strange := plain
	strange.Tokens = []InspectedToken{{Name: hostile, Problem: &InspectWords{ToneError, hostile, hostile}, Notes: []InspectWords{{ToneWarning, hostile, hostile}},
		Claims: []Claim{{Name: hostile, Value: hostile}}, Header: []Claim{{Name: hostile, Value: hostile, Meaning: hostile}}, HeaderText: hostile, PayloadText: hostile}}
	strange.Comparison = []ComparedClaim{{hostile, hostile, hostile, hostile}}

	return map[string]templ.Component{
		"apptokens": AppTokens(empty), "apptokens-full": AppTokens(full), "hostile-apptokens": AppTokens(bad),
		"inspect": Inspect(plain), "inspect-one": Inspect(one), "inspect-two": Inspect(two), "inspect-broken": Inspect(broken), "hostile-inspect": Inspect(strange),
	}
}

func sampleInspected(name string, claims []Claim) InspectedToken {
	return InspectedToken{Name: name, Signature: &InspectWords{ToneSuccess, "Signature: good", "Made by the issuer and not changed since."},
		Notes:   []InspectWords{{ToneWarning, "Milliseconds", "exp is in milliseconds."}},
		Expires: sampleNow.Add(57 * time.Minute), Claims: claims, Header: []Claim{{Name: "alg", Value: "RS256", Meaning: "How it was signed."}},
		HeaderText: "{\n  \"alg\": \"RS256\"\n}", PayloadText: "{\n  \"aud\": \"api://x\"\n}"}
}
