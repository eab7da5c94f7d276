package handlers

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// schedules is the area of repeated scans.
type schedules struct {
	*frame
	service       *scan.Service
	subscriptions *subscriptions
	auth          *auth
	delegations   *entra.Delegations
}

// list is GET /scans/schedules.
func (s *schedules) list(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	page := templates.SchedulesPage{Page: s.page(r, "Repeated scans", templates.ScansURL), Tabs: scanTabs(templates.SchedulesURL)}
	page.Flash = s.flash(w, r)
	list, err := s.service.Schedules(ctx, live.User.ID)
	if err != nil {
		return err
	}
	if page.PermissionSince, err = s.service.PermissionKept(ctx, live.User.ID); err != nil {
		return err
	}
	var names map[string]string
	if len(list) > 0 {
		names = s.subscriptions.names(ctx, live)
	}
	for _, one := range list {
		row := scheduleRow(one, names)
		if one.LastScan != "" {
			last, err := s.service.Get(ctx, live.User.ID, one.LastScan)
			switch {
			case err == nil:
				row.LastState = stateOf(last)
			case !apperr.IsKind(err, apperr.NotFound):
				return err
			}
		}
		page.Rows = append(page.Rows, row)
	}
	return s.render(w, r, http.StatusOK, templates.Schedules(page))
}

// scheduleRow puts a schedule into words.
func scheduleRow(one scan.Schedule, names map[string]string) templates.ScheduleRow {
	row := templates.ScheduleRow{ID: string(one.ID), When: planWords(one.Plan), Zone: one.Plan.Zone, State: templates.ScheduleState(one.State),
		LastAt: one.LastAt, LastScan: string(one.LastScan), AgreedAt: one.AgreedAt}
	for _, id := range one.Subscriptions {
		row.Subscriptions = append(row.Subscriptions, cmp.Or(names[id], id))
	}
	if !one.NextAt.IsZero() {
		row.Next = runTime(one.NextAt, one.Plan.Zone)
	}
	switch n := one.Notice; {
	case one.State == scan.ScheduleUnconfirmed:
		row.Notice = &templates.ScheduleNotice{Title: "This scan is not repeated yet", At: one.ChangedAt,
			What: "The portal does not have your permission for it: the visit to the company sign-in was not completed.",
			Next: "Go on to the company sign-in and choose your own account. If you do not, this goes away after a day."}
	case n.Code == scan.NoticeOwner:
		row.Notice = &templates.ScheduleNotice{Title: "A repeated scan waits for you", What: n.Message, Next: n.Next, At: n.At, Renew: true}
	case n.Code != "":
		row.Notice = &templates.ScheduleNotice{Title: "A repeated scan has ended", What: n.Message, Next: n.Next, At: n.At}
	}
	return row
}

func planWords(p scan.Plan) string {
	if p.Every == scan.Weekly {
		return fmt.Sprintf("%ss at %02d:00", p.Weekday, p.Hour)
	}
	return fmt.Sprintf("Daily at %02d:00", p.Hour)
}

// runTime writes a moment in a zone that a plan of the domain has used before.
func runTime(at time.Time, zone string) templates.RunTime {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC // the words say so
	}
	return templates.RunTime{At: at, Text: at.In(loc).Format("Mon, 2 Jan 2006, 15:04 MST")}
}

// formID reads the schedule that a form names.
func formID(r *http.Request) (scan.ID, error) {
	if err := r.ParseForm(); err != nil {
		return "", formError(err)
	}
	return scan.ID(r.PostForm.Get("id")), nil
}

// changing returns the handler of a form with one schedule in it, which does
// something and says so.
func (s *schedules) changing(change func(*scan.Service, context.Context, *session.Session, scan.ID) error, said string) personal {
	return func(w http.ResponseWriter, r *http.Request, live *session.Session) error {
		id, err := formID(r)
		if err != nil {
			return err
		}
		if err := change(s.service, r.Context(), live, id); err != nil {
			return err
		}
		if said != "" {
			s.sessions.AddFlash(w, session.Flash{Good: true, Text: said})
		}
		redirect(w, templates.SchedulesURL)
		return nil
	}
}

func (s *schedules) pause() personal {
	return s.changing(func(service *scan.Service, ctx context.Context, live *session.Session, id scan.ID) error {
		return service.PauseSchedule(ctx, live.User.ID, id)
	}, "The repeated scan is paused. It runs when you resume it.")
}

// resume is POST /scans/schedules/resume.
func (s *schedules) resume(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	return s.goOn(w, r, live, scan.SchedulePaused)
}

func (s *schedules) end() personal {
	return s.changing(func(service *scan.Service, ctx context.Context, live *session.Session, id scan.ID) error {
		return service.EndSchedule(ctx, live.User.ID, id)
	}, "The repeated scan has ended.")
}

func (s *schedules) remove() personal {
	return s.changing(func(service *scan.Service, ctx context.Context, live *session.Session, id scan.ID) error {
		return service.RemoveSchedule(ctx, live.User.ID, id)
	}, "It is removed.")
}

func (s *schedules) dismiss() personal {
	return s.changing(func(service *scan.Service, ctx context.Context, live *session.Session, id scan.ID) error {
		return service.DismissNotice(ctx, live.User.ID, id)
	}, "")
}

// askEnd is GET /scans/schedules/end?id=: what goes.
func (s *schedules) askEnd(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	one, err := s.service.Schedule(ctx, live.User.ID, scan.ID(r.URL.Query().Get("id")))
	if err != nil {
		return err
	}
	if one.State == scan.ScheduleEnded {
		redirect(w, templates.SchedulesURL)
		return nil
	}
	others, err := s.kept(ctx, live)
	if err != nil {
		return err
	}
	page := templates.ScheduleEndPage{Page: s.page(r, "End a repeated scan", templates.ScansURL), Row: scheduleRow(one, s.subscriptions.names(ctx, live)),
		Last: len(others) == 1 && others[0].ID == one.ID}
	return s.render(w, r, http.StatusOK, templates.ScheduleEnd(page))
}

// kept returns the person's schedules that the permission is kept for.
func (s *schedules) kept(ctx context.Context, live *session.Session) ([]scan.Schedule, error) {
	list, err := s.service.Schedules(ctx, live.User.ID)
	return slices.DeleteFunc(list, func(o scan.Schedule) bool {
		return o.State != scan.ScheduleActive && o.State != scan.SchedulePaused
	}), err
}

// askWithdraw is GET /scans/schedules/withdraw: what goes.
func (s *schedules) askWithdraw(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	list, err := s.kept(ctx, live)
	if err != nil {
		return err
	}
	page := templates.ScheduleEndPage{Page: s.page(r, "Take back the permission", templates.ScansURL)}
	names := s.subscriptions.names(ctx, live)
	for _, one := range list {
		page.Rows = append(page.Rows, scheduleRow(one, names))
	}
	return s.render(w, r, http.StatusOK, templates.ScheduleEnd(page))
}

// withdraw is POST /scans/schedules/withdraw.
func (s *schedules) withdraw(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	if err := s.service.WithdrawPermission(r.Context(), live.User.ID); err != nil {
		return err
	}
	s.log.InfoContext(r.Context(), "the permission for repeated scans is taken back", "person", live.User.ID.String())
	s.sessions.AddFlash(w, session.Flash{Good: true, Text: "The permission is erased, and nothing is repeated any more."})
	redirect(w, templates.SchedulesURL)
	return nil
}

// confirm is POST /scans/schedules/confirm: goes on with a schedule that was never
// confirmed.
func (s *schedules) confirm(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	return s.goOn(w, r, live, scan.ScheduleUnconfirmed)
}

// goOn makes a schedule in a state run, with a permission that works: it may have
// gone since it was brought.
func (s *schedules) goOn(w http.ResponseWriter, r *http.Request, live *session.Session, from scan.ScheduleState) error {
	id, err := formID(r)
	if err != nil {
		return err
	}
	one, err := s.service.Schedule(r.Context(), live.User.ID, id)
	if err != nil {
		return err
	}
	if one.State != from {
		redirect(w, templates.SchedulesURL)
		return nil
	}
	return s.permit(w, r, live, id, "")
}

// renew is POST /scans/schedules/renew: a new permission, with the proof that the
// last runs were asked for.
func (s *schedules) renew(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	list, err := s.kept(r.Context(), live)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		redirect(w, templates.SchedulesURL)
		return nil
	}
	claims := ""
	for _, one := range list {
		if one.Notice.Code != scan.NoticeOwner || claims != "" {
			continue
		}
		if last, err := s.service.Get(r.Context(), live.User.ID, one.LastScan); err == nil {
			claims = cmp.Or(last.Problem.Claims, last.Reading.Problem.Claims)
		}
	}
	return s.permit(w, r, live, "", claims)
}
