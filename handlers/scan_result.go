package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// pastScans is in how many scans a result is looked for: each may have to be
	// unpacked whole.
	pastScans = 10
)

// show is GET /scans/{id}/results/{number}?<list>: one result, with its
// neighbours in the list it was opened from.
func (s *findings) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	one, set, err := s.setOf(ctx, r, live)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || strconv.Itoa(number) != r.PathValue("number") {
		return errNoResult.Becausef("number %q", r.PathValue("number"))
	}
	row, found, err := set.Row(number)
	if err != nil {
		return err
	}
	if !found {
		return errNoResult.Because(errors.New("no such row"))
	}
	list, err := readList(r.URL.Query())
	if err != nil {
		return err
	}
	place, err := set.Place(list.Query, number)
	if err != nil {
		return err
	}
	scanID := string(one.ID)
	v := s.result(r, live, scanID, &row, place, list)
	v.SubscriptionName = s.subscriptions.names(ctx, live)[row.SubscriptionID]
	past, err := s.archive.History(ctx, live.User.ID, results.KeyOf(&row.Result), pastScans)
	if err != nil {
		// It is a help to the reader: without it the page is as good.
		s.log.WarnContext(ctx, "the history of a result cannot be read", "err", err)
		v.HistoryNote = "Your other scans cannot be looked through right now."
	} else {
		v.History, v.HistoryNote = pastResults(past, scanID)
	}
	return s.render(w, r, http.StatusOK, templates.ScanResult(v))
}

// result fills the page of a result, but for what only others know.
func (s *findings) result(r *http.Request, live *session.Session, scanID string, row *results.Row, place results.Place, list resultList) templates.ScanResultPage {
	plain := templates.Plain
	title := plain(cmp.Or(row.ControlDisplayName, row.ControlName, "A control without a name"))
	v := templates.ScanResultPage{Page: s.page(r, "", templates.ScansURL), ScanID: scanID, Title: beginning(title, 160), ControlID: plain(row.ControlName),
		Status: row.Status, Severity: row.Severity, Category: plain(row.Category), Baseline: row.IsBaseline, DocsURL: azts.ControlDocs(row.ControlName),
		Description: plain(row.Description), Fix: fixOf(row.Remediation), Resource: plain(row.ResourceName), ResourceID: plain(row.ResourceID), Group: plain(row.ResourceGroupName),
		SubscriptionID: row.SubscriptionID, PortalURL: resourceLink(s.portalHost, live.User.TenantID, row.SubscriptionID, row.ResourceID), Exception: exceptionOf(&row.Result, s.now())}
	v.Reason, v.Evidence = evidenceOf(row.StatusReason)
	v.Reason, v.Evidence = plain(v.Reason), plain(v.Evidence)
	back := list
	if place.Position > 0 {
		v.Place = templates.PlaceIn(place.Position, place.Total, "result")
		back = list.at((place.Position-1)/list.Limit + 1)
	}
	query := list.encode()
	if place.Previous >= 0 {
		v.PreviousURL = templates.ScanResultURL(scanID, place.Previous, query)
	}
	if place.Next >= 0 {
		v.NextURL = templates.ScanResultURL(scanID, place.Next, query)
	}
	v.BackURL = strings.TrimSuffix(back.in(scanID), "#results") + "#" + rowAnchor(row.Number)
	return v
}

// resourceLink returns the address of a resource in the Azure portal, "" where an
// id is none of the subscription: the text comes from strangers.
func resourceLink(portalHost, tenantID, subscriptionID, resourceID string) string {
	segments := strings.Split(resourceID, "/")
	if len(segments) < 3 || segments[0] != "" || !strings.EqualFold(segments[1], "subscriptions") || !strings.EqualFold(segments[2], subscriptionID) || tenantID == "" ||
		slices.ContainsFunc(segments[2:], func(s string) bool { return s == "" || s == "." || s == ".." }) ||
		strings.ContainsFunc(resourceID, func(c rune) bool { return strings.ContainsRune(`?#\%`, c) || unicode.IsSpace(c) || templates.Unseen(c) }) {
		return ""
	}
	link := url.URL{Scheme: "https", Host: portalHost, Path: "/", Fragment: "@" + tenantID + "/resource" + resourceID}
	return link.String()
}

func pastResults(past []results.Past, scanID string) (rows []templates.PastResult, note string) {
	for i := range past {
		p := templates.PastResult{ScanID: past[i].ScanID, Status: past[i].Row.Status, Reason: beginning(templates.Plain(past[i].Row.StatusReason), shownReason), At: past[i].At}
		if p.ScanID != scanID {
			p.URL = templates.ScanResultURL(p.ScanID, past[i].Row.Number, "")
		}
		rows = append(rows, p)
	}
	if len(rows) == 0 {
		return nil, "This result lacks a control or a resource, so it cannot be found in other scans."
	}
	return rows, fmt.Sprintf("This control on this resource, in your last %d scans of the subscription", pastScans)
}

// exceptionOf returns what exempts a result, nil for nothing.
func exceptionOf(r *azts.Result, now time.Time) *templates.Exception {
	if r.ExceptionWorkflow == "" && r.Justification == "" && r.ExceptionExpiry.Text == "" {
		return nil
	}
	e := &templates.Exception{State: templates.Plain(r.ExceptionWorkflow), Justification: templates.Plain(r.Justification), Ends: r.ExceptionExpiry.Time, EndsText: templates.Plain(r.ExceptionExpiry.Text)}
	switch left := e.Ends.Sub(now); {
	case !exempts(r):
		if strings.EqualFold(r.Status, "Failed") {
			e.Warning = &templates.Problem{Tone: templates.ToneInfo, Title: "This exception is not in force",
				What: "It was asked for, but AzTS does not exempt the result: the control counts."}
		}
	case e.Ends.IsZero():
	case left <= 0:
		e.Warning = &templates.Problem{Tone: templates.ToneWarning, Title: "The exception has ended",
			What: "It ended on " + e.Ends.Format("2 January 2006") + ". The control counts again.",
			Next: "Mend what is wrong, or ask for a new exception in AzTS."}
	case left <= soon:
		e.Warning = &templates.Problem{Tone: templates.ToneWarning, Title: "The exception ends " + inDays(left),
			What: "It ends on " + e.Ends.Format("2 January 2006") + ". After that the control counts again.",
			Next: "Mend what is wrong before, or ask for a longer exception in AzTS."}
	}
	return e
}

func inDays(left time.Duration) string {
	switch days := int(left / (24 * time.Hour)); days {
	case 0:
		return "within a day"
	case 1:
		return "in 1 day"
	default:
		return "in " + strconv.Itoa(days) + " days"
	}
}
