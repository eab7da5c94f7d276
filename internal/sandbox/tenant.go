package sandbox

import (
	"net/http"
)

// tenant is the identity tenant: people, registrations, grants, sessions, codes
// and tokens.
type tenant struct {
	s      *Sandbox
	people []*person
	apps   []*application
}

func newTenant(s *Sandbox) *tenant {
	return &tenant{s: s, people: seedPeople(), apps: seedApplications(s.options)}
}

// routes mounts the tenant. Everything that no API of the sandbox claims is its.
func (t *tenant) routes(mux *http.ServeMux) {
}

// person finds somebody by the object id at Contoso or at home.
func (t *tenant) person(oid string) *person {
	for _, p := range t.people {
		if p.id == oid || p.homeID == oid {
			return p
		}
	}
	return nil
}
