package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// freshPermission is how long ago the kept permission must have worked to be taken
// for working.
const freshPermission = time.Minute

// permit makes a schedule of the person run: at once, if the permission that is
// kept for them works, else by a visit to the provider. With an empty id it renews
// the permission, and claims is what the provider wants for it. The schedule stays
// unconfirmed where the visit does not begin.
func (s *schedules) permit(w http.ResponseWriter, r *http.Request, live *session.Session, id scan.ID, claims string) error {
	ctx, cancel := timeout(r)
	defer cancel()
	if id != "" {
		// Not one from memory: whether the kept one works is the question.
		_, err := s.delegations.Token(ctx, live.User.ID, s.now().Add(-freshPermission))
		var needed *entra.InteractionRequired
		switch {
		case err == nil:
			if err := s.service.ConfirmSchedule(ctx, live.User.ID, id); err != nil {
				return err
			}
			s.sessions.AddFlash(w, repeatedFlash(ctx, s.service, live.User.ID, id))
			redirect(w, templates.SchedulesURL)
			return nil
		case errors.As(err, &needed):
			claims = needed.Claims
		case errors.Is(err, entra.ErrNoDelegation) || errors.Is(err, entra.ErrDelegationRefused):
		default:
			return s.notNow(w, r, id, err)
		}
	}
	if err := s.auth.visitForPermission(w, r, live, id, claims); err != nil {
		return s.notNow(w, r, id, err)
	}
	return nil
}

// repeatedFlash says what became of a schedule once its permission is there; with
// an empty id, of the permission.
func repeatedFlash(ctx context.Context, service *scan.Service, person access.PersonID, id scan.ID) session.Flash {
	if id == "" {
		return session.Flash{Good: true, Text: "The permission is renewed. Your repeated scans go on."}
	}
	// It may have ended on another page meanwhile.
	if one, err := service.Schedule(ctx, person, id); err != nil || one.State != scan.ScheduleActive {
		return session.Flash{Text: "That scan is not repeated: it was changed meanwhile. Below is how it stands."}
	}
	return session.Flash{Good: true, Text: "Your scan is repeated from now on. Below is when it runs next."}
}

// notNow leads back to the list when the provider cannot be reached: the schedule
// is there, and can be gone on with.
func (s *schedules) notNow(w http.ResponseWriter, r *http.Request, id scan.ID, err error) error {
	switch e := apperr.From(err); e.Kind {
	case apperr.Unavailable, apperr.Timeout, apperr.BadGateway:
		s.log.WarnContext(r.Context(), "the provider gives no permission for repeated scans", "code", e.Code, "err", err)
		text := e.Message + " The scan is not repeated yet. Go on in a minute."
		if id == "" {
			text = e.Message + " The permission is not renewed. Try again in a minute."
		}
		s.sessions.AddFlash(w, session.Flash{Text: text})
		redirect(w, templates.SchedulesURL)
		return nil
	}
	return err
}

// visitForPermission sends a signed-in person to the provider for a grant of its
// own: what it brings is kept for their schedules and does not go into the session.
func (a *auth) visitForPermission(w http.ResponseWriter, r *http.Request, live *session.Session, id scan.ID, claims string) error {
	responseType := a.signIn.ResponseType
	if !entra.HasCode(responseType) {
		responseType = "code"
	}
	scopes := append(slices.Clone(openIDScopes), a.delegations.Scopes()...)
	again := "" // only a step-up sends it once more
	if a.signIn.RequireMFA {
		again = claims
	}
	return a.visit(w, r, session.Flow{Purpose: purposeSchedule, ResponseType: responseType, Scopes: scopes, Reason: string(id),
		Challenge: entra.ChallengeID(claims), Claims: again, ReturnTo: templates.SchedulesURL},
		entra.Authorization{Scopes: scopes, Claims: claims, LoginHint: hint(live.User.Account)})
}

// keepPermission keeps what such a visit brought, and lets the schedule run that
// it was for. Who answered has been compared with who asked.
func (a *auth) keepPermission(w http.ResponseWriter, r *http.Request, flow session.Flow, identity *entra.Identity) error {
	person := identity.User.ID
	if err := a.delegations.Keep(r.Context(), identity.User, identity.Tokens); err != nil {
		return a.refuse(flow, err)
	}
	ctx := context.WithoutCancel(r.Context()) // what is kept must be for something, though the browser left
	if err := a.scans.ConfirmSchedule(ctx, person, scan.ID(flow.Reason)); err != nil {
		return a.refuse(flow, err)
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "a permission for repeated scans is kept", slog.String("person", person.String()), slog.String("schedule", flow.Reason))
	a.wake(ctx, a.scans, person)
	a.sessions.AddFlash(w, repeatedFlash(ctx, a.scans, person, scan.ID(flow.Reason)))
	redirect(w, localPath(flow.ReturnTo))
	return nil
}
