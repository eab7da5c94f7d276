package azts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

const (
	sub1 = "0f5c0e2a-1111-4222-8333-444455556666"
	sub2 = "0f5c0e2a-1111-4222-8333-444455556667"
	sub3 = "0f5c0e2a-1111-4222-8333-444455556668"
	sub4 = "0f5c0e2a-1111-4222-8333-444455556669"
)

type token string

func (t token) Token(_ context.Context, scope string) (string, error) {
	return string(t) + " for " + scope, nil
}
func (t token) Invalidate(context.Context, string, string) {}

func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(azhttp.Config{BaseURL: server.URL, Scope: "api://azts/user_impersonation",
		Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer serves one recorded file and checks what was sent.
func answer(t *testing.T, file, uri, body string) *Client {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.RequestURI() != uri || string(sent) != body ||
			r.Header.Get("Authorization") != "Bearer t for api://azts/user_impersonation" {
			t.Errorf("request %s %s %s", r.Method, r.URL.RequestURI(), sent)
		}
		w.Write(data)
	})
}

func TestRequestScanKeepsEachSubscriptionsOwnOutcome(t *testing.T) {
	c := answer(t, "request.json", "/adhocscan/RequestScan?api-version=1.0",
		`{"SubscriptionIDList":["`+sub1+`","`+sub2+`","`+sub3+`","`+sub4+`"]}`)
	got, err := c.RequestScan(context.Background(), token("t"), []string{strings.ToUpper(sub1), sub2, sub1, sub3, " " + sub4})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		id    string
		state OutcomeState
	}{{sub1, Queued}, {sub2, QuotaReached}, {sub3, NoRole}, {sub4, NoAnswer}} {
		if got[i].SubscriptionID != want.id || got[i].State != want.state {
			t.Errorf("outcome %d = %+v", i, got[i])
		}
	}
	at := time.Date(2026, 9, 14, 13, 40, 45, 0, time.UTC)
	if !got[0].RequestTime().Equal(at) || !got[0].At.Time.Equal(at) || got[0].JobID != "20260914014045" || got[1].JobID != "20260914014045" {
		t.Errorf("details %+v", got[0])
	}
	if !strings.Contains(got[1].Message, "limit of 10") {
		t.Errorf("message %q", got[1].Message)
	}
}

func TestJudgeTakesNoRefusalForAScan(t *testing.T) {
	cases := []struct {
		status, message string
		id              bool
		want            OutcomeState
	}{
		{"Processing", "Subscription added to the queue", true, Queued},
		{"In Queue", "3 of maximum 10", true, Queued},
		{"Scheduled", "will run soon", true, Queued},
		{"Scheduled", "will run soon", false, Refused},
		{"Scheduled", "was not added", true, Refused},
		{"", "", true, Queued},
		{"", "", false, Refused},
		{"Failed", "quota exceeded", true, QuotaReached},
		{"Unauthorized", "", true, NoRole},
		{"NotFound", "subscription does not exist", false, NotKnown},
		{"Error", "boom", true, Refused},
	}
	for _, c := range cases {
		if got := judge(c.status, c.message, c.id); got != c.want {
			t.Errorf("judge(%q, %q, %v) = %s, want %s", c.status, c.message, c.id, got, c.want)
		}
	}
}

func TestDailyQuotaAs429BecomesOutcomes(t *testing.T) {
	calls := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.Header().Set("Retry-After", "36000")
		w.WriteHeader(429)
		fmt.Fprint(w, `{"message":"10 scans per day"}`)
	})
	got, err := c.RequestScan(context.Background(), token("t"), []string{sub1, sub2})
	if err != nil || len(got) != 2 || calls != 1 {
		t.Fatalf("RequestScan = %+v, %v, %d calls", got, err, calls)
	}
	for _, o := range got {
		if o.State != QuotaReached || o.RetryAfter != 10*time.Hour || o.Message != "10 scans per day" {
			t.Errorf("outcome %+v", o)
		}
	}
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) })
	_, err = c.RequestScan(context.Background(), token("t"), []string{sub1})
	if !apperr.IsKind(err, apperr.TooMany) || MayHaveReached(err) {
		t.Errorf("throttled: %v", err)
	}
}

func TestRequestScanIsSentOnceWhenItsFateIsUnknown(t *testing.T) {
	for name, body := range map[string]string{"html": "<html>", "cut": `[{"subscriptionID":`, "object": `{"x":1}`} {
		calls := 0
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { calls++; fmt.Fprint(w, body) })
		_, err := c.RequestScan(context.Background(), token("t"), []string{sub1})
		if err == nil || !MayHaveReached(err) || calls != 1 {
			t.Errorf("%s: %v, %d calls", name, err, calls)
		}
	}
}

func TestIDsAreGUIDsAndFew(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("called %v", r.URL) })
	many := make([]string, MaxSubscriptions+1)
	for i := range many {
		many[i] = fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
	}
	for _, ids := range [][]string{nil, {""}, {"x"}, {sub1 + "/../.."}, {strings.Replace(sub1, "-", "0", 1)}, {sub1[:35] + "g"}, {"{" + sub1[1:35] + "}"}, many} {
		if _, err := c.RequestScan(context.Background(), token("t"), ids); !apperr.IsKind(err, apperr.Invalid) {
			t.Errorf("%.3v: %v", ids, err)
		}
	}
	if _, err := c.Results(context.Background(), token("t"), "../../x", ResultQuery{}, ""); !apperr.IsKind(err, apperr.Invalid) {
		t.Errorf("Results: %v", err)
	}
	if _, err := ParseSubscriptionIDs(many[:MaxSubscriptions], MaxSubscriptions); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

func TestResultsAreReadTolerantly(t *testing.T) {
	c := answer(t, "results.json", "/adhocscan/subscription/"+sub1+"/ControlScanResult?api-version=1.0&skipToken=a%2Bb%2F%3D", `{"ScanRequestId":"20260914134045"}`)
	page, err := c.Results(context.Background(), token("t"), sub1, ResultQuery{ScanRequestID: "20260914134045"}, "a+b/=")
	if err != nil {
		t.Fatal(err)
	}
	want := ResultPage{Next: "eyJQYWdlTnVtYmVyIjoyfQ==", PageSize: Count{100, true}, TotalPages: Count{5, true}, TotalRecords: Count{450, true}, Skipped: 4,
		Results: []Result{
			{SubscriptionID: sub1, ControlName: "Azure_Storage_DP_Encrypt_In_Transit", ControlDisplayName: "Encrypt in transit", Status: "Failed",
				Severity: "High", ResourceName: "stweb001", ResourceGroupName: "rg-web", ResourceID: "/subscriptions/x", IsBaseline: true,
				StatusReason: "HTTP is allowed", Description: "d", Category: "Encrypt data in transit", Remediation: "r", OrganizationTenant: "t",
				ExceptionExpiry: Stamp{time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), "12/31/2026 00:00:00"}, ExceptionWorkflow: "Approved"},
			{SubscriptionID: sub1, ControlName: "x", Status: "Exploded", Severity: "3", IsBaseline: true, StatusReason: `{"why": "object"}`,
				ExceptionExpiry: Stamp{Text: "31.12.2026"}},
		}}
	if !reflect.DeepEqual(page, want) {
		t.Errorf("page = %+v\nwant   %+v", page, want)
	}
}

func TestAllResultsRefusesASkipTokenThatRepeats(t *testing.T) {
	for name, next := range map[string]func(n int) string{
		"same": func(int) string { return "a" }, "circle": func(n int) string { return fmt.Sprint(n % 3) },
	} {
		calls := 0
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			fmt.Fprintf(w, `{"data":[{"ControlName":"c"}],"skipToken":%q}`, next(calls))
		})
		var last error
		for _, err := range c.AllResults(context.Background(), token("t"), sub1, ResultQuery{}) {
			last = err
		}
		if !errors.Is(last, ErrResultLoop) || !apperr.IsKind(last, apperr.BadGateway) || calls > 4 {
			t.Errorf("%s: %v after %d calls", name, last, calls)
		}
	}
}

func TestAllResultsEndsAtTheLastPage(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("skipToken") {
		case "":
			fmt.Fprint(w, `{"data":[{"ControlName":"1"}],"skipToken":"p2"}`)
		case "p2":
			fmt.Fprint(w, `{"data":[],"skipToken":"p3"}`)
		default:
			fmt.Fprint(w, `{"data":[{"ControlName":"2"}],"skipToken":null}`)
		}
	})
	var names []string
	for page, err := range c.AllResults(context.Background(), token("t"), sub1, ResultQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Results {
			names = append(names, r.ControlName)
		}
	}
	if !reflect.DeepEqual(names, []string{"1", "2"}) {
		t.Errorf("names %v", names)
	}
}

func TestSummariesBelieveOnlyWhatWasAsked(t *testing.T) {
	c := answer(t, "summary.json", "/ComplianceSummary/search", `{"SubscriptionIDList":["`+sub1+`","`+sub2+`","`+sub3+`"]}`)
	got, err := c.Summaries(context.Background(), token("t"), []string{sub1, sub2, sub3}, nil)
	want := []Summary{
		{SubscriptionID: sub1, SubscriptionName: "Contoso", TenantID: "t", AccessLevel: "Subscription", Compliance: Percentage{93.33, true, "93.33 %"},
			Total: Count{15, true}, Passed: Count{14, true}, Failed: Count{1, true},
			LastModified: Stamp{time.Date(2026, 1, 2, 6, 15, 24, 0, time.UTC), "01/02/2026 06:15:24"}},
		{SubscriptionID: sub2, SubscriptionName: "<script>", Compliance: Percentage{93.33, true, "93,33 %"}, LastModified: Stamp{Text: "yesterday"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Summaries = %+v, %v", got, err)
	}
}

func TestSummariesAskInHundreds(t *testing.T) {
	var sizes []int
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct{ SubscriptionIDList []string }
		json.NewDecoder(r.Body).Decode(&body)
		sizes = append(sizes, len(body.SubscriptionIDList))
		fmt.Fprint(w, `{"searchResults":null}`)
	})
	ids := make([]string, 250)
	for i := range ids {
		ids[i] = fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
	}
	if _, err := c.Summaries(context.Background(), token("t"), ids, nil); err != nil || !reflect.DeepEqual(sizes, []int{100, 100, 50}) {
		t.Errorf("sizes %v, %v", sizes, err)
	}
	if got, err := c.Summaries(context.Background(), token("t"), nil, nil); got != nil || err != nil || len(sizes) != 3 {
		t.Errorf("no ids: %v, %v", got, err)
	}
}

func TestRefusalsHaveTheirMeaning(t *testing.T) {
	for status, code := range map[int]string{400: "azts_bad_request", 401: "token_refused", 403: "azts_no_role", 404: "azts_off", 429: "throttled", 500: "service_failed", 503: "unavailable"} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		_, err := c.Results(context.Background(), token("t"), sub1, ResultQuery{}, "")
		if !apperr.HasCode(err, code) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestTextsAreCutAndClean(t *testing.T) {
	long := strings.Repeat("é", 5_000_000)
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"data":[{"ControlName":%q,"StatusReason":"x%s","Description":"a\u0000b\ud800"}]}`, long[:4000], long)
	})
	page, err := c.Results(context.Background(), token("t"), sub1, ResultQuery{}, "")
	if err != nil {
		t.Fatal(err)
	}
	r := page.Results[0]
	if len(r.ControlName) != NameLimit || len(r.StatusReason) != TextLimit-1 || !utf8.ValidString(r.StatusReason) || r.Description != "ab\uFFFD" {
		t.Errorf("lengths %d, %d, description %q", len(r.ControlName), len(r.StatusReason), r.Description)
	}
}

func TestScalars(t *testing.T) {
	for text, want := range map[scalar]Percentage{
		"93.33 %": {93.33, true, "93.33 %"}, "93,33 %": {93.33, true, "93,33 %"}, "100%": {100, true, "100%"}, "0": {0, true, "0"},
		"\u00a050\u00a0%": {50, true, "50\u00a0%"}, "101 %": {Text: "101 %"}, "-1 %": {Text: "-1 %"}, "NaN": {Text: "NaN"}, "1.2.3": {Text: "1.2.3"},
		"0x1p4": {Text: "0x1p4"}, "": {}, "n/a": {Text: "n/a"}, "%": {Text: "%"}, ".": {Text: "."},
	} {
		if got := text.percentage(); got != want {
			t.Errorf("percentage(%q) = %+v", text, got)
		}
	}
	for text, want := range map[scalar]Count{"15": {15, true}, "15.0": {15, true}, " 7 ": {7, true}, "1.5": {}, "-1": {}, "1e3": {}, "99999999999999999999": {}, "": {}, "x": {}} {
		if got := text.count(); got != want {
			t.Errorf("count(%q) = %+v", text, got)
		}
	}
	at := time.Date(2026, 9, 14, 13, 40, 45, 0, time.UTC)
	for _, text := range []scalar{"09/14/2026 13:40:45", "9/14/2026 1:40:45 PM", "9/14/2026 1:40:45\u202fPM", "2026-09-14T13:40:45Z", "2026-09-14T15:40:45+02:00", "2026-09-14T13:40:45"} {
		if got := text.stamp(); !got.Time.Equal(at) || got.Time.Location() != time.UTC {
			t.Errorf("stamp(%q) = %+v", text, got)
		}
	}
	for _, text := range []scalar{"14/09/2026 13:40:45", "0001-01-01T00:00:00", "", "soon"} {
		if got := text.stamp(); !got.Time.IsZero() || got.Text != string(text) {
			t.Errorf("stamp(%q) = %+v", text, got)
		}
	}
}

// FuzzAnswers feeds one answer to all three readers: nothing may panic, and
// what comes out keeps its promises.
func FuzzAnswers(f *testing.F) {
	for _, file := range []string{"request.json", "results.json", "summary.json"} {
		data, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add(`{"data":[{"Status":1e999,"IsBaseline":{}}],"skipToken":[]}`)
	var body string
	c, err := New(azhttp.Config{BaseURL: "https://azts.example.net", Scope: "s", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})})
	if err != nil {
		f.Fatal(err)
	}
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, answer string) {
		body = answer
		if outcomes, err := c.RequestScan(ctx, token("t"), []string{sub1, sub2}); err == nil {
			if len(outcomes) != 2 || outcomes[0].SubscriptionID != sub1 || outcomes[1].SubscriptionID != sub2 {
				t.Errorf("outcomes %+v", outcomes)
			}
			for _, o := range outcomes {
				clean(t, TextLimit, string(o.State), o.ScanRequestID, o.JobID, o.QueueStatus, o.Message, o.At.Text)
			}
		}
		if page, err := c.Results(ctx, token("t"), sub1, ResultQuery{}, ""); err == nil {
			for _, r := range page.Results {
				if r.SubscriptionID != sub1 {
					t.Errorf("result of %q", r.SubscriptionID)
				}
				clean(t, TextLimit, r.ControlName, r.Status, r.StatusReason, r.Description, r.Remediation, r.ExceptionExpiry.Text)
			}
		}
		if list, err := c.Summaries(ctx, token("t"), []string{sub1}, nil); err == nil {
			for _, s := range list {
				if s.SubscriptionID != sub1 || len(list) != 1 || !(s.Compliance.Value >= 0 && s.Compliance.Value <= 100) || s.Total.N < 0 {
					t.Errorf("summary %+v", s)
				}
				clean(t, NameLimit, s.SubscriptionName, s.AccessLevel, s.Compliance.Text, s.LastModified.Text)
			}
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func clean(t *testing.T, limit int, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if len(s) > limit || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("text %.60q of %d bytes", s, len(s))
		}
	}
}
