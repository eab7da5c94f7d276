package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// azure is what the tenant owns in Azure: subscriptions, role assignments, and
// the AzTS scans and results. Everything but the scans that somebody asked for
// is computed from the seed when it is asked for, so that 5,000 subscriptions
// with 100,000 results each cost nothing at start.
type azure struct {
	s             *Sandbox
	start         time.Time // the hour in which the sandbox began; seeded times count from it
	subscriptions []subscription
	byID          map[string]int // subscription id, lower case

	mu      sync.Mutex
	scans   map[int]*scanRecord // by subscription, only those that were asked about
	buckets map[string]*bucket  // ARM reads by principal
}

func newAzure(s *Sandbox) *azure {
	a := &azure{
		s:       s,
		start:   s.now().UTC().Truncate(time.Hour),
		scans:   map[int]*scanRecord{},
		buckets: map[string]*bucket{},
	}
	a.seedSubscriptions()
	return a
}

// routes mounts the APIs beside the tenant, which has everything that none of
// them claims.
func (a *azure) routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /azts/adhocscan/RequestScan", a.requestScan)
	mux.HandleFunc("POST /azts/adhocscan/subscription/{id}/ControlScanResult", a.controlScanResult)
	mux.HandleFunc("POST /azts/ComplianceSummary/search", a.complianceSummary)
	mux.HandleFunc("GET /arm/subscriptions", a.armSubscriptions)
	mux.HandleFunc("GET /arm/subscriptions/{id}/providers/Microsoft.Authorization/roleAssignments", a.armRoleAssignments)
	mux.HandleFunc("GET /arm/subscriptions/{id}/providers/Microsoft.Authorization/roleDefinitions/{role}", a.armRoleDefinition)
	mux.HandleFunc("GET /arm/subscriptions/{id}/providers/Microsoft.Authorization/roleEligibilityScheduleInstances", a.armEligibilities)
	mux.HandleFunc("GET /arm/providers/Microsoft.Authorization/roleEligibilityScheduleInstances", a.armEligibilities)
	a.graphRoutes(mux)
}

// bodyLimit is the largest request body that the APIs read, in bytes.
const bodyLimit = 1 << 20

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "sandbox: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a failed write means that the client has gone
}

// mix spreads its arguments over 64 bits (splitmix64): the source of every
// seeded choice.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h ^= p
		h += 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// mixString is mix for names.
func mixString(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return mix(h)
}

// guid writes two numbers as a version 4 GUID.
func guid(high, low uint64) string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", high>>32, high>>16&0xffff, high&0xfff, low>>52, low&0xffffffffffff)
}
