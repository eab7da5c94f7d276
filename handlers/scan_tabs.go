package handlers

import "azts.internal/portal/templates"

// scanTabs are the pages about scans; here is the address of the open one.
func scanTabs(here string) []templates.NavItem {
	tabs := []templates.NavItem{{Label: "My scans", URL: templates.ScansURL}, {Label: "New scan", URL: templates.NewScanURL},
		{Label: "Repeated scans", URL: templates.SchedulesURL}, {Label: "Trend", URL: templates.TrendURL}}
	for i := range tabs {
		tabs[i].Current = tabs[i].URL == here
	}
	return tabs
}
