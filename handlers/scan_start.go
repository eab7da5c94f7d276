package handlers

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// staleForm is how old a scan is that a form leads back to before the person is
// told that nothing new was started: before that they pressed twice.
const staleForm = 10 * time.Second

// choice is what the form of a new scan holds.
type choice struct {
	query   templates.NewScanQuery
	chosen  []string // as they came
	list    string   // pasted
	checked string   // stands for the list that was checked last
	all     bool     // choose all that match as well
}

func readChoice(r *http.Request) (choice, error) {
	if err := r.ParseForm(); err != nil {
		err = formError(err)
		if apperr.IsKind(err, apperr.TooLarge) {
			return choice{}, errListLarge.Because(err)
		}
		return choice{}, err
	}
	f := r.Form
	c := choice{query: templates.NewScanQuery{Text: strings.TrimSpace(f.Get("q")), Only: f.Get("only")}, list: f.Get("list"), checked: f.Get("checked"), all: f.Get("all") != ""}
	c.query.Page, _ = strconv.Atoi(cmp.Or(f.Get("page"), f.Get("at"))) // anything else is the first page
	if f.Get("clear") != "" {
		c.query = templates.NewScanQuery{}
	}
	for _, id := range f["subscription"] {
		if id = strings.TrimSpace(id); id != "" {
			c.chosen = append(c.chosen, id)
		}
	}
	return c, nil
}

var errListLarge = apperr.New(apperr.TooLarge, "list_large", "More was sent than this page takes.").
	WithNext(apperr.MenderPerson, "One scan takes up to "+strconv.Itoa(scan.MaxParts)+" subscriptions. Go back and paste a shorter list.")

// offer is GET /scans/new, and POST where the choice made so far goes along: to
// search, to turn the page, to have a pasted list checked.
func (s *scans) offer(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	c, err := readChoice(r)
	if err != nil {
		return err
	}
	return s.showOffer(w, r, live, http.StatusOK, c, nil)
}

// showOffer renders the choice, after a refused start with why it was refused.
func (s *scans) showOffer(w http.ResponseWriter, r *http.Request, live *session.Session, status int, c choice, refused error) error {
	ctx, cancel := timeout(r)
	defer cancel()
	page := templates.NewScanPage{Page: s.page(r, "New scan", templates.ScansURL), Tabs: scanTabs(templates.NewScanURL), Limit: scan.MaxParts}
	if r.Method == http.MethodPost {
		page.Path = templates.NewScanURL // where to come back to
	}
	page.Flash = s.flash(w, r)
	var err error
	if page.IdempotencyKey, err = formKey(ctx, s.service, live); err != nil {
		return err
	}
	mine := s.subscriptions.of(ctx, live)
	page.Warnings, page.NoRole = mine.warnings, mine.noRole
	if mine.problem != nil {
		page.Warnings = append(page.Warnings, s.problem(ctx, mine.problem, "AzTS did not say how your subscriptions are", live))
	}
	if refused != nil {
		e := apperr.From(refused)
		page.FormError = strings.TrimSpace(e.Message + " " + e.Next)
	}
	chosen := make(map[string]bool, len(c.chosen))
	for _, id := range c.chosen {
		chosen[strings.ToLower(id)] = true
	}
	shown := offered(mine.rows, c.query, s.now())
	page.Paste = pasted(c, mine, chosen)
	if c.all {
		chooseAll(shown, chosen)
	}
	page.Query = c.query
	page.Subscriptions, page.Pager = cut(shown, c.query.Page, "subscriptions", func(n int) string { return strconv.Itoa(n) })
	page.Query.Page = 1 + (page.Pager.From-1)/pageSize
	page.Subscriptions = slices.Clone(page.Subscriptions) // the list is shared; Selected is this page's
	here := make(map[string]bool, len(page.Subscriptions)+len(page.Paste.Marks))
	for i := range page.Subscriptions {
		row := &page.Subscriptions[i]
		here[row.ID] = true
		row.Selected = chosen[row.ID] && row.UsedUpUntil.IsZero()
	}
	for _, mark := range page.Paste.Marks {
		here[mark.ID] = true
	}
	page.Elsewhere = elsewhere(mine.rows, chosen, here)
	for i := range mine.rows {
		if row := &mine.rows[i]; chosen[row.ID] && !row.UsedUpUntil.IsZero() {
			page.UsedUp = append(page.UsedUp, *row)
		}
	}
	page.All = choosable(shown, chosen)
	return s.render(w, r, status, templates.NewScan(page))
}

// offered returns the rows that a query chooses.
func offered(rows []templates.Subscription, q templates.NewScanQuery, now time.Time) []templates.Subscription {
	rows = filter(rows, q.Text)
	midnight := now.UTC().Truncate(24 * time.Hour)
	var keep func(*templates.Subscription) bool
	switch q.Only {
	case templates.OnlyFailing:
		keep = func(row *templates.Subscription) bool { return row.Failed > 0 }
	case templates.OnlyNotToday:
		keep = func(row *templates.Subscription) bool { return row.LastScan.Before(midnight) }
	default:
		return rows
	}
	var out []templates.Subscription
	for i := range rows {
		if keep(&rows[i]) {
			out = append(out, rows[i])
		}
	}
	return out
}

// chooseAll chooses what can be chosen of the rows, as far as one scan takes it.
func chooseAll(rows []templates.Subscription, chosen map[string]bool) {
	for i := range rows {
		if len(chosen) >= scan.MaxParts {
			return
		}
		if rows[i].UsedUpUntil.IsZero() {
			chosen[rows[i].ID] = true
		}
	}
}

// choosable counts the rows that [chooseAll] would choose besides those that are
// chosen.
func choosable(rows []templates.Subscription, chosen map[string]bool) (n int) {
	for i := range rows {
		if rows[i].UsedUpUntil.IsZero() && !chosen[rows[i].ID] {
			n++
		}
	}
	return max(0, min(n, scan.MaxParts-len(chosen)))
}

// elsewhere returns what is chosen and not here, first what is known in the order
// of rows; what is no id is left out, and what is used up is told by itself.
func elsewhere(rows []templates.Subscription, chosen, here map[string]bool) (out []templates.Subscription) {
	known := make(map[string]bool, len(rows))
	for i := range rows {
		known[rows[i].ID] = true
		if chosen[rows[i].ID] && !here[rows[i].ID] && rows[i].UsedUpUntil.IsZero() {
			out = append(out, rows[i])
		}
	}
	var others []string
	for id := range chosen {
		if _, err := azts.ParseSubscriptionID(id); err == nil && !known[id] && !here[id] {
			others = append(others, id)
		}
	}
	slices.Sort(others)
	for _, id := range others {
		out = append(out, templates.Subscription{ID: id})
	}
	return out
}

// formKey is the key of all forms that start scans: the same on each page that a
// person opens until their next scan, and for the minute that starting it may
// take, see scan.Service.LastStarted. With what is chosen it makes the key of a
// scan, see scanKey, so that whoever presses twice, reloads, goes back, has two tabs
// open or a page that is brought up to date meanwhile makes one request.
func formKey(ctx context.Context, service *scan.Service, live *session.Session) (string, error) {
	last, err := service.LastStarted(ctx, live.User.ID)
	if err != nil {
		return "", err
	}
	return digest(live.User.ID, string(last)), nil
}

// scanKey is the idempotency key of a scan: whoever goes back to a form and
// chooses something else wants another scan.
func scanKey(owner access.PersonID, form string, subscriptions []string) string {
	ids := make([]string, len(subscriptions))
	for i, id := range subscriptions {
		ids[i] = strings.ToLower(strings.TrimSpace(id))
	}
	slices.Sort(ids)
	return digest(owner, form, slices.Compact(ids)...)
}

func digest(owner access.PersonID, what string, more ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{owner.Authority, owner.Subject, what}, more...), "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// start is POST /scans: idempotency_key and one subscription per choice. The
// same key and choice lead to the same scan, however often they are posted. A
// list that was pasted and not checked is checked first.
func (s *scans) start(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	c, err := readChoice(r)
	if err != nil {
		return err
	}
	key := r.PostForm.Get("idempotency_key")
	if key == "" {
		return errBadForm.Becausef("no idempotency key")
	}
	if c.unchecked() {
		return s.showOffer(w, r, live, http.StatusOK, c, nil)
	}
	if len(c.chosen) == 0 {
		return s.showOffer(w, r, live, http.StatusUnprocessableEntity, c, errNothingChosen)
	}
	begun, err := s.request(w, r, live, c.chosen, key)
	if begun.ID == "" && apperr.IsKind(err, apperr.Invalid) {
		return s.showOffer(w, r, live, http.StatusUnprocessableEntity, c, err)
	}
	return err
}

var errNothingChosen = apperr.New(apperr.Invalid, "nothing_chosen", "No subscription is chosen.").WithNext(apperr.MenderPerson, "Choose at least one, then start.")

// request asks for a scan and leads to its page, which says how it stands. The
// answer is given whenever the scan that comes back has an id.
func (s *scans) request(w http.ResponseWriter, r *http.Request, live *session.Session, subscriptions []string, form string) (scan.Scan, error) {
	asked := s.now()
	begun, err := s.service.Request(r.Context(), live.User.ID, ownSource{s.broker.SourceOfSession(live.ID)}, subscriptions, scanKey(live.User.ID, form, subscriptions))
	s.subscriptions.forget(live.ID)
	if begun.ID == "" {
		return begun, err
	}
	if asked.Sub(begun.RequestedAt) > staleForm {
		s.sessions.AddFlash(w, session.Flash{Text: "Nothing new was started: you had started this scan of the same subscriptions before. Once it has ended, Scan again starts another."})
	}
	redirect(w, templates.ScanURL(string(begun.ID)))
	return begun, nil
}

// ownSource says in the terms of scans when only the person can help.
type ownSource struct{ *entra.Source }

func (s ownSource) Token(ctx context.Context, scope string) (string, error) {
	token, err := s.Source.Token(ctx, scope)
	var required *entra.InteractionRequired
	if errors.As(err, &required) {
		return "", &scan.OwnerNeeded{Claims: required.Claims, Cause: err}
	}
	return token, err
}

// again is POST /scans/{id}/again: idempotency_key, and of=open for what the scan
// did not complete alone.
func (s *scans) again(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	one, err := s.service.Get(r.Context(), live.User.ID, scan.ID(r.PathValue("id")))
	if err != nil {
		return err
	}
	key := r.PostForm.Get("idempotency_key")
	if key == "" {
		return errBadForm.Becausef("no idempotency key")
	}
	var ids []string
	for _, part := range one.Parts {
		if r.PostForm.Get("of") != "open" || part.State != scan.PartCompleted {
			ids = append(ids, part.SubscriptionID)
		}
	}
	if len(ids) == 0 {
		s.sessions.AddFlash(w, session.Flash{Text: "Nothing was started: this scan completed for all of its subscriptions."})
		redirect(w, templates.ScanURL(string(one.ID)))
		return nil
	}
	_, err = s.request(w, r, live, ids, key+" "+string(one.ID)) // each scan can be repeated
	return err
}
