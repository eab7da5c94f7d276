package handlers

import (
	"cmp"
	"context"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// firstChanges is how many changes of a kind stand on the page of all kinds.
	firstChanges = 10
	// comparedChoices is how many scans are offered to compare with.
	comparedChoices = 50
	// comparedAtOnce bounds the sets that are open and the processors at work for
	// comparing.
	comparedAtOnce = 4
	// aWeek is how far back "last week" is. A scan that is repeated each week ends a
	// little sooner or later, and must not be told apart from itself by that.
	aWeek = 7*24*time.Hour - 12*time.Hour
)

// comparisons is the area of what changed between two scans. A page of a scan
// leads here by [frame.previousOf] and [templates.LastWeek].
type comparisons struct {
	*frame
	service       *scan.Service
	archive       *results.Archive
	subscriptions *subscriptions
	busy          chan struct{} // a place for each comparison at work
}

func newComparisons(f *frame, p Parts, mine *subscriptions) *comparisons {
	return &comparisons{frame: f, service: p.Scans, archive: p.Results, subscriptions: mine, busy: make(chan struct{}, comparedAtOnce)}
}

// kinds are the changes of results, by their names in addresses.
var kinds = map[templates.ChangeKind]results.Change{
	templates.ChangeNew: results.NewFailure, templates.ChangeFixed: results.Fixed, templates.ChangeOpen: results.StillOpen,
	templates.ChangeUndecided: results.Undecided, templates.ChangeUnreported: results.Unreported, templates.ChangeUnknown: results.NotComparable,
}

// compared is two scans, of the same person and put in order of time.
type compared struct {
	older, newer scan.Scan
	old, new     *results.Set
	part         []string // ids of the subscriptions that alone are compared; empty: all
	difference   *results.Difference
	notes        []string
	// problem says why there is no difference.
	problem *templates.Problem
}

// choose is GET /scans/{id}/compare: the choice of a scan to compare with, or the
// way to the one that was chosen.
func (c *comparisons) choose(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	one, err := c.service.Get(ctx, live.User.ID, scan.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	if with := r.URL.Query().Get("with"); with != "" {
		redirect(w, templates.ScanCompareURL(string(one.ID), with))
		return nil
	}
	page := c.newPage(r, &one)
	if page.Choice, err = c.choice(ctx, live.User.ID, string(one.ID), ""); err != nil {
		return err
	}
	return c.render(w, r, http.StatusOK, templates.Compare(page))
}

func (c *comparisons) newPage(r *http.Request, one *scan.Scan) templates.ComparePage {
	return templates.ComparePage{Page: c.page(r, "What changed", templates.ScansURL), Tabs: scanTabs(""), ScanID: string(one.ID)}
}

// partMax is how many subscriptions an address may name that alone are compared.
const partMax = 50

// partOf returns the subscriptions that a request wants compared; none mean all.
func partOf(r *http.Request) []string {
	var part []string
	for _, id := range r.URL.Query()["subscription"] {
		if id = strings.ToLower(strings.TrimSpace(id)); id != "" && len(part) < partMax && !slices.Contains(part, id) {
			part = append(part, id)
		}
	}
	return part
}

// show is GET /scans/{id}/compare/{other}?list=&page=&subscription=.
func (c *comparisons) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	id, other := r.PathValue("id"), r.PathValue("other")
	leave, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	two, err := c.compare(ctx, live.User.ID, scan.ID(id), other, partOf(r))
	if err != nil {
		return err
	}
	page := c.newPage(r, &two.newer)
	page.ScanID, page.Problem, page.Notes = id, two.problem, two.notes
	selected := string(two.older.ID)
	if selected == id {
		selected = string(two.newer.ID)
	}
	if page.Choice, err = c.choice(ctx, live.User.ID, id, selected); err != nil {
		return err
	}
	if two.difference == nil {
		return c.render(w, r, http.StatusOK, templates.Compare(page))
	}
	names := c.subscriptions.names(ctx, live)
	page.Older, page.Newer = compareSide(&two.older, two.old, two.part, names), compareSide(&two.newer, two.new, two.part, names)
	page.AllURL, page.WholeURL = templates.ComparePartURL(id, other, two.part), templates.ScanCompareURL(id, other)
	for _, id := range two.part {
		page.Part = append(page.Part, cmp.Or(names[id], id))
	}
	list := templates.ChangeKind(r.URL.Query().Get("list"))
	if slices.Contains(templates.ChangeKinds(), list) { // anything else is all kinds
		page.Only = list
	}
	n, _ := strconv.Atoi(r.URL.Query().Get("page")) // anything else is the first page
	for _, kind := range templates.ChangeKinds() {
		one := templates.ChangeList{Kind: kind, Count: two.count(kind), URL: templates.CompareListURL(id, other, two.part, kind, 1)}
		if _, ofResults := kinds[kind]; ofResults && one.Count > 0 {
			one.CSVURL = templates.CompareCSVURL(id, other, two.part, kind)
		}
		offset, limit := 0, firstChanges
		if page.Only == kind {
			one.Pager = pageOf(one.Count, n, "changes", func(n int) string { return templates.CompareListURL(id, other, two.part, kind, n) })
			offset, limit = one.Pager.From-1, pageSize
		} else if page.Only != "" {
			limit = 0
		}
		if err := two.fill(&one, offset, limit, names); err != nil {
			return err
		}
		page.Changes = append(page.Changes, one)
	}
	page.Left, page.Doubts = doubts(two.difference, names)
	return c.render(w, r, http.StatusOK, templates.Compare(page))
}

// pageOf returns where a page of a list of so many rows lies.
func pageOf(rows, page int, noun string, address func(page int) string) templates.Pager {
	_, pager := cut(make([]struct{}, rows), page, noun, address)
	return pager
}

// export is GET /scans/{id}/compare/{other}/changes.csv?list=: all results that
// changed in a way, as they are in the newer scan, or in the older one if the
// newer has them not.
func (c *comparisons) export(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	kind := templates.ChangeKind(r.URL.Query().Get("list"))
	change, ofResults := kinds[kind]
	if !ofResults {
		return errNotFound.Becausef("no file of the changes %q", kind)
	}
	done, err := c.downloads.begin(live.User.ID)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := timeout(r)
	defer cancel()
	leave, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave() // when the file is sent: until then both sets are held
	two, err := c.compare(ctx, live.User.ID, scan.ID(r.PathValue("id")), r.PathValue("other"), partOf(r))
	if err != nil {
		return err
	}
	if two.difference == nil {
		return errNotFound.Becausef("nothing to compare: %s", two.problem.Code)
	}
	what := whatOf(subscriptionsOf(two.new.Info()), c.subscriptions.names(ctx, live))
	name := "azts-changes-" + string(kind) + "-" + what + "-" + fileTime(two.older.RequestedAt) + "-to-" + fileTime(two.newer.RequestedAt)
	if two.old.Info().State != results.Whole || two.new.Info().State != results.Whole {
		name += "-incomplete"
	}
	to := newDownload(w, kindCSV, name+".csv")
	return to.end(c.frame, r, results.WriteCSV(to, allChanged(two.difference, change), true))
}

// allChanged reads a list to its end.
func allChanged(d *results.Difference, change results.Change) iter.Seq2[results.Row, error] {
	return func(yield func(results.Row, error) bool) {
		for offset := 0; offset < d.Count(change); offset += results.MaxLimit {
			list, err := d.List(change, offset, results.MaxLimit)
			if err != nil {
				yield(results.Row{}, err)
				return
			}
			for _, one := range list {
				if !yield(*cmp.Or(one.After, one.Before), nil) {
					return
				}
			}
		}
	}
}

// compare reads and compares a scan with another one, or with that of a week
// before, in some subscriptions or in all. What is not the person's is not found,
// on either side.
func (c *comparisons) compare(ctx context.Context, person access.PersonID, id scan.ID, other string, part []string) (compared, error) {
	var two compared
	var err error
	if two.newer, err = c.service.Get(ctx, person, id); err != nil {
		return two, err
	}
	if other == templates.LastWeek {
		list, err := c.archive.List(ctx, person, results.MaxSets)
		if err != nil {
			return two, err
		}
		if !slices.ContainsFunc(list, func(i results.Info) bool { return i.ScanID == string(id) }) {
			_, err := c.open(ctx, person, &two, &two.newer)
			return two, err
		}
		before, note := weekBefore(list, string(id))
		if before == "" {
			two.problem = &templates.Problem{Tone: templates.ToneInfo, Title: "There is nothing to compare with yet", Code: "no_older_scan",
				What: "No scan with these subscriptions, at least a day older and with its results still kept, was found.",
				Next: "Have the scan repeated every day or every week. Then there is always one to compare with."}
			two.problem.Primary = &templates.Action{Label: "Repeat a scan", URL: templates.SchedulesURL}
			return two, nil
		}
		if note != "" {
			two.notes = append(two.notes, note)
		}
		other = before
	}
	if two.older, err = c.service.Get(ctx, person, scan.ID(other)); err != nil {
		return two, err
	}
	if two.older.ID == two.newer.ID {
		two.problem = &templates.Problem{Tone: templates.ToneInfo, Title: "This is one and the same scan", Code: "same_scan",
			What: "A scan does not differ from itself.", Next: "Choose another one below."}
		return two, nil
	}
	if two.older.RequestedAt.After(two.newer.RequestedAt) {
		two.older, two.newer = two.newer, two.older
		two.notes = append(two.notes, "You asked for these scans the other way round. They are compared in order of time, so that “new” is what is new now.")
	}
	if two.old, err = c.open(ctx, person, &two, &two.older); two.old == nil {
		return two, err
	}
	if two.new, err = c.open(ctx, person, &two, &two.newer); two.new == nil {
		return two, err
	}
	for _, side := range []struct {
		which string
		state results.State
	}{{"older", two.old.Info().State}, {"newer", two.new.Info().State}} {
		if !side.state.Ended() {
			two.notes = append(two.notes, "The results of the "+side.which+" scan are still being read. These numbers will change.")
		}
	}
	for _, id := range part {
		if has(two.old.Info(), id) || has(two.new.Info(), id) {
			two.part = append(two.part, id)
		}
	}
	if len(part) > 0 && len(two.part) == 0 {
		two.problem = &templates.Problem{Tone: templates.ToneInfo, Title: "There is nothing to compare", Code: "other_subscriptions",
			What: "Neither scan has a subscription that the address names.", Next: "Compare all subscriptions of the two scans."}
		two.problem.Primary = &templates.Action{Label: "Compare all", URL: templates.ScanCompareURL(string(id), other)}
		return two, nil
	}
	two.difference = results.Compare(two.old, two.new, two.part...)
	return two, nil
}

// enter waits for a place, which leave gives back.
func (c *comparisons) enter(ctx context.Context) (leave func(), err error) {
	select {
	case c.busy <- struct{}{}:
		return func() { <-c.busy }, nil
	case <-ctx.Done():
		return nil, errCompareLate.Because(context.Cause(ctx))
	}
}

var errCompareLate = apperr.New(apperr.Timeout, "compare_late", "Too many scans are being compared at the moment.").
	WithNext(apperr.MenderNobody, "Try again in a minute.").WithRetry()

// open returns the results of one of the two scans, or nil with the reason in
// two.problem.
func (c *comparisons) open(ctx context.Context, person access.PersonID, two *compared, one *scan.Scan) (*results.Set, error) {
	set, err := c.archive.Open(ctx, person, string(one.ID))
	if !apperr.IsKind(err, apperr.NotFound) {
		return set, err
	}
	when := one.RequestedAt.UTC().Format("2 Jan 2006, 15:04 UTC")
	p := templates.Problem{Tone: templates.ToneInfo, Title: "The results of one scan are not there", Code: "results_not_kept",
		What: "The results of the scan of " + when + " are not kept any more: the portal deletes them after " + templates.Count(c.resultsDays, "day") + ".",
		Next: "Choose a newer scan below."}
	switch _, completed, _ := one.Counts(); {
	case !one.State.Ended(), one.Reading.State == scan.ReadRunning, one.Reading.State == scan.ReadWaiting:
		p.Title, p.Code = "The results of one scan are still to come", "results_not_read"
		p.What, p.Next = "The scan of "+when+" is not done, or its results are still being read.", "Come back when it is done. Its page says how far it is."
		p.Primary = &templates.Action{Label: "Open that scan", URL: templates.ScanURL(string(one.ID))}
	case completed == 0:
		p.What = "The scan of " + when + " brought no results: none of its subscriptions was scanned to the end."
		p.Next = "Choose another scan below."
	}
	two.problem = &p
	return nil, nil
}

// count returns how many changes of a kind there are.
func (two *compared) count(kind templates.ChangeKind) int {
	if change, ofResults := kinds[kind]; ofResults {
		return two.difference.Count(change)
	}
	return two.difference.GoneCount()
}

// fill reads a part of a list.
func (two *compared) fill(list *templates.ChangeList, offset, limit int, names map[string]string) error {
	several := len(two.new.Info().Subscriptions) > 1 || len(two.old.Info().Subscriptions) > 1
	in := func(id string) string {
		if !several {
			return ""
		}
		return cmp.Or(names[strings.ToLower(id)], id)
	}
	change, ofResults := kinds[list.Kind]
	if !ofResults {
		for _, g := range two.difference.Gone(offset, limit) {
			list.Gone = append(list.Gone, templates.GoneRow{Name: g.Name, Group: g.Group, ID: g.ID, Subscription: in(g.Subscription), Failed: g.Failed, Rows: g.Rows,
				URL: templates.ScanURL(string(two.older.ID)) + "?" + url.Values{"resource": {cmp.Or(g.ID, g.Name)}}.Encode()})
		}
		return nil
	}
	changed, err := two.difference.List(change, offset, limit)
	for _, one := range changed {
		shown, of := one.After, two.newer.ID
		if shown == nil {
			shown, of = one.Before, two.older.ID
		}
		row := templates.ChangeRow{ControlID: shown.ControlName, Control: shown.ControlDisplayName, Severity: shown.Severity, Resource: shown.ResourceName,
			Group: shown.ResourceGroupName, Subscription: in(shown.SubscriptionID), NotBefore: one.Before == nil, NotNow: one.After == nil,
			URL: templates.ScanResultURL(string(of), shown.Number, "")}
		if one.Before != nil {
			row.Was = one.Before.Status
		}
		if one.After != nil {
			row.Is = one.After.Status
		}
		list.Rows = append(list.Rows, row)
	}
	return err
}

// has reports whether a set is of a subscription.
func has(info results.Info, id string) bool {
	return slices.ContainsFunc(info.Subscriptions, func(s results.Subscription) bool { return s.ID == id })
}

func compareSide(one *scan.Scan, set *results.Set, part []string, names map[string]string) templates.CompareSide {
	side := templates.CompareSide{ScanID: string(one.ID), At: one.RequestedAt}
	for _, s := range set.Info().Subscriptions {
		if len(part) > 0 && !slices.Contains(part, s.ID) {
			continue
		}
		side.Rows, side.Passed, side.Failed = side.Rows+s.Rows, side.Passed+s.Passed, side.Failed+s.Failed
		side.Subscriptions = append(side.Subscriptions, cmp.Or(names[s.ID], s.ID))
	}
	return side
}

// doubtedNames is how many subscriptions a doubt names.
const doubtedNames = 20

// doubts says what a difference leaves out, and what it leaves open.
func doubts(d *results.Difference, names map[string]string) (left, open []templates.CompareDoubt) {
	add := func(out *[]templates.CompareDoubt, text string, ids []string) {
		if len(ids) == 0 {
			return
		}
		one := templates.CompareDoubt{Text: text, More: max(0, len(ids)-doubtedNames)}
		for _, id := range ids[:min(len(ids), doubtedNames)] {
			one.Names = append(one.Names, cmp.Or(names[id], id))
		}
		*out = append(*out, one)
	}
	add(&left, "Only the newer scan has these subscriptions; they are left out:", d.OnlyNew)
	add(&left, "Only the older scan has these subscriptions; they are left out:", d.OnlyOld)
	add(&open, "One of the scans has not all results of these subscriptions. What is missing is not taken for new, fixed or gone:", d.Incomplete)
	if d.Unnamed > 0 {
		open = append(open, templates.CompareDoubt{Text: strconv.Itoa(d.Unnamed) +
			" results of both scans name no control or no resource. Nobody can say which of them belong together."})
	}
	return left, open
}
