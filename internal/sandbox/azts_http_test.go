package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

const (
	prod      = "3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3"
	aztsScope = "user_impersonation"
)

// apis is a served sandbox whose clock the test moves.
type apis struct {
	*sandbox.Sandbox
	t     *testing.T
	url   string
	clock atomic.Int64
}

func serveAPIs(t *testing.T, change func(*sandbox.Options)) *apis {
	t.Helper()
	a := &apis{t: t}
	a.clock.Store(time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC).UnixNano())
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	options := sandbox.Options{Origin: server.URL, PortalURL: "http://localhost:8080",
		Now: func() time.Time { return time.Unix(0, a.clock.Load()) }}
	if change != nil {
		change(&options)
	}
	s, err := sandbox.New(options)
	if err != nil {
		t.Fatal(err)
	}
	a.Sandbox, a.url, handler = s, server.URL, s
	return a
}

func (a *apis) forward(d time.Duration) { a.clock.Add(int64(d)) }

// dana is her token for AzTS.
func (a *apis) dana() string { return a.TokenFor(sandbox.DanaID, sandbox.AzTSAppIDURI, aztsScope) }

// call sends a request and reads the whole answer; body "" sends none.
func (a *apis) call(method, path, token, body string) (*http.Response, []byte, error) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, text, err
}

// want calls and decodes the answer, which must have that status.
func (a *apis) want(status int, method, path, token, body string, into any) *http.Response {
	a.t.Helper()
	response, text, err := a.call(method, path, token, body)
	if err != nil || response.StatusCode != status {
		a.t.Fatalf("%s %s answers %s (%v), wanted %d: %.300s", method, path, response.Status, err, status, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			a.t.Fatalf("%s %s: %v in %.300s", method, path, err, text)
		}
	}
	return response
}

type outcomes []struct{ SubscriptionID, JobID, QueueStatus, Message, TimeSpan, ScanRequestID string }

type summaries struct {
	SearchResults []struct {
		SubscriptionID, SubscriptionName, TenantID, CallerAccessLevel, CompliancePercentage, LastModifiedDateTime string
		TotalControlCount, PassingControlCount, FailedControlCount                                                int
	}
}

type resultPage struct {
	Data                               []map[string]any
	PageSize, TotalPages, TotalRecords int
	SkipToken                          string
}

func ids(list ...string) string {
	body, _ := json.Marshal(map[string]any{"SubscriptionIDList": list})
	return string(body)
}

// subscriptionIDs are all that the admin sees in ARM.
func (a *apis) subscriptionIDs() []string {
	var list []string
	token := a.TokenFor(sandbox.AdaID, sandbox.ARMAudience, "user_impersonation")
	for next := "/arm/subscriptions?api-version=2022-12-01"; next != ""; {
		var page struct {
			Value    []struct{ SubscriptionID string }
			NextLink string
		}
		a.want(http.StatusOK, "GET", next, token, "", &page)
		for _, one := range page.Value {
			list = append(list, one.SubscriptionID)
		}
		next = strings.TrimPrefix(page.NextLink, a.url)
	}
	return list
}

func resultsPath(id string) string {
	return "/azts/adhocscan/subscription/" + id + "/ControlScanResult?api-version=1.0"
}

const scanPath, summaryPath = "/azts/adhocscan/RequestScan?api-version=1.0", "/azts/ComplianceSummary/search"

func TestAScanIsRequestedFollowedAndRead(t *testing.T) {
	a := serveAPIs(t, nil)
	var before, during, after summaries
	a.want(http.StatusOK, "POST", summaryPath, a.dana(), ids(prod), &before)
	a.forward(2 * time.Second)
	var list outcomes
	a.want(http.StatusOK, "POST", scanPath, a.dana(), ids(prod), &list)
	if len(list) != 1 || list[0].SubscriptionID != prod || list[0].QueueStatus != "Processing" ||
		list[0].ScanRequestID != "20261121093002" || list[0].TimeSpan != "11/21/2026 9:30:02 AM" {
		t.Fatalf("the scan request answers %+v", list)
	}
	a.want(http.StatusOK, "POST", summaryPath, a.dana(), ids(prod), &during)
	if during.SearchResults[0] != before.SearchResults[0] {
		t.Errorf("while the scan runs the summary changes to %+v", during.SearchResults[0])
	}
	a.forward(26 * time.Second)
	a.want(http.StatusOK, "POST", summaryPath, a.dana(), ids(prod), &after)
	end, err := time.Parse("01/02/2006 15:04:05", after.SearchResults[0].LastModifiedDateTime)
	if asked := time.Date(2026, 11, 21, 9, 30, 2, 0, time.UTC); err != nil || !end.After(asked) {
		t.Errorf("the scan of %v ended at %v (%v)", asked, end, err)
	}
	one := after.SearchResults[0]
	if one.SubscriptionName != "Contoso Prod" || one.CallerAccessLevel != "Subscription" || one.TotalControlCount != one.PassingControlCount+one.FailedControlCount ||
		one.CompliancePercentage != fmt.Sprintf("%.2f %%", 100*float64(one.PassingControlCount)/float64(one.TotalControlCount)) {
		t.Errorf("the summary is %+v", one)
	}

	seen, passed, failed := map[string]bool{}, 0, 0
	path := resultsPath(prod)
	for pages := 1; ; pages++ {
		var page resultPage
		a.want(http.StatusOK, "POST", path, a.dana(), `{"ScanRequestId":"`+list[0].ScanRequestID+`"}`, &page)
		for _, x := range page.Data {
			seen[fmt.Sprint(x["ControlName"], x["ResourceID"])] = true
			switch x["Status"] {
			case "Passed":
				passed++
			case "Failed":
				failed++
			}
		}
		if page.SkipToken == "" {
			if pages != page.TotalPages || len(seen) != page.TotalRecords {
				t.Errorf("%d pages with %d results were read, %d with %d announced", pages, len(seen), page.TotalPages, page.TotalRecords)
			}
			break
		}
		if len(page.Data) != 100 || page.PageSize != 100 {
			t.Fatalf("page %d has %d results, page size %d", pages, len(page.Data), page.PageSize)
		}
		// The name of the parameter has any case.
		path = resultsPath(prod) + "&" + []string{"skipToken", "skiptoken", "SKIPTOKEN"}[pages%3] + "=" + strings.ReplaceAll(page.SkipToken, "=", "%3D")
	}
	if passed != one.PassingControlCount || failed != one.FailedControlCount {
		t.Errorf("%d passed and %d failed, the summary says %d and %d", passed, failed, one.PassingControlCount, one.FailedControlCount)
	}
}

func TestResultsCanBeFiltered(t *testing.T) {
	a := serveAPIs(t, nil)
	var page resultPage
	a.want(http.StatusOK, "POST", resultsPath(prod), a.dana(), `{"ControlIdList":["azure_storage_dp_use_secure_tls_version"],"futureMember":1}`, &page)
	if page.TotalRecords == 0 {
		t.Fatal("no storage account is found")
	}
	for _, x := range page.Data {
		if x["ControlName"] != "Azure_Storage_DP_Use_Secure_TLS_Version" {
			t.Errorf("the filter lets %v through", x["ControlName"])
		}
	}
	name := page.Data[0]["ResourceName"].(string)
	body, _ := json.Marshal(map[string]any{"ResourceNameList": []string{strings.ToUpper(name)}})
	a.want(http.StatusOK, "POST", resultsPath(prod), a.dana(), string(body), &page)
	if page.TotalRecords < 2 {
		t.Errorf("%s has %d results", name, page.TotalRecords)
	}
	for _, x := range page.Data {
		if x["ResourceName"] != name {
			t.Errorf("the filter lets %v through", x["ResourceName"])
		}
	}
}

func TestAListMayBePartlyAccepted(t *testing.T) {
	a := serveAPIs(t, nil)
	all := a.subscriptionIDs()
	for range 10 {
		a.want(http.StatusOK, "POST", scanPath, a.dana(), ids(all[1]), nil)
	}
	stranger := "11111111-2222-4333-8444-555555555555"
	var list outcomes
	a.want(http.StatusOK, "POST", scanPath, a.dana(), ids(all[0], strings.ToUpper(all[0]), all[1], all[8], all[10], stranger), &list)
	var got []string
	for _, one := range list {
		got = append(got, one.QueueStatus)
		if (one.QueueStatus == "Processing") != (one.ScanRequestID != "") {
			t.Errorf("%s has request id %q", one.QueueStatus, one.ScanRequestID)
		}
	}
	if want := "Processing QuotaExceeded Unauthorized Unauthorized Unauthorized"; strings.Join(got, " ") != want {
		t.Errorf("outcomes are %v, wanted %s", got, want)
	}
	var found summaries
	a.want(http.StatusOK, "POST", summaryPath, a.dana(), ids(all[8], all[4], stranger), &found)
	if len(found.SearchResults) != 1 || found.SearchResults[0].CallerAccessLevel != "Resource Group(s)" {
		t.Errorf("summaries are %+v; wanted the one with a role on a resource group", found.SearchResults)
	}
}

// An identifier that does not exist must look like one that is out of reach.
func TestForeignAndUnknownSubscriptionsLookTheSame(t *testing.T) {
	a := serveAPIs(t, nil)
	foreign := a.subscriptionIDs()[10]
	for _, path := range []func(string) (string, string){
		func(id string) (string, string) { return resultsPath(id), "" },
		func(id string) (string, string) { return scanPath, ids(id) },
	} {
		p1, b1 := path(foreign)
		p2, b2 := path("11111111-2222-4333-8444-555555555555")
		r1, t1, _ := a.call("POST", p1, a.dana(), b1)
		r2, t2, _ := a.call("POST", p2, a.dana(), b2)
		if r1.StatusCode != http.StatusForbidden || r2.StatusCode != http.StatusForbidden || string(t1) != string(t2) {
			t.Errorf("%s: %d %s and %d %s", p1, r1.StatusCode, t1, r2.StatusCode, t2)
		}
	}
}

func TestOnlyTheRightTokensAreTaken(t *testing.T) {
	a := serveAPIs(t, nil)
	for _, test := range []struct {
		what, token string
		status      int
	}{
		{"none", "", http.StatusUnauthorized},
		{"rubbish", "a.b.c", http.StatusUnauthorized},
		{"for ARM", a.TokenFor(sandbox.DanaID, sandbox.ARMAudience, aztsScope), http.StatusUnauthorized},
		{"for Graph", a.TokenFor(sandbox.DanaID, sandbox.GraphAudience, aztsScope), http.StatusUnauthorized},
		{"with the API's id", a.TokenFor(sandbox.DanaID, sandbox.AzTSAppID, aztsScope), http.StatusOK},
		{"without the scope", a.TokenFor(sandbox.DanaID, sandbox.AzTSAppIDURI, "something.else"), http.StatusForbidden},
		{"of an app", a.AppTokenFor(sandbox.ScriptClientID, sandbox.AzTSAppIDURI, "Scan.Request"), http.StatusOK},
		{"of an app without the role", a.AppTokenFor(sandbox.ScriptClientID, sandbox.AzTSAppIDURI), http.StatusForbidden},
		{"of an app without roles in Azure", a.AppTokenFor(sandbox.PortalClientID, sandbox.AzTSAppIDURI, "Scan.Request"), http.StatusForbidden},
	} {
		response, text, _ := a.call("POST", resultsPath(prod), test.token, "")
		if response.StatusCode != test.status {
			t.Errorf("a token %s: %s %.200s", test.what, response.Status, text)
		}
		if test.status == http.StatusUnauthorized && !strings.HasPrefix(response.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("a token %s: no challenge", test.what)
		}
	}
	token := a.dana()
	a.forward(2 * time.Hour)
	a.want(http.StatusUnauthorized, "POST", resultsPath(prod), token, "", nil)
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	a := serveAPIs(t, nil)
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{scanPath, `{"SubscriptionIDList":"` + prod + `"}`, 400},
		{scanPath, `{"SubscriptionIDList":[]}`, 400},
		{scanPath, `{"SubscriptionIDList":["not-an-id"]}`, 400},
		{scanPath, ``, 400},
		{scanPath, `[`, 400},
		{scanPath, `{"SubscriptionIDList":["` + strings.Repeat("x", 1<<20) + `"]}`, 413},
		{strings.Replace(scanPath, "1.0", "9.9", 1), ids(prod), 400},
		{resultsPath(prod) + "&skipToken=zzz", ``, 400},
		{resultsPath(prod) + "&skipToken=" + base64.URLEncoding.EncodeToString([]byte(`{"PageNumber":-1}`)), ``, 400},
		{resultsPath(prod), `{"ScanRequestId":"'; drop table"}`, 400},
		{resultsPath("prod"), ``, 400},
		{summaryPath, `{}`, 400},
	} {
		var problem struct{ Message string }
		a.want(test.status, "POST", test.path, a.dana(), test.body, &problem)
		if problem.Message == "" {
			t.Errorf("%s with %.60s has no message", test.path, test.body)
		}
	}
}

func TestPagesBeyondTheLastAreEmpty(t *testing.T) {
	a := serveAPIs(t, nil)
	var page resultPage
	token := base64.URLEncoding.EncodeToString([]byte(`{"PageNumber":1073741824}`))
	a.want(http.StatusOK, "POST", resultsPath(prod)+"&skipToken="+token, a.dana(), "", &page)
	if len(page.Data) != 0 || page.SkipToken != "" {
		t.Errorf("page 2^30 has %d results and goes on with %q", len(page.Data), page.SkipToken)
	}
}

func TestFaultsOfAzTS(t *testing.T) {
	a := serveAPIs(t, func(o *sandbox.Options) { o.ResultsPerSubscription = 1000 })
	for _, test := range []struct {
		name, value, path, body string
		status                  int
		header, contains        string
	}{
		{"azts.feature_off", "", resultsPath(prod), "", 404, "", ""},
		{"azts.500", "", resultsPath(prod), "", 500, "", ""},
		{"azts.429", "17", summaryPath, ids(prod), 429, "Retry-After", "17"},
		{"azts.401", "", resultsPath(prod), "", 401, "WWW-Authenticate", `error="invalid_token"`},
		{"azts.claims_challenge", "c3", resultsPath(prod), "", 401, "WWW-Authenticate",
			base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"acrs":{"essential":true,"value":"c3"}}}`))},
		{"azts.quota_429", "", scanPath, ids(prod), 429, "Retry-After", "52201"},
		{"azts.break_page", "", resultsPath(prod) + "&skipToken=eyJQYWdlTnVtYmVyIjoyfQ", "", 500, "", ""},
		{"azts.slow", "1ms", resultsPath(prod), "", 200, "", ""},
	} {
		path := strings.Replace(test.path, "fQ", "fQ%3D%3D", 1)
		a.Faults().Set(test.name, test.value, 1)
		response, text, _ := a.call("POST", path, a.dana(), test.body)
		if response.StatusCode != test.status || !strings.Contains(response.Header.Get(test.header), test.contains) {
			t.Errorf("%s answers %s with %s %q: %.200s", test.name, response.Status, test.header, response.Header.Get(test.header), text)
		}
		if list := a.Faults().List(); !happened(list, test.name) {
			t.Errorf("%s did not happen", test.name)
		}
		a.want(http.StatusOK, "POST", path, a.dana(), test.body, nil) // once only
	}
}

func happened(list []sandbox.Fault, name string) bool {
	for _, fault := range list {
		if fault.Name == name {
			return fault.Happened == 1 && !fault.On
		}
	}
	return false
}

func TestBreakPageSparesTheFirstPage(t *testing.T) {
	a := serveAPIs(t, func(o *sandbox.Options) { o.ResultsPerSubscription = 300 })
	a.Faults().Set("azts.break_page", "", -1)
	var page resultPage
	a.want(http.StatusOK, "POST", resultsPath(prod), a.dana(), "", &page)
	a.want(http.StatusInternalServerError, "POST", resultsPath(prod)+"&skipToken="+strings.ReplaceAll(page.SkipToken, "=", "%3D"), a.dana(), "", nil)
}

func TestPageLoopRepeatsItsToken(t *testing.T) {
	a := serveAPIs(t, func(o *sandbox.Options) { o.ResultsPerSubscription = 300 })
	a.Faults().Set("azts.page_loop", "", -1)
	var first, second resultPage
	a.want(http.StatusOK, "POST", resultsPath(prod), a.dana(), "", &first)
	a.want(http.StatusOK, "POST", resultsPath(prod)+"&skipToken="+strings.ReplaceAll(first.SkipToken, "=", "%3D"), a.dana(), "", &second)
	if first.SkipToken == "" || second.SkipToken != first.SkipToken {
		t.Errorf("tokens are %q and %q", first.SkipToken, second.SkipToken)
	}
}

func TestTruncatedAnswersEndEarly(t *testing.T) {
	a := serveAPIs(t, nil)
	a.Faults().Set("azts.truncated", "", 1)
	if _, text, err := a.call("POST", resultsPath(prod), a.dana(), ""); err == nil {
		t.Errorf("the answer has %d bytes and no error", len(text))
	}
}

func TestWeirdValues(t *testing.T) {
	a := serveAPIs(t, nil)
	a.Faults().Set("azts.weird_values", "", 2)
	_, text, err := a.call("POST", resultsPath(prod), a.dana(), "")
	if err != nil || !json.Valid(text) {
		t.Fatalf("weird values are no JSON: %v", err)
	}
	for _, part := range []string{`"totalRecords":"`, `"Quarantined"`, `=HYPERLINK(`, `+cmd|`, `\u003cscript\u003e`, `"Severity":3`, `\u0000`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is missing", part)
		}
	}
	_, text, _ = a.call("POST", summaryPath, a.dana(), ids(prod))
	for _, part := range []string{`"93,33 %"`, `"totalControlCount":"15"`, `"31/31/2026 6:15 PM"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s is missing in %s", part, text)
		}
	}
}
