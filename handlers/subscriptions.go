package handlers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/arm"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// listAge is how old a list of subscriptions may be that is shown again:
	// going back and forth between pages must not ask two services each time.
	listAge = 20 * time.Second
	// listLimit bounds the question to the services, listWait how long a page waits
	// for it that has other things to show.
	listLimit = time.Minute
	listWait  = 8 * time.Second
	// namesWait is how long a page waits for names that it can do without.
	namesWait = time.Second
	// maxRows bounds the rows of all lists that are remembered together, of some
	// 400 bytes each; a list counts as one row more than it has.
	maxRows = 200_000
)

// estate is what we know of a person's subscriptions.
type estate struct {
	rows     []templates.Subscription // worst first
	warnings []templates.Problem
	problem  error // AzTS did not answer; rows have names only
	noRole   bool  // AzTS shows this person nothing
	paste    bool  // the list may lack some
	asOf     time.Time
	old      bool // forgotten: good for names, and where there is no answer
}

// subscriptions joins what Azure and AzTS say of a person's subscriptions.
type subscriptions struct {
	*frame
	azts   *azts.Client
	arm    *arm.Client // nil where there is none
	broker *entra.Broker
	scans  *scan.Service
	pauses *pauses // nil: Azure is asked each time

	closing <-chan struct{} // closed when the process wants to end

	mu    sync.Mutex
	lists map[session.ID]estate // the newest of each, however old
	rows  int                   // of lists, as maxRows counts them
	asked map[session.ID]*asking
}

// asking is one question to the services, for all who wait for its answer.
type asking struct {
	named  chan struct{} // closed when answer has the names of all
	done   chan struct{} // closed when answer is whole
	answer estate        // guarded by mu until done is closed
	stale  bool          // forget was called meanwhile: good for those who waited, no longer
}

// question asks the services, and tells the names alone as soon as it has those
// of all: Azure is often quicker than AzTS.
type question func(ctx context.Context, named func(estate)) estate

// of returns the subscriptions of the signed-in person. It has no error: what is
// missing is part of the answer. Several requests of one session at once ask
// once, and each waits no longer than its ctx lives: then it gets what is known,
// with a problem that says so.
func (s *subscriptions) of(ctx context.Context, live *session.Session) estate {
	return s.shared(ctx, live.ID, s.question(live))
}

func (s *subscriptions) shared(ctx context.Context, id session.ID, ask question) estate {
	for {
		s.mu.Lock()
		known, ok := s.lists[id]
		if ok && !known.old && s.now().Sub(known.asOf) < listAge {
			s.mu.Unlock()
			return known
		}
		one := s.asking(ctx, id, ask)
		fresh := !one.stale
		s.mu.Unlock()
		select {
		case <-one.done:
			if fresh { // else ask again: the answer is of before forget
				return one.answer
			}
			continue
		case <-ctx.Done():
		}
		if !ok {
			s.mu.Lock()
			known = one.answer
			s.mu.Unlock()
		}
		known.problem, known.paste = errListLate.Because(context.Cause(ctx)), true
		return known
	}
}

// names returns the names of a person's subscriptions by id: those last heard
// of, however old, since names hardly change; else those that come within
// namesWait.
func (s *subscriptions) names(ctx context.Context, live *session.Session) map[string]string {
	return s.namesSoon(ctx, live.ID, s.question(live))
}

func (s *subscriptions) namesSoon(ctx context.Context, id session.ID, ask question) map[string]string {
	s.mu.Lock()
	known, ok := s.lists[id]
	if ok {
		s.mu.Unlock()
		return known.names()
	}
	one := s.asking(ctx, id, ask)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, namesWait)
	defer cancel()
	select {
	case <-one.named:
	case <-one.done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return one.answer.names()
}

// asking returns the question of a session that is on its way, or begins it; the
// caller holds mu.
func (s *subscriptions) asking(ctx context.Context, id session.ID, ask question) *asking {
	one := s.asked[id]
	if one == nil {
		one = &asking{named: make(chan struct{}), done: make(chan struct{})}
		if s.asked == nil {
			s.asked = make(map[session.ID]*asking)
		}
		s.asked[id] = one
		go s.lead(context.WithoutCancel(ctx), id, one, ask)
	}
	return one
}

var errListLate = apperr.New(apperr.Timeout, "list_late", "Your subscriptions did not arrive in time.").
	WithNext(apperr.MenderNobody, "Try again in a minute.").WithRetry()

// lead asks for all who wait. It ends with listLimit or with the process, not with
// whoever came first, and who waits goes on whatever happens.
func (s *subscriptions) lead(ctx context.Context, id session.ID, one *asking, ask question) {
	ctx, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	go func() {
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	var e estate
	defer func() {
		if broken := recover(); broken != nil { // a goroutine of its own would end the process
			e = estate{problem: fmt.Errorf("handlers: the list of subscriptions: %v", broken), paste: true}
		}
		e.asOf = s.now()
		s.mu.Lock()
		defer s.mu.Unlock()
		one.answer = e
		delete(s.asked, id)
		if e.problem == nil && len(e.warnings) == 0 {
			e.old = one.stale
			s.remember(id, e)
		}
		close(one.done)
	}()
	e = ask(ctx, func(names estate) {
		s.mu.Lock()
		defer s.mu.Unlock()
		one.answer = names
		close(one.named)
	})
}

// weight is how many rows a list counts as.
func (e estate) weight() int { return len(e.rows) + 1 }

// remember keeps a list; the caller holds mu. What is too old to be shown goes
// first, and where there is still no room the list is not kept.
func (s *subscriptions) remember(id session.ID, e estate) {
	s.drop(id)
	if s.rows+e.weight() > maxRows {
		for old, list := range s.lists {
			if list.old || s.now().Sub(list.asOf) >= listAge {
				s.drop(old)
			}
		}
	}
	if s.rows+e.weight() > maxRows {
		return
	}
	if s.lists == nil {
		s.lists = make(map[session.ID]estate)
	}
	s.lists[id] = e
	s.rows += e.weight()
}

// drop removes a list, if it is there; the caller holds mu.
func (s *subscriptions) drop(id session.ID) {
	if list, ok := s.lists[id]; ok {
		s.rows -= list.weight()
		delete(s.lists, id)
	}
}

// since makes the next list a fresh one if the known one is older than a time,
// such as the end of a scan, whose results it does not count yet.
func (s *subscriptions) since(id session.ID, t time.Time) {
	s.mu.Lock()
	known, ok := s.lists[id]
	s.mu.Unlock()
	if ok && known.asOf.Before(t) {
		s.forget(id)
	}
}

// forget makes the next list a fresh one. The names stay known.
func (s *subscriptions) forget(id session.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.lists[id]; ok {
		known.old = true
		s.lists[id] = known
	}
	if one := s.asked[id]; one != nil {
		one.stale = true
	}
}

// question asks Azure and AzTS for a person's subscriptions.
func (s *subscriptions) question(live *session.Session) question {
	return func(ctx context.Context, named func(estate)) estate { return s.ask(ctx, live, named) }
}

func (s *subscriptions) ask(ctx context.Context, live *session.Session, named func(estate)) estate {
	source := s.broker.SourceOfSession(live.ID)
	var e estate
	byID := make(map[string]*templates.Subscription)
	var ids []string
	add := func(id, name string) {
		if byID[id] == nil {
			byID[id] = &templates.Subscription{ID: id, Name: name}
			ids = append(ids, id)
		}
	}
	key := roleKey{live.ID, listKey}
	wait, on := s.pauses.of(key)
	err := wait.err
	if !on {
		err = s.azure(ctx, source, add)
		s.pauses.note(key, err)
	}
	if err != nil {
		e.paste = true
		e.warnings = append(e.warnings, s.problem(ctx, err, "Azure did not say which subscriptions you have", live))
	}
	if s.arm == nil || e.paste {
		e.paste = true
		for _, id := range s.recent(ctx, live) {
			add(id, "")
		}
	}
	if len(ids) > azts.MaxSummaries {
		ids = ids[:azts.MaxSummaries]
		e.warnings = append(e.warnings, templates.Problem{Tone: templates.ToneWarning, Title: "The list is cut",
			What: "You have more subscriptions than this page shows.", Next: "Paste the id of a subscription that is missing."})
		e.paste = true
	}
	if !e.paste {
		names := estate{rows: make([]templates.Subscription, 0, len(ids))}
		for _, id := range ids {
			names.rows = append(names.rows, *byID[id])
		}
		named(names)
	}
	summaries, err := s.azts.Summaries(ctx, source, ids, nil)
	if err != nil {
		e.problem = err
	}
	for _, sum := range summaries {
		row := byID[sum.SubscriptionID]
		if row == nil {
			continue
		}
		row.Name = cmp.Or(row.Name, sum.SubscriptionName)
		row.AccessLevel = accessLevel(&sum)
		// Nothing scanned is neither 0 % nor 100 %.
		row.Compliance = templates.Compliance{Known: sum.Compliance.Known && !(sum.Total.Known && sum.Total.N == 0), Percent: sum.Compliance.Value}
		row.Passed, row.Failed, row.Total = numberOf(sum.Passed), numberOf(sum.Failed), numberOf(sum.Total)
		row.LastScan = sum.LastModified.Time
		if row.LastScan.IsZero() {
			row.LastScanText = sum.LastModified.Text
		}
	}
	e.noRole = err == nil && len(summaries) == 0
	usage, err := s.scans.Usage(ctx, live.User.ID)
	if err != nil {
		s.log.WarnContext(ctx, "the requests of today cannot be counted", "err", err)
	}
	for _, id := range ids {
		row := *byID[id]
		if err == nil {
			row.ScansToday, row.ScansLimit, row.UsedUpUntil = usage[id].Requests, azts.ScansPerDay, usage[id].UsedUpUntil(s.now())
		}
		e.rows = append(e.rows, row)
	}
	slices.SortStableFunc(e.rows, worstFirst)
	return e
}

// numberOf is below zero where AzTS gave no number: no failures is something else.
func numberOf(c azts.Count) int {
	if !c.Known {
		return -1
	}
	return c.N
}

// accessLevel is how AzTS shows a subscription that it has an answer about: it
// leaves out what it does not show, so an answer without a level is one all the same.
func accessLevel(s *azts.Summary) string { return cmp.Or(s.AccessLevel, "Subscription") }

// worstFirst puts the lowest compliance first, then what was never scanned, then
// what AzTS does not know.
func worstFirst(a, b templates.Subscription) int {
	rank := func(s templates.Subscription) int {
		switch {
		case s.Compliance.Known:
			return 0
		case s.AccessLevel != "":
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Compliance.Percent, b.Compliance.Percent),
		cmp.Compare(b.Failed, a.Failed), cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
}

func (s *subscriptions) azure(ctx context.Context, source azts.TokenSource, add func(id, name string)) error {
	if s.arm == nil {
		return nil
	}
	list, err := s.arm.Subscriptions(ctx, source)
	for _, sub := range list {
		add(sub.ID, sub.Name)
	}
	return err
}

// recent returns the subscriptions of the person's last scans, none when they
// cannot be listed.
func (s *subscriptions) recent(ctx context.Context, live *session.Session) []string {
	ids, err := s.scans.Subscriptions(ctx, live.User.ID)
	if err != nil {
		s.log.WarnContext(ctx, "the subscriptions of recent scans cannot be listed", "err", err)
	}
	return ids
}

// problem makes a panel of an error of a service and logs it.
func (f *frame) problem(ctx context.Context, err error, title string, live *session.Session) templates.Problem {
	e := apperr.From(err)
	f.log.WarnContext(ctx, "a service failed", "what", title, "code", e.Code, "err", err)
	p := templates.Problem{Tone: templates.ToneWarning, Title: title, What: e.Message, Next: e.Next, Mender: menders[e.Mender], Code: e.Code,
		Reference: refOf(ctx), At: f.now()}
	if e.Kind == apperr.Unauthenticated {
		login := templates.LoginOptions{ReturnTo: templates.HomeURL, LoginHint: live.User.Account}
		p.Primary = &templates.Action{Label: "Go to the company sign-in", URL: login.URL()}
	}
	return p
}

// filter keeps the rows whose name or id holds the text.
func filter(rows []templates.Subscription, text string) []templates.Subscription {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return rows
	}
	var out []templates.Subscription
	for _, row := range rows {
		if strings.Contains(strings.ToLower(row.Name), text) || strings.Contains(row.ID, text) {
			out = append(out, row)
		}
	}
	return out
}

// pageSize is how many rows a page of a list shows.
const pageSize = 100

// cut returns one page of rows and where it lies.
func cut[T any](rows []T, page int, noun string, address func(page int) string) ([]T, templates.Pager) {
	return cutBy(rows, pageSize, page, noun, address)
}

// cutBy is cut with another number of rows a page.
func cutBy[T any](rows []T, size, page int, noun string, address func(page int) string) ([]T, templates.Pager) {
	pages := max(1, (len(rows)+size-1)/size)
	page = min(max(page, 1), pages)
	from, to := (page-1)*size, min(page*size, len(rows))
	pager := templates.Pager{Noun: noun, From: from + 1, To: to, Total: len(rows)}
	if page > 1 {
		pager.PrevURL = address(page - 1)
	}
	if page < pages {
		pager.NextURL = address(page + 1)
	}
	return rows[from:to], pager
}
