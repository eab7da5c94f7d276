package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/reqlog"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// frame is what all areas share: who is signed in, and the frame around a page.
type frame struct {
	sessions    *session.Store
	provider    *entra.Provider
	rules       access.Rules
	groups      *groupAdmins // nil: only the token tells who is an admin
	environment string       // badge, such as "Sandbox"
	notice      string
	version     string
	features    Features
	overTLS     bool // browsers reach us by https
	baseURL     string
	// keepsFailures says that the help desk can look up sign-ins that failed.
	keepsFailures bool
	downloads     downloads
	resultsDays   int // for which the results of a scan are kept
	// opens reports whether a page can be opened at a path, which begins with a slash.
	opens func(path string) bool
	now   func() time.Time
	log   *slog.Logger
}

const themeCookie = "__Host-theme"

// page fills the frame around a page; here is the navigation's current address.
func (f *frame) page(r *http.Request, title, here string) templates.Page {
	p := templates.Page{Title: title, Now: f.now(), Path: localPath(r.URL.RequestURI()), Environment: f.environment,
		Notice: f.notice, Version: f.version, Reference: reqlog.ID(r.Context()), Theme: theme(r)}
	live, err := f.current(r)
	if err != nil || live == nil {
		return p // the page that tells of it needs no person
	}
	p.User = &templates.UserMenu{Name: live.User.DisplayName(), Account: live.User.Account, Tenant: live.User.TenantID,
		SessionEnds: live.EndsAt, SessionMark: mark(live)}
	nav := []templates.NavItem{{Label: "Overview", URL: templates.HomeURL}}
	if f.features.AzTS {
		nav = append(nav, templates.NavItem{Label: "Scans", URL: templates.ScansURL}, templates.NavItem{Label: "Tokens", URL: templates.TokensURL})
	}
	nav = append(nav, templates.NavItem{Label: "Flows", URL: templates.FlowsURL})
	if f.features.Graph {
		nav = append(nav, templates.NavItem{Label: "Access", URL: templates.AccessURL})
		if f.mayBeAdmin(live) {
			nav = append(nav, templates.NavItem{Label: "Admin", URL: templates.AdminURL})
		}
	}
	for i := range nav {
		nav[i].Current = nav[i].URL == here
	}
	p.Nav = nav
	return p
}

// mark tells sessions apart on a page, and, after the dot, their people: a page
// of a session that was replaced learns whether the next is the same person's.
// Both are parts of hashes: they open nothing and name nobody.
func mark(live *session.Session) string {
	person := sha256.Sum256([]byte(live.User.ID.Authority + "\x00" + live.User.ID.Subject))
	encode := base64.RawURLEncoding.EncodeToString
	return encode(live.ID[:6]) + "." + encode(person[:6])
}

func theme(r *http.Request) templates.Theme {
	if c, err := r.Cookie(themeCookie); err == nil {
		switch t := templates.Theme(c.Value); t {
		case templates.ThemeLight, templates.ThemeDark:
			return t
		}
	}
	return templates.ThemeAuto
}

// flash takes the sentence that the last action left, if there is one.
func (f *frame) flash(w http.ResponseWriter, r *http.Request) *templates.Flash {
	left, ok := f.sessions.TakeFlash(w, r)
	if !ok {
		return nil
	}
	tone := templates.ToneSuccess
	if !left.Good {
		tone = templates.ToneWarning
	}
	return &templates.Flash{Tone: tone, Text: left.Text}
}

// pullHeader marks the requests by which an open page keeps itself true.
const pullHeader = "X-Portal-Pull"

// current returns the session of the request, nil for none. What the person did
// puts off the end of the session, what an open page asks by itself does not.
func (f *frame) current(r *http.Request) (*session.Session, error) {
	if r.Header.Get(pullHeader) != "" {
		return f.sessions.Peek(r)
	}
	return f.sessions.Current(r)
}

// personal is a handler for somebody who is signed in.
type personal func(http.ResponseWriter, *http.Request, *session.Session) error

// signedIn guards a handler: anonymous visitors are led to sign in and come
// back to the page they asked for.
func (f *frame) signedIn(h personal) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		live, err := f.current(r)
		if err != nil {
			return err
		}
		if live != nil {
			return h(w, r, live)
		}
		if wantsJSON(r) {
			return signedOutJSON(w)
		}
		back := r.URL.RequestURI()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			back = f.pageOfForm(r)
		}
		redirect(w, templates.LoginURL(localPath(back)))
		return nil
	}
}

// stillSignedIn guards the stream that open pages read: it leads nowhere and does
// not put off the end of the session. 204 tells an EventSource not to come back.
func (f *frame) stillSignedIn(h personal) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		live, err := f.sessions.Peek(r)
		if err != nil {
			return err
		}
		if live == nil {
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return h(w, r, live)
	}
}

func signedOutJSON(w http.ResponseWriter) error {
	writeJSON(w, http.StatusUnauthorized, struct {
		Error string `json:"error"`
	}{"signed_out"})
	return nil
}

// pageOfForm returns the page a form stands on: a form that was sent when the
// session had ended cannot be sent again by a redirect. Browsers name that page
// (Referrer-Policy same-origin). Where it was itself the answer to a form, or is
// not named, it is the nearest page above.
func (f *frame) pageOfForm(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err == nil && from.Host == r.Host && f.opens(from.Path) {
		return from.RequestURI()
	}
	path := r.URL.Path
	if err == nil && from.Host == r.Host {
		path = from.Path
	}
	for !f.opens(path) {
		above := strings.LastIndexByte(path, '/')
		if above <= 0 {
			return templates.HomeURL
		}
		path = path[:above]
	}
	return path
}

// timeout bounds the work for one page that asks other services.
func timeout(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), 25*time.Second)
}
