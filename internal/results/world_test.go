package results_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mathrand "math/rand/v2"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/store/storetest"
)

// memory keeps records in memory. It passes the suite of the databases.
type memory struct {
	mu       sync.Mutex
	scans    map[string]access.PersonID
	sets     map[string]results.SetRecord
	segments map[string]map[int][]byte
	loads    int // calls of ResultSegments
	// asked before and after each SaveResults, with the number of the call
	failBefore, failAfter func(saves int) error
	saves                 int
	// if set, ResultSegments tells entered of each call, and waits for the end of hold
	entered, hold chan struct{}
}

func newMemory() *memory {
	return &memory{scans: map[string]access.PersonID{}, sets: map[string]results.SetRecord{}, segments: map[string]map[int][]byte{}}
}

func (m *memory) scan(person access.PersonID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := rand.Text()
	m.scans[id] = person
	return id
}

func (m *memory) deleteScan(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.scans, id)
	delete(m.sets, id)
	delete(m.segments, id)
}

func (m *memory) CreateResultSet(_ context.Context, rec results.SetRecord) (results.SetRecord, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner, known := m.scans[rec.ScanID]; !known || owner != rec.Person {
		return results.SetRecord{}, false, results.ErrNotFound
	}
	if old, there := m.sets[rec.ScanID]; there {
		return old, false, nil
	}
	m.sets[rec.ScanID], m.segments[rec.ScanID] = rec, map[int][]byte{}
	return rec, true, nil
}

func (m *memory) SaveResults(_ context.Context, rec results.SetRecord, segment []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.failBefore != nil {
		if err := m.failBefore(m.saves); err != nil {
			return err
		}
	}
	old, there := m.sets[rec.ScanID]
	if !there || old.Person != rec.Person || old.Version != rec.Version-1 {
		return results.ErrConflict
	}
	if segment != nil {
		if _, taken := m.segments[rec.ScanID][rec.Segments-1]; taken {
			return results.ErrConflict
		}
		m.segments[rec.ScanID][rec.Segments-1] = bytes.Clone(segment)
	}
	rec.CreatedAt = old.CreatedAt
	m.sets[rec.ScanID] = rec
	if m.failAfter != nil {
		return m.failAfter(m.saves)
	}
	return nil
}

func (m *memory) LoadResultSet(_ context.Context, person access.PersonID, scanID string) (results.SetRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, there := m.sets[scanID]
	if !there || rec.Person != person {
		return results.SetRecord{}, results.ErrNotFound
	}
	return rec, nil
}

func (m *memory) ResultSegments(ctx context.Context, scanID string, number int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		m.mu.Lock()
		m.loads++
		entered, hold := m.entered, m.hold
		m.mu.Unlock()
		if hold != nil {
			entered <- struct{}{}
			select {
			case <-hold:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
		}
		for i := range number {
			m.mu.Lock()
			segment, there := m.segments[scanID][i]
			m.mu.Unlock()
			if !there {
				yield(nil, results.ErrNotFound)
				return
			}
			if !yield(bytes.Clone(segment), nil) {
				return
			}
		}
	}
}

func (m *memory) ResultSets(_ context.Context, person access.PersonID, limit int) ([]results.SetRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []results.SetRecord
	for _, rec := range m.sets {
		if rec.Person == person {
			out = append(out, rec)
		}
	}
	slices.SortFunc(out, func(a, b results.SetRecord) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ScanID, b.ScanID))
	})
	return out[:min(limit, len(out))], nil
}

func (m *memory) DeleteResultSet(_ context.Context, person access.PersonID, scanID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sets[scanID].Person == person {
		delete(m.sets, scanID)
		delete(m.segments, scanID)
	}
	return nil
}

func (m *memory) DeleteResultSets(_ context.Context, before time.Time, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var old []results.SetRecord
	for _, rec := range m.sets {
		if rec.CreatedAt.Before(before) {
			old = append(old, rec)
		}
	}
	slices.SortFunc(old, func(a, b results.SetRecord) int { return a.CreatedAt.Compare(b.CreatedAt) })
	old = old[:min(limit, len(old))]
	for _, rec := range old {
		delete(m.sets, rec.ScanID)
		delete(m.segments, rec.ScanID)
	}
	return len(old), nil
}

func TestMemoryIsLikeTheDatabases(t *testing.T) {
	m := newMemory()
	storetest.TestResultRecords(t, m, m, m.scan, m.deleteScan)
}

var (
	ann  = access.PersonID{Authority: "tenant", Subject: "ann"}
	bert = access.PersonID{Authority: "tenant", Subject: "bert"}
	noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

const (
	subA = "0f5c0e2a-1111-4222-8333-444455556666"
	subB = "1a6d1f3b-7777-4888-9999-aaaabbbbcccc"
)

// world is an archive over records in memory, with a clock that goes on a minute
// at each look.
type world struct {
	testing.TB
	*results.Archive
	records *memory
	clock   time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, records: newMemory(), clock: noon}
	w.Archive = w.archive(nil, 0)
	return w
}

// archive returns another archive over the same records, with the key of all
// worlds unless one is given.
func (w *world) archive(key []byte, cacheBytes int64) *results.Archive {
	w.Helper()
	if key == nil {
		key = bytes.Repeat([]byte{7}, seal.KeySize)
	}
	ring, err := seal.NewKeyRing(key)
	w.ok(err)
	var mu sync.Mutex
	now := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		w.clock = w.clock.Add(time.Minute)
		return w.clock
	}
	a, err := results.New(results.Config{Records: w.records, Keys: ring, Now: now, CacheBytes: cacheBytes})
	w.ok(err)
	return a
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// begin makes a set of a new scan.
func (w *world) begin(subscriptions ...string) (*results.Writer, string) {
	w.Helper()
	id := w.records.scan(ann)
	writer, err := w.Begin(w.Context(), ann, id, subscriptions)
	w.ok(err)
	return writer, id
}

// keep stores rows as a whole set, in pages of 100, and returns its scan.
func (w *world) keep(rows []azts.Result) string {
	w.Helper()
	writer, id := w.begin(subscriptionsOf(rows)...)
	w.ok(feed(w.Context(), writer, rows, 100))
	_, err := writer.Finish(w.Context())
	w.ok(err)
	return id
}

func (w *world) open(id string) *results.Set {
	w.Helper()
	set, err := w.Open(w.Context(), ann, id)
	w.ok(err)
	return set
}

func subscriptionsOf(rows []azts.Result) []string {
	var out []string
	for i := range rows {
		if !slices.Contains(out, rows[i].SubscriptionID) {
			out = append(out, rows[i].SubscriptionID)
		}
	}
	return out
}

// feed reads rows from where the writer stands to the end: page p of n has the
// token "p".
func feed(ctx context.Context, w *results.Writer, rows []azts.Result, pageSize int) error {
	for _, id := range subscriptionsOf(rows) {
		var own []azts.Result
		for i := range rows {
			if rows[i].SubscriptionID == id {
				own = append(own, rows[i])
			}
		}
		for {
			token, more := w.Next(id)
			if !more {
				break
			}
			page := pageOf(own, token, pageSize)
			if err := w.Add(ctx, id, &page); err != nil {
				return err
			}
		}
	}
	return nil
}

func pageOf(rows []azts.Result, token string, size int) azts.ResultPage {
	number := 0
	if token != "" {
		fmt.Sscan(token, &number)
	}
	from := min(number*size, len(rows))
	to := min(from+size, len(rows))
	page := azts.ResultPage{Results: rows[from:to], TotalRecords: azts.Count{N: len(rows), Known: true}}
	if to < len(rows) {
		page.Next = fmt.Sprint(number + 1)
	}
	return page
}

// controlNames are those that AzTS documents.
var controlNames = sync.OnceValue(func() []string {
	data, err := os.ReadFile("../sandbox/seed/azts-controls.csv")
	if err != nil {
		panic(err)
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n")[1:] {
		out = append(out, strings.SplitN(line, ",", 2)[0])
	}
	return out
})

// generate makes n results like those of a large tenant: ten controls on each
// resource, twenty resources in a group, a reason of its own for each result.
func generate(n int, seed uint64, subscriptions ...string) []azts.Result {
	random := mathrand.New(mathrand.NewPCG(seed, 1))
	names := controlNames()
	kinds := []string{"Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.Compute/virtualMachines", "Microsoft.Web/sites"}
	out := make([]azts.Result, n)
	for i := range out {
		resource := i / 10
		sub := subscriptions[resource*len(subscriptions)/(n/10+1)]
		group := fmt.Sprintf("rg-%s-%04d", []string{"checkout", "ledger", "portal", "lake"}[resource/20%4], resource/20)
		name := fmt.Sprintf("%s%s%05d", []string{"st", "kv", "vm", "app"}[resource%4], []string{"weu", "neu", "sdc"}[resource%3], resource)
		c := (resource%40)*10 + i%10
		control := names[c%len(names)]
		status := []string{"Passed", "Passed", "Passed", "Passed", "Passed", "Passed", "Failed", "Failed", "Verify", "NotApplicable", "Exempted"}[random.IntN(11)]
		r := azts.Result{SubscriptionID: sub, ControlName: control, ControlDisplayName: "Display of " + strings.ReplaceAll(control, "_", " "),
			Status: status, Severity: []string{"High", "Medium", "Low", "Critical", "Medium"}[c%5], ResourceName: name, ResourceGroupName: group,
			ResourceID: "/subscriptions/" + sub + "/resourceGroups/" + group + "/providers/" + kinds[resource%4] + "/" + name,
			IsBaseline: c%3 == 0, StatusReason: fmt.Sprintf("%s was looked at: %d rules of %d let in other networks than those of %s.", name, random.IntN(9), random.IntN(90), group),
			Description: strings.Repeat("What "+control+" is about, and why. ", 6), Category: []string{"Network security", "Data protection", "Access control", "Configuration"}[c%4],
			Remediation: strings.Repeat("Set-AzResource -Name <name> -Property "+control+"\n", 8), OrganizationTenant: "contoso"}
		if status == "Exempted" {
			r.ExceptionWorkflow, r.Justification = "Approved", "Accepted until the migration."
			at := noon.AddDate(0, 0, random.IntN(90))
			r.ExceptionExpiry = azts.Stamp{Time: at, Text: at.Format("01/02/2006 15:04:05")}
		}
		out[i] = r
	}
	return out
}
