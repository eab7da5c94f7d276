package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/sandbox"
)

func TestTroubleInTheMiddleOfPaging(t *testing.T) {
	a := serveAPIs(t, nil)
	admin := a.adminToken()
	var first graphPage
	a.want(http.StatusOK, "GET", grantsPath, admin, "", &first)
	second := strings.TrimPrefix(first.Next, a.url)
	for _, test := range []struct {
		fault, value string
		status       int
		code, retry  string
	}{
		{"graph.401_mid_page", "", 401, "InvalidAuthenticationToken", ""},
		{"graph.403_mid_page", "", 403, "Authorization_RequestDenied", ""},
		{"graph.429_mid_page", "7", 429, "TooManyRequests", "7"},
		{"graph.500_mid_page", "", 500, "InternalServerError", ""},
		{"graph.429", "", 429, "TooManyRequests", "5"},
		{"graph.429", "none", 429, "TooManyRequests", ""},
	} {
		a.Faults().Set(test.fault, test.value, 1)
		if strings.HasSuffix(test.fault, "mid_page") {
			a.want(http.StatusOK, "GET", grantsPath, admin, "", nil) // the first page is spared
		}
		var page graphPage
		response := a.want(test.status, "GET", second, admin, "", &page)
		if page.Error.Code != test.code || response.Header.Get("Retry-After") != test.retry {
			t.Errorf("%s: %+v, Retry-After %q", test.fault, page.Error, response.Header.Get("Retry-After"))
		}
		if (test.status == 429) != (response.Header.Get("x-ms-throttle-scope") != "") || test.status == 401 && response.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: headers %v", test.fault, response.Header)
		}
		a.want(http.StatusOK, "GET", second, admin, "", nil)
	}
}

func TestAnEmptyPageLosesNothing(t *testing.T) {
	a := serveAPIs(t, nil)
	all, _ := a.allGrants(grantsPath, a.adminToken())
	a.Faults().Set("graph.empty_page", "", 2)
	got, pages := a.allGrants(grantsPath, a.adminToken())
	if len(got) != len(all) || pages != (len(all)+19)/20+2 {
		t.Errorf("%d grants on %d pages, wanted %d", len(got), pages, len(all))
	}
}

func TestAForeignNextLink(t *testing.T) {
	a := serveAPIs(t, nil)
	for value, want := range map[string]string{"": "https://attacker.example/", "http://127.0.0.1:1": "http://127.0.0.1:1/"} {
		a.Faults().Set("graph.foreign_next_link", value, 1)
		var page graphPage
		a.want(http.StatusOK, "GET", grantsPath, a.adminToken(), "", &page)
		if !strings.HasPrefix(page.Next, want) {
			t.Errorf("nextLink %q", page.Next)
		}
	}
}

func TestSkipTokensFitTheirListOnly(t *testing.T) {
	a := serveAPIs(t, nil)
	admin := a.adminToken()
	var first graphPage
	a.want(http.StatusOK, "GET", filtered(grantsPath, "resourceId eq '"+aztsObject+"'"), admin, "", &first)
	_, token, _ := strings.Cut(first.Next, "skiptoken=")
	if token == "" {
		t.Fatalf("nextLink %q", first.Next)
	}
	for _, path := range []string{grantsPath + "?$skiptoken=" + token, filtered(grantsPath, "clientId eq '"+portalObject+"'") + "&$skiptoken=" + token,
		grantsPath + "?$skiptoken=garbage!", grantsPath + "?$skiptoken=AAAA"} {
		var page graphPage
		a.want(http.StatusBadRequest, "GET", path, admin, "", &page)
		if page.Error.Code != "Directory_ExpiredPageToken" {
			t.Errorf("%s: %+v", path, page.Error)
		}
	}
	for _, top := range []string{"0", "1000", "-1", "x"} {
		a.want(http.StatusBadRequest, "GET", grantsPath+"?$top="+top, admin, "", nil)
	}
}

func TestCountsTakeAConsistencyLevel(t *testing.T) {
	a := serveAPIs(t, nil)
	all, _ := a.allGrants(grantsPath, a.adminToken())
	a.want(http.StatusBadRequest, "GET", grantsPath+"?$count=true", a.adminToken(), "", nil)
	page := a.counted(grantsPath + "?$count=true")
	if page.Count == nil || *page.Count != len(all) {
		t.Errorf("count %v, wanted %d", page.Count, len(all))
	}
	if next := a.counted(strings.TrimPrefix(page.Next, a.url)); next.Count != nil || len(next.Value) == 0 {
		t.Errorf("the second page counts %v and has %d grants", next.Count, len(next.Value))
	}
}

// counted reads a page with ConsistencyLevel: eventual.
func (a *apis) counted(path string) (page graphPage) {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.url+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+a.adminToken())
	request.Header.Set("ConsistencyLevel", "eventual")
	request.Header.Set("client-request-id", "ref-1")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK || response.Header.Get("client-request-id") != "ref-1" {
		a.t.Fatalf("%s: %s, %v", path, response.Status, response.Header)
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		a.t.Fatal(err)
	}
	return page
}

func TestNewGrantsReplicateLate(t *testing.T) {
	a := serveAPIs(t, nil)
	fresh := a.portalGrant("dana@contoso.com")
	a.Faults().Set("graph.late_replication", "30s", -1)
	path := filtered(grantsPath, "clientId eq '"+portalObject+"'")
	if got, _ := a.allGrants(path, a.adminToken()); len(got) != 0 {
		t.Errorf("seen at once: %+v", got)
	}
	a.want(http.StatusNotFound, "GET", grantsPath+"/"+fresh.ID, a.adminToken(), "", nil)
	a.forward(30 * time.Second)
	if got, _ := a.allGrants(path, a.adminToken()); len(got) != 1 {
		t.Errorf("after a while: %+v", got)
	}
}

func TestAGrantThatIsGone(t *testing.T) {
	a := serveAPIs(t, nil)
	for method, body := range map[string]string{"PATCH": `{"scope":""}`, "DELETE": "", "GET": ""} {
		g := a.portalGrant("dana@contoso.com")
		a.Faults().Set("graph.grant_gone", "", 1)
		var page graphPage
		a.want(http.StatusNotFound, method, grantsPath+"/"+g.ID, a.adminToken(), body, &page)
		if page.Error.Code != "Request_ResourceNotFound" {
			t.Errorf("%s: %+v", method, page.Error)
		}
		if left, _ := a.allGrants(filtered(grantsPath, "principalId eq '"+sandbox.DanaID+"'"), a.adminToken()); len(left) != 0 {
			t.Errorf("after %s it is still there: %+v", method, left)
		}
	}
}

func TestNearTheLimit(t *testing.T) {
	a := serveAPIs(t, nil)
	a.Faults().Set("graph.near_limit", "", 1)
	if h := a.want(http.StatusOK, "GET", grantsPath, a.adminToken(), "", nil).Header; h.Get("x-ms-throttle-limit-percentage") != "0.9" || h.Get("x-ms-resource-unit") != "2" {
		t.Errorf("headers %v", h)
	}
	if h := a.want(http.StatusOK, "GET", grantsPath, a.adminToken(), "", nil).Header; h.Get("x-ms-throttle-limit-percentage") != "" {
		t.Errorf("headers far from it %v", h)
	}
}
