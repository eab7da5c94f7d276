package handlers

import (
	"net/http"
	"strconv"
	"strings"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	recentIssues   = 5  // on the tokens page
	issuesPerPage  = 50 // of the history
	maxHistoryPage = 10_000
)

// history is GET /tokens/history?page=: what was issued, not the tokens.
func (t *tokens) history(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	n, _ := strconv.Atoi(r.URL.Query().Get("page")) // anything else is the first page
	n = min(max(n, 1), maxHistoryPage)
	rows, total, err := t.broker.History(r.Context(), live.User.ID, issuesPerPage, (n-1)*issuesPerPage)
	if err != nil {
		return err
	}
	if last := (total + issuesPerPage - 1) / issuesPerPage; len(rows) == 0 && last > 0 {
		redirect(w, templates.HistoryPageURL(last)) // older rows went meanwhile
		return nil
	}
	page := templates.HistoryPage{Page: t.page(r, "Issued tokens", templates.TokensURL), Tabs: templates.TokenTabs(templates.HistoryURL),
		Rows: t.issueRows(rows, live), Days: entra.HistoryDays}
	from := (n - 1) * issuesPerPage
	page.Pager = templates.Pager{Noun: "tokens", From: from + 1, To: from + len(rows), Total: total}
	if n > 1 {
		page.Pager.PrevURL = templates.HistoryPageURL(n - 1)
	}
	if from+len(rows) < total {
		page.Pager.NextURL = templates.HistoryPageURL(n + 1)
	}
	return t.render(w, r, http.StatusOK, templates.TokenHistory(page))
}

// issueFlows are the ways by which tokens are issued, in words.
var issueFlows = map[string]string{
	entra.FlowSignIn:            "with your sign-in",
	entra.FlowAuthorizationCode: "at the company sign-in",
	entra.FlowRefreshToken:      "silently, with the refresh token",
	entra.FlowSchedule:          "while you were away, for repeated scans",
	entra.FlowHeld:              "held already, asked for once more",
	entra.FlowClientCredentials: "by an application's own credential",
	entra.FlowManagedIdentity:   "by the portal's managed identity",
}

func (t *tokens) issueRows(issues []entra.Issue, live *session.Session) []templates.IssueRow {
	rows := make([]templates.IssueRow, len(issues))
	for i, issue := range issues {
		flow := issueFlows[issue.Flow]
		if flow == "" {
			flow = issue.Flow
		}
		rows[i] = templates.IssueRow{IssuedAt: issue.IssuedAt, Resource: t.resourceName(issue.Resource), Scopes: strings.Fields(issue.Scopes),
			Purpose: said(issue.Purpose), Flow: flow, Expires: issue.ExpiresAt, RevealedAt: issue.RevealedAt, Reveals: issue.Reveals,
			CopiedAt: issue.CopiedAt, Copies: issue.Copies, Device: issue.Device, Here: issue.Session == live.ID}
	}
	return rows
}

// download is GET /tokens/commands/{name}: commands as a file. There is no token
// in it.
func (t *tokens) download(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	commands := t.commands
	commands.TenantID = live.User.TenantID
	name := r.PathValue("name")
	text, ok := commands.CommandFile(name)
	if !ok {
		return errNotFound
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(text)) // a browser that left is no failure of ours
	}
	return nil
}
