package templates

import (
	"net/url"
	"strconv"
)

// Addresses of scans without a parameter. Those that change something take POST only.
const (
	NewScanURL   = "/scans/new"       // GET
	SchedulesURL = "/scans/schedules" // GET; POST repeats a scan
	TrendURL     = "/scans/trend"     // GET
)

// ScanAgainURL returns the address that takes a POST to scan the same again;
// with of=open only what the scan did not complete.
func ScanAgainURL(id string) string { return ScanURL(id) + "/again" }

// ScanContinueURL returns the address that takes a POST to lead the owner of a
// waiting scan to the company sign-in and back.
func ScanContinueURL(id string) string { return ScanURL(id) + "/continue" }

// ScanFindingsURL returns the address of the results of a scan, on its page.
func ScanFindingsURL(id, query string) string { return withQuery(ScanURL(id), query) + "#results" }

// SubscriptionFindingsURL returns the address of the results of one subscription
// in a scan of several.
func SubscriptionFindingsURL(id, subscription string) string {
	return ScanFindingsURL(id, url.Values{"subscription": {subscription}}.Encode())
}

// ScanResultURL returns the address of one result of a scan. query is that of
// the list in which it was found, so that its neighbours are known.
func ScanResultURL(id string, number int, query string) string {
	return withQuery(ScanURL(id)+"/results/"+strconv.Itoa(number), query)
}

// ScanExportURL returns the address of the results of a scan as a file; format
// is csv or jsonl.
func ScanExportURL(id, format, query string) string {
	return withQuery(ScanURL(id)+"/results."+url.PathEscape(format), query)
}

// LastWeek stands for the other scan of a comparison: the one of a week before.
const LastWeek = "last-week"

// ScanCompareURL returns the address of what changed from another scan, or from
// [LastWeek], to a scan.
func ScanCompareURL(id, other string) string {
	return ScanURL(id) + "/compare/" + url.PathEscape(other)
}

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}
