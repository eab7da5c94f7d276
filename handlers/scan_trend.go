package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"azts.internal/portal/internal/results"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// maxTrendChoices is how many subscriptions the choice of a trend lists.
const maxTrendChoices = 1000

// trend is GET /scans/trend?subscription=&page=: compliance over time, of one
// subscription or of all together.
func (c *comparisons) trend(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	q := r.URL.Query()
	subscription := strings.ToLower(strings.TrimSpace(q.Get("subscription")))
	page := templates.TrendPage{Page: c.page(r, "Trend", templates.ScansURL), Tabs: scanTabs(templates.TrendURL), Subscription: subscription}
	list, err := c.archive.List(ctx, live.User.ID, results.MaxSets)
	if err != nil {
		return err
	}
	page.Choices = trendChoices(list, c.subscriptions.names(ctx, live))
	if len(page.Choices) > maxTrendChoices {
		page.Choices, page.MoreChoices = page.Choices[:maxTrendChoices], true
	}
	page.Short = len(list) > 0 && len(page.Choices) == 0
	points, err := c.archive.Trend(ctx, live.User.ID, subscription, results.MaxSets)
	if err != nil {
		return err
	}
	rows := make([]templates.TrendRow, 0, len(points))
	for i, p := range points {
		point := templates.TrendPoint{At: p.At, Passed: p.Passed, Failed: p.Failed, Rows: p.Rows}
		page.Points = append(page.Points, point)
		row := templates.TrendRow{TrendPoint: point, ScanID: p.ScanID, Subscriptions: p.Subscriptions}
		if i > 0 {
			row.Before = &templates.TrendPoint{At: points[i-1].At, Passed: points[i-1].Passed, Failed: points[i-1].Failed, Rows: points[i-1].Rows}
		}
		rows = append(rows, row)
	}
	slices.Reverse(rows)
	n, _ := strconv.Atoi(q.Get("page")) // anything else is the first page
	page.Rows, page.Pager = cut(rows, n, "scans", func(n int) string { return templates.TrendPageURL(subscription, n) })
	for i := range page.Rows {
		if before, ok := previous(list, page.Rows[i].ScanID, subscription); ok {
			page.Rows[i].CompareURL = templates.ScanCompareURL(page.Rows[i].ScanID, before)
			if subscription != "" {
				page.Rows[i].CompareURL = templates.ComparePartURL(page.Rows[i].ScanID, before, []string{subscription})
			}
		}
	}
	return c.render(w, r, http.StatusOK, templates.Trend(page))
}

// trendChoices are the subscriptions that a trend has points of, by name.
func trendChoices(list []results.Info, names map[string]string) []templates.TrendChoice {
	var out []templates.TrendChoice
	seen := make(map[string]bool)
	for i := range list {
		for _, s := range list[i].Subscriptions {
			if s.State == results.SubWhole && !seen[s.ID] {
				seen[s.ID] = true
				out = append(out, templates.TrendChoice{ID: s.ID, Name: names[s.ID]})
			}
		}
	}
	slices.SortFunc(out, func(a, b templates.TrendChoice) int {
		return cmp.Or(cmp.Compare(strings.ToLower(cmp.Or(a.Name, a.ID)), strings.ToLower(cmp.Or(b.Name, b.ID))), cmp.Compare(a.ID, b.ID))
	})
	return out
}
