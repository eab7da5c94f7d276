package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// resultsPerPage is AzTS's own page size (azts.md).
const resultsPerPage = 100

// latestResults is the area of reading the latest results of a subscription.
type latestResults struct {
	*frame
	azts          *azts.Client
	subscriptions *subscriptions
	broker        *entra.Broker
	portalHost    string // of the Azure portal in this cloud
}

// show is GET /subscriptions/{id}/results?skip=&page=: one page of AzTS's own.
func (s *latestResults) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	id, err := azts.ParseSubscriptionID(r.PathValue("id"))
	if err != nil {
		return errNotFound.Because(err)
	}
	q := r.URL.Query()
	skip := q.Get("skip")
	if len(skip) > azts.MaxSkipToken {
		return errBadForm.Becausef("skip token of %d bytes", len(skip))
	}
	number, _ := strconv.Atoi(q.Get("page")) // for display only
	number = min(max(number, 1), azts.MaxResultPages)
	// Where the person came from is where the crumbs lead back to.
	area := templates.HomeURL
	if q.Get("scan") != "" {
		area = templates.ScansURL
	}
	page := templates.ResultsPage{Page: s.page(r, "Results", area), SubscriptionID: id,
		CSVURL: templates.SubscriptionResultsCSVURL(id, templates.ResultsQuery{})}
	if scan := q.Get("scan"); scan != "" {
		page.ScanURL = templates.ScanURL(scan)
	}
	listed, stop := context.WithTimeout(ctx, listWait) // the results themselves are to come yet
	mine := s.subscriptions.of(listed, live)
	stop()
	for _, row := range mine.rows {
		if row.ID == id {
			page.SubscriptionName, page.Compliance, page.LastScan = row.Name, row.Compliance, row.LastScan
			page.Passed, page.Failed, page.Total = row.Passed, row.Failed, row.Total
		}
	}
	answer, err := s.azts.Results(ctx, s.broker.SourceOfSession(live.ID), id, azts.ResultQuery{}, skip)
	if err != nil {
		p := s.problem(ctx, err, "AzTS did not give the results", live)
		page.Problem, page.CSVURL = &p, ""
		return s.render(w, r, http.StatusOK, templates.Results(page))
	}
	if answer.Skipped > 0 {
		page.Warnings = append(page.Warnings, templates.Problem{Tone: templates.ToneWarning, Title: "Some rows are missing",
			What: fmt.Sprintf("%d rows of this page could not be read, or belong to another subscription.", answer.Skipped)})
	}
	for i := range answer.Results {
		page.Rows = append(page.Rows, s.row(live, &answer.Results[i]))
	}
	from := (number-1)*resultsPerPage + 1
	page.Pager = templates.Pager{Noun: "results", From: from, To: from + len(page.Rows) - 1, Total: answer.TotalRecords.N}
	back := templates.ResultsQuery{Scan: q.Get("scan")}
	if answer.Next != "" {
		page.Pager.NextURL = templates.SubscriptionResultsURL(id, templates.ResultsQuery{Scan: back.Scan, Skip: answer.Next, Page: number + 1})
	}
	if skip != "" {
		// AzTS's tokens lead forward only; the way back is the first page.
		page.Pager.PrevURL = templates.SubscriptionResultsURL(id, back)
	}
	return s.render(w, r, http.StatusOK, templates.Results(page))
}

func (s *latestResults) row(live *session.Session, v *azts.Result) templates.Result {
	row := templates.Result{ControlID: v.ControlName, Control: v.ControlDisplayName, Status: v.Status, Severity: v.Severity,
		Resource: v.ResourceName, Group: v.ResourceGroupName, ResourceID: v.ResourceID, Reason: v.StatusReason, Description: v.Description,
		Remediation: v.Remediation, Category: v.Category, Baseline: v.IsBaseline, ExceptionState: v.ExceptionWorkflow,
		ExceptionExpiry: v.ExceptionExpiry.Text, Justification: v.Justification,
		PortalURL: resourceLink(s.portalHost, live.User.TenantID, v.SubscriptionID, v.ResourceID)}
	return row
}

// export is GET /subscriptions/{id}/results.csv: all pages, one after the other,
// as UTF-8 with a byte order mark, by which Excel knows it.
func (s *latestResults) export(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	id, err := azts.ParseSubscriptionID(r.PathValue("id"))
	if err != nil {
		return errNotFound.Because(err)
	}
	done, err := s.downloads.begin(live.User.ID)
	if err != nil {
		return err
	}
	defer done()
	to := newDownload(w, kindCSV, "azts-"+id+"-"+s.now().UTC().Format("20060102-1504")+".csv")
	pages := s.azts.AllResults(r.Context(), s.broker.SourceOfSession(live.ID), id, azts.ResultQuery{})
	return to.end(s.frame, r, results.WriteCSV(to, func(yield func(results.Row, error) bool) {
		number := 0
		for page, err := range pages {
			if err != nil {
				yield(results.Row{}, err)
				return
			}
			to.goOn() // a slow AzTS is no stuck browser
			for i := range page.Results {
				if !yield(results.Row{Number: number, Result: page.Results[i]}, nil) {
					return
				}
				number++
			}
		}
	}, true))
}
