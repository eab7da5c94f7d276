package handlers

import (
	"net/http"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// flowTabs are the pages about flows; here is the address of the open one. What
// the help desk alone may see is offered to the help desk alone.
func (f *frame) flowTabs(live *session.Session, here string) []templates.NavItem {
	tabs := []templates.NavItem{{Label: "All flows", URL: templates.FlowsURL}, {Label: "My runs", URL: templates.MyRunsURL}, {Label: "Errors", URL: templates.FlowErrorsURL}}
	if f.helpsOthers(live) {
		tabs = append(tabs, templates.NavItem{Label: "Health", URL: templates.FlowHealthURL}, templates.NavItem{Label: "Failed sign-ins", URL: templates.FlowFailuresURL})
	}
	for i := range tabs {
		tabs[i].Current = tabs[i].URL == here
	}
	return tabs
}

// helpsOthers reports whether somebody is of the help desk, or an admin.
func (f *frame) helpsOthers(live *session.Session) bool {
	return f.rules.IsHelpDesk(live.User) || f.rules.IsAdmin(live.User)
}

// forHelpDesk guards a handler: others are told which role is missing.
func (f *frame) forHelpDesk(h personal) personal {
	return func(w http.ResponseWriter, r *http.Request, live *session.Session) error {
		if f.helpsOthers(live) {
			return h(w, r, live)
		}
		f.log.WarnContext(r.Context(), "not of the help desk", "person", live.User.ID, "path", pathShown(r.URL.Path))
		return apperr.New(apperr.Forbidden, "role_missing", "This page is for the help desk, and your sign-in does not say that you are of it.").
			WithNext(apperr.MenderAdmin, "You need the role "+f.rules.HelpDeskRole+". Whoever assigns roles in Entra can give it to you; then sign out and in again.")
	}
}
