package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	shownRuns    = 3
	namedInvalid = 3 // ids that are named in a refusal
	defaultHour  = 6
)

// zones are offered; any other of the time zone database is taken.
var zones = []string{"UTC", "Europe/London", "Europe/Lisbon", "Europe/Dublin", "Europe/Paris", "Europe/Berlin", "Europe/Zurich", "Europe/Vienna", "Europe/Madrid",
	"Europe/Rome", "Europe/Amsterdam", "Europe/Brussels", "Europe/Stockholm", "Europe/Copenhagen", "Europe/Oslo", "Europe/Helsinki", "Europe/Warsaw", "Europe/Prague",
	"Europe/Budapest", "Europe/Bucharest", "Europe/Athens", "Europe/Istanbul", "Europe/Kyiv", "Africa/Cairo", "Africa/Johannesburg", "Africa/Lagos", "Africa/Nairobi",
	"Asia/Jerusalem", "Asia/Dubai", "Asia/Karachi", "Asia/Kolkata", "Asia/Dhaka", "Asia/Bangkok", "Asia/Singapore", "Asia/Hong_Kong", "Asia/Shanghai", "Asia/Tokyo",
	"Asia/Seoul", "Australia/Perth", "Australia/Sydney", "Pacific/Auckland", "America/Sao_Paulo", "America/Argentina/Buenos_Aires", "America/Halifax", "America/New_York",
	"America/Toronto", "America/Chicago", "America/Mexico_City", "America/Denver", "America/Los_Angeles", "America/Vancouver", "America/Anchorage", "Pacific/Honolulu"}

// typedPlan reads a plan as it was typed: what is no number makes no plan.
func typedPlan(form url.Values) scan.Plan {
	whole := func(name string) int {
		n, err := strconv.Atoi(form.Get(name))
		if err != nil {
			return -1
		}
		return n
	}
	p := scan.Plan{Every: scan.Cadence(form.Get("every")), Hour: whole("hour"), Zone: strings.TrimSpace(form.Get("zone"))}
	if p.Every == scan.Weekly {
		p.Weekday = time.Weekday(whole("weekday"))
	}
	return p
}

// nextRuns returns the next runs of a plan.
func nextRuns(p scan.Plan, after time.Time) (runs []templates.RunTime, err error) {
	for range shownRuns {
		if after, err = p.Next(after); err != nil {
			return nil, err
		}
		runs = append(runs, runTime(after, p.Zone))
	}
	return runs, nil
}

// runs is GET /scans/schedules/runs: the next runs of a plan, for the form's script.
func (s *schedules) runs(w http.ResponseWriter, r *http.Request, _ *session.Session) error {
	type run struct {
		At   time.Time `json:"at"`
		Text string    `json:"text"`
	}
	answer := struct {
		Runs  []run  `json:"runs"`
		Error string `json:"error,omitempty"`
	}{Runs: []run{}}
	next, err := nextRuns(typedPlan(r.URL.Query()), s.now())
	if err != nil {
		answer.Error = apperr.From(err).Message
	}
	for _, one := range next {
		answer.Runs = append(answer.Runs, run(one))
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// create is GET /scans/schedules/new?from=: the form, with the subscriptions of a
// scan chosen.
func (s *schedules) create(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	form := url.Values{"every": {string(scan.Daily)}, "weekday": {"1"}, "hour": {strconv.Itoa(defaultHour)}, "zone": {"UTC"}}
	form["subscription"] = r.URL.Query()["subscription"]
	if from := r.URL.Query().Get("from"); from != "" {
		one, err := s.service.Get(r.Context(), live.User.ID, scan.ID(from))
		if err != nil {
			return err
		}
		for i := range one.Parts {
			form.Add("subscription", one.Parts[i].SubscriptionID)
		}
	}
	return s.show(w, r, live, scheduleForm{form: form, fresh: true})
}

// scheduleForm is the form as it was sent, and what is wrong with it.
type scheduleForm struct {
	form    url.Values
	fresh   bool // never sent
	chosen  []string
	invalid []string // typed ids that are none
	none    bool     // nothing is chosen
	plan    scan.Plan
	planErr error
	noYes   bool
	refused error // by the domain
}

// read looks at what was typed.
func (f *scheduleForm) read(now time.Time) {
	f.chosen = nil
	for _, id := range f.form["subscription"] {
		if good, err := azts.ParseSubscriptionID(id); err == nil {
			f.chosen = append(f.chosen, good)
		}
	}
	for _, e := range entriesOf(f.form.Get("ids"), scan.MaxParts+1) { // of one too many the domain tells
		if e.id == "" {
			f.invalid = append(f.invalid, shortened(e.written)+" (line "+strconv.Itoa(e.line)+")")
		} else {
			f.chosen = append(f.chosen, e.id)
		}
	}
	f.plan = typedPlan(f.form)
	_, f.planErr = f.plan.Next(now)
}

func (f *scheduleForm) wrong() bool {
	return f.none || len(f.invalid) > 0 || f.planErr != nil || f.noYes || f.refused != nil
}

// add is POST /scans/schedules: do=save stores the schedule and leads on, anything
// else shows the form once more, as it was sent.
func (s *schedules) add(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	f := scheduleForm{form: r.PostForm}
	f.read(s.now())
	if r.PostForm.Get("do") != "save" {
		f.invalid = nil // not asked for yet
		return s.show(w, r, live, f)
	}
	f.none, f.noYes = len(f.chosen) == 0, r.PostForm.Get("agreed") != "yes"
	key := r.PostForm.Get("key")
	if key == "" {
		return errBadForm.Becausef("no key")
	}
	if f.wrong() {
		return s.show(w, r, live, f)
	}
	one, err := s.service.AddSchedule(r.Context(), live.User.ID, scan.Wish{Subscriptions: f.chosen, Plan: f.plan, Agreed: true, Key: key})
	switch {
	case apperr.IsKind(err, apperr.Invalid) || apperr.IsKind(err, apperr.Conflict):
		f.refused = err
		return s.show(w, r, live, f)
	case err != nil:
		return err
	case one.State != scan.ScheduleUnconfirmed: // the same form once more
		redirect(w, templates.SchedulesURL)
		return nil
	}
	return s.permit(w, r, live, one.ID, "")
}

// show renders the form with what was typed. Nothing of it is lost.
func (s *schedules) show(w http.ResponseWriter, r *http.Request, live *session.Session, f scheduleForm) error {
	ctx, cancel := timeout(r)
	defer cancel()
	page := templates.ScheduleFormPage{Page: s.page(r, "Repeat a scan", templates.ScansURL), Key: f.form.Get("key"), Zones: zones,
		Query: f.form.Get("q"), IDs: f.form.Get("ids"), Every: f.form.Get("every"), Zone: f.form.Get("zone"), ZoneAsked: !f.fresh,
		Agreed: f.form.Get("agreed") == "yes", AgreeError: f.noYes}
	if page.Key == "" {
		page.Key = reqlog.NewID() + reqlog.NewID()
	}
	page.Weekday, _ = strconv.Atoi(f.form.Get("weekday")) // what is no number is refused with the plan
	page.Hour, _ = strconv.Atoi(f.form.Get("hour"))
	var err error
	if page.PermissionSince, err = s.service.PermissionKept(ctx, live.User.ID); err != nil {
		return err
	}
	if page.Runs, err = nextRuns(typedPlan(f.form), s.now()); err != nil {
		e := apperr.From(err)
		page.PlanError = e.Message + " " + e.Next
	}
	s.choices(ctx, live, &f, &page)
	status := http.StatusOK
	if f.wrong() {
		status = http.StatusUnprocessableEntity
	}
	if f.refused != nil {
		e := apperr.From(f.refused)
		page.Problem = &templates.Problem{Title: "Nothing is repeated yet", What: e.Message, Next: e.Next, Code: e.Code}
	}
	switch {
	case len(f.invalid) > 0:
		page.IDsError = "These are no ids of subscriptions: " + strings.Join(f.invalid[:min(len(f.invalid), namedInvalid)], ", ")
		if more := len(f.invalid) - namedInvalid; more > 0 {
			page.IDsError += " and " + strconv.Itoa(more) + " more"
		}
		page.IDsError += "."
	case f.none:
		page.IDsError = "No subscription is chosen. Tick one above, or write its id here."
	}
	return s.render(w, r, status, templates.ScheduleForm(page))
}

// choices fills in the subscriptions to choose from.
func (s *schedules) choices(ctx context.Context, live *session.Session, f *scheduleForm, page *templates.ScheduleFormPage) {
	mine := s.subscriptions.of(ctx, live)
	page.Warnings = mine.warnings
	if mine.problem != nil {
		page.Warnings = append(slices.Clone(page.Warnings), s.problem(ctx, mine.problem, "AzTS did not say how your subscriptions are", live))
	}
	ticked := map[string]bool{}
	for _, id := range f.form["subscription"] {
		if good, err := azts.ParseSubscriptionID(id); err == nil && len(ticked) < scan.MaxParts+1 {
			ticked[good] = true
		}
	}
	found := filter(mine.rows, page.Query)
	page.Found = len(found)
	page.Choices = slices.Clone(found[:min(len(found), pageSize)]) // the list is shared; Selected is this page's
	for i := range page.Choices {
		page.Choices[i].Selected = ticked[page.Choices[i].ID]
		delete(ticked, page.Choices[i].ID)
	}
	for _, row := range mine.rows {
		if ticked[row.ID] {
			page.Elsewhere = append(page.Elsewhere, row)
			delete(ticked, row.ID)
		}
	}
	for _, id := range f.form["subscription"] { // of which nothing is known
		if good, err := azts.ParseSubscriptionID(id); err == nil && ticked[good] {
			page.Elsewhere = append(page.Elsewhere, templates.Subscription{ID: good})
			delete(ticked, good)
		}
	}
}
