package storetest

import (
	"crypto/rand"
	"reflect"
	"strconv"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
)

// newIssue returns a token that the history takes.
func newIssue(at time.Time) entra.SealedToken {
	token := newToken("api://a/b api://a/c")
	token.IssueID, token.Scopes, token.Purpose, token.Flow, token.IssuedAt = rand.Text(), "openid api://a/b api://a/c", "Nightly 'report'", entra.FlowRefreshToken, at
	return token
}

func (w *world) issues(limit, offset int) ([]entra.Issue, int) {
	w.Helper()
	list, total, err := w.b.Issues(w.Context(), w.person, limit, offset)
	w.ok(err)
	return list, total
}

func issueWhole(w *world) {
	recs := w.create(w.newRecord(), w.newRecord())
	token := newIssue(start)
	w.ok(w.a.SaveTokens(w.Context(), recs[1].ID, token, newToken("not issued"), newToken("")))
	list, total := w.issues(10, 0)
	want := entra.Issue{ID: token.IssueID, Session: recs[1].ID, Device: recs[1].Device, Resource: "api://a", Scopes: token.Scopes,
		Purpose: token.Purpose, Flow: token.Flow, IssuedAt: start, ExpiresAt: token.ExpiresAt}
	if total != 1 || len(list) != 1 || !reflect.DeepEqual(list[0], want) {
		w.Errorf("the history is %+v of %d, want %+v", list, total, want)
	}
	// What begins with a session is issued too.
	next := w.newRecord()
	w.ok(w.a.CreateSession(w.Context(), next, []session.SealedToken{session.SealedToken(newIssue(start.Add(time.Second)))}))
	if list, _ := w.issues(10, 0); len(list) != 2 || list[0].Session != next.ID {
		w.Errorf("a session's first token is not in the history: %+v", list)
	}
}

func issuesPaged(w *world) {
	rec := w.create(w.newRecord())[0]
	for i := range 5 {
		token := newIssue(start.Add(time.Duration(i) * time.Second))
		token.Purpose = strconv.Itoa(i)
		w.ok(w.a.SaveTokens(w.Context(), rec.ID, token))
	}
	var got string
	for _, page := range [][2]int{{2, 0}, {2, 2}, {2, 4}, {2, 6}} {
		list, total := w.issues(page[0], page[1])
		if total != 5 {
			w.Errorf("%d in all", total)
		}
		for _, issue := range list {
			got += issue.Purpose
		}
		got += "|"
	}
	if got != "43|21|0||" {
		w.Errorf("pages of two are %s", got)
	}
}

func issueOfRefusedToken(w *world) {
	rec := w.create(w.newRecord())[0]
	broken := newToken("broken")
	broken.Sealed = nil
	if err := w.a.SaveTokens(w.Context(), rec.ID, newIssue(start), broken); err == nil {
		w.Fatal("a token without content was saved")
	}
	if err := w.a.SaveTokens(w.Context(), w.newRecord().ID, newIssue(start)); err == nil {
		w.Fatal("a token of no session was saved")
	}
	if list, total := w.issues(10, 0); total != 0 {
		w.Errorf("tokens that nobody got are in the history: %+v", list)
	}
}

func issueOutlivesSession(w *world) {
	rec := w.create(w.newRecord())[0]
	w.ok(w.a.SaveTokens(w.Context(), rec.ID, newIssue(start)))
	_, err := w.a.DeleteSession(w.Context(), rec.ID)
	w.ok(err)
	if list, total := w.issues(10, 0); total != 1 || list[0].Device != rec.Device || list[0].Session != rec.ID {
		w.Errorf("after the end of the session: %+v", list)
	}
}

func issueMarked(w *world) {
	rec := w.create(w.newRecord())[0]
	token := newIssue(start)
	w.ok(w.a.SaveTokens(w.Context(), rec.ID, token))
	for i := range 3 {
		w.ok(w.a.MarkIssue(w.Context(), w.person, token.IssueID, entra.Revealed, start.Add(time.Duration(i+1)*time.Minute)))
	}
	w.ok(w.a.MarkIssue(w.Context(), w.person, token.IssueID, entra.Copied, start.Add(time.Hour)))
	w.ok(w.a.MarkIssue(w.Context(), w.person, "unknown", entra.Copied, start))
	if err := w.a.MarkIssue(w.Context(), w.person, token.IssueID, entra.Use(9), start); err == nil {
		w.Error("an unknown use was noted")
	}
	list, _ := w.issues(1, 0)
	if got := list[0]; !got.RevealedAt.Equal(start.Add(time.Minute)) || got.Reveals != 3 || !got.CopiedAt.Equal(start.Add(time.Hour)) || got.Copies != 1 {
		w.Errorf("noted: %+v", got)
	}
}

// issueOfOthers: whoever learns an id of somebody else's can change nothing by it.
func issueOfOthers(w *world) {
	rec := w.create(w.newRecord())[0]
	token := newIssue(start)
	token.Purpose = ""
	w.ok(w.a.SaveTokens(w.Context(), rec.ID, token))
	other := access.PersonID{Authority: w.person.Authority, Subject: w.person.Subject + "x"}
	w.ok(w.a.MarkIssue(w.Context(), other, token.IssueID, entra.Revealed, start))
	if list, total, err := w.b.Issues(w.Context(), other, 10, 0); err != nil || total != 0 || len(list) != 0 {
		w.Errorf("somebody else reads %+v, %v", list, err)
	}
	if list, _ := w.issues(1, 0); list[0].Reveals != 0 || list[0].Purpose != "" {
		w.Errorf("somebody else wrote %+v", list[0])
	}
}
