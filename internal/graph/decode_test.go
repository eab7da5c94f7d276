package graph

import (
	"encoding/json"
	"strings"
	"testing"
	"unsafe"

	"azts.internal/portal/internal/apperr"
)

// TestACutTextLetsGoOfTheRest: of a name of megabytes its beginning is kept, not
// the memory of all of it.
func TestACutTextLetsGoOfTheRest(t *testing.T) {
	whole := strings.Repeat("n", 1<<20)
	if cut := text(whole); len(cut) != MaxText || unsafe.StringData(cut) == unsafe.StringData(whole) {
		t.Errorf("%d bytes, of the same memory", len(cut))
	}
}

// TestAKindOfConsentThatIsNotKnown passes neither for everybody's nor for one
// person's.
func TestAKindOfConsentThatIsNotKnown(t *testing.T) {
	const client, resource, person = "00000001-0000-4000-8000-000000000000", "00000002-0000-4000-8000-000000000000", "00000003-0000-4000-8000-000000000000"
	for raw, want := range map[string]Grant{
		`"consentType":"AllPrincipals","principalId":"` + person + `"`: {TenantWide: true},
		`"consentType":"Principal","principalId":"` + person + `"`:     {PrincipalID: person},
		`"consentType":"Principal","principalId":null`:                 {ForUnknown: true},
		`"consentType":"Everyone","principalId":"` + person + `"`:      {ForUnknown: true},
		`"consentType":7`: {ForUnknown: true},
	} {
		g, ok := decodeGrant(json.RawMessage(`{"id":"g","clientId":"` + client + `","resourceId":"` + resource + `",` + raw + `}`))
		if !ok || g.TenantWide != want.TenantWide || g.ForUnknown != want.ForUnknown || g.PrincipalID != want.PrincipalID {
			t.Errorf("%s: %+v, %v", raw, g, ok)
		}
	}
}

// TestAnEntryThatCannotBeRead: the others are returned, and the list is not whole.
func TestAnEntryThatCannotBeRead(t *testing.T) {
	pages := func(yield func([]json.RawMessage, error) bool) {
		_ = yield([]json.RawMessage{json.RawMessage(`{"id":"00000001-0000-4000-8000-000000000000"}`), json.RawMessage(`{"id":7}`)}, nil) &&
			yield([]json.RawMessage{json.RawMessage(`{"id":"00000002-0000-4000-8000-000000000000"}`)}, nil)
	}
	people, err := gather(pages, decodeUser)
	if len(people) != 2 || !apperr.HasCode(err, "graph_entries_unreadable") {
		t.Errorf("%+v, %v", people, err)
	}
}
