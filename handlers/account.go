package handlers

import (
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// maxClaims is how many people's claims are kept rendered, of some 7 KB each.
const maxClaims = 128

// account is the area of who am I.
type account struct {
	*frame
	scans  *scan.Service // nil where AzTS is not configured
	mu     sync.Mutex
	claims map[session.ID]templates.ClaimRows // of the ID token, which a session never changes
}

// claimsOf returns the claims of the session's ID token.
func (a *account) claimsOf(live *session.Session) templates.ClaimRows {
	a.mu.Lock()
	rows, ok := a.claims[live.ID]
	a.mu.Unlock()
	if ok {
		return rows
	}
	rows = claimRows(entra.DescribeIDToken(live.IDToken))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.claims == nil || len(a.claims) >= maxClaims {
		a.claims = make(map[session.ID]templates.ClaimRows)
	}
	a.claims[live.ID] = rows
	return rows
}

// show is GET /account.
func (a *account) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	page := templates.AccountPage{
		Page: a.page(r, "Account", templates.AccountURL), Name: live.User.DisplayName(), Account: live.User.Account,
		TenantID: live.User.TenantID, ObjectID: live.User.ObjectID, Issuer: live.User.Issuer, Subject: live.User.Subject,
		Roles: a.rolesInWords(live.User), Methods: entra.DescribeMethods(live.User.AMR), SignedInAt: live.SignedInAt,
		IdleEnds: live.EndsAt, SessionEnds: live.ExpiresAt, Device: live.Device,
		Claims: a.claimsOf(live),
	}
	if a.scans != nil {
		var err error
		if page.PermissionSince, err = a.scans.PermissionKept(r.Context(), live.User.ID); err != nil {
			return err
		}
	}
	return a.render(w, r, http.StatusOK, templates.Account(page))
}

// rolesInWords says what the roles mean here.
func (a *account) rolesInWords(u access.User) []string {
	out := make([]string, len(u.Roles))
	for i, role := range u.Roles {
		out[i] = role
		switch role {
		case a.rules.AdminRole:
			out[i] += " (administrator)"
		case a.rules.HelpDeskRole:
			out[i] += " (help desk)"
		}
	}
	return out
}

// sessionsList is GET /account/sessions.
func (a *account) sessionsList(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	list, more, err := a.sessions.SessionsOf(r.Context(), live.User.ID)
	if err != nil {
		return err
	}
	page := templates.SessionsPage{Page: a.page(r, "Your sessions", templates.AccountURL), Sessions: make([]templates.SessionRow, len(list)), More: more}
	page.Flash = a.flash(w, r)
	for i := range list {
		page.Sessions[i] = templates.SessionRow{ID: sessionField(list[i].ID), Device: list[i].Device,
			SignedInAt: list[i].CreatedAt, LastSeen: list[i].LastSeenAt, Current: list[i].ID == live.ID}
	}
	return a.render(w, r, http.StatusOK, templates.Sessions(page))
}

func claimRows(claims []entra.Claim) templates.ClaimRows {
	rows := make([]templates.Claim, len(claims))
	for i, c := range claims {
		rows[i] = templates.Claim{Name: c.Name, Value: c.Value, Meaning: c.Meaning, Time: c.Time}
	}
	return templates.RenderClaims(rows)
}

// sessionField is the id of a session in a form: a hash of the cookie's value,
// which opens nothing.
func sessionField(id session.ID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func parseSessionID(r *http.Request) (session.ID, error) {
	if err := r.ParseForm(); err != nil {
		return session.ID{}, formError(err)
	}
	b, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get("id"))
	if err != nil || len(b) != len(session.ID{}) {
		return session.ID{}, errBadForm.Becausef("session id")
	}
	return session.ID(b), nil
}

// setTheme is POST /account/theme; it needs no session, since colours are no secret.
func (a *account) setTheme(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	chosen := templates.Theme(r.PostForm.Get("theme"))
	maxAge := int(365 * 24 * time.Hour / time.Second)
	if chosen != templates.ThemeLight && chosen != templates.ThemeDark {
		chosen, maxAge = "", -1
	}
	http.SetCookie(w, &http.Cookie{Name: themeCookie, Value: string(chosen), Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	redirect(w, localPath(r.PostForm.Get("return_to")))
	return nil
}
