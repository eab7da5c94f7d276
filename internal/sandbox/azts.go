package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// aztsPageSize is how many results a page of AzTS has.
const aztsPageSize = 100

// message is the body of AzTS's refusals.
type message struct {
	Message string `json:"message"`
}

const noRole = "You have no role on this subscription that AzTS accepts. Owner, Contributor, Security Reader or Security Admin is needed, " +
	"on the subscription or on one of its resource groups. A role given today may take up to 24 hours to be known here."

// aztsCaller authenticates a call and returns the object id of its principal;
// false means that it has been answered.
func (a *azure) aztsCaller(w http.ResponseWriter, r *http.Request) (principal string, ok bool) {
	if a.aztsFaultBefore(w, r) {
		return "", false
	}
	who, ok := a.s.authenticate(w, r, AzTSAppIDURI, AzTSAppID)
	if !ok || a.aztsFaultAfter(w) {
		return "", false
	}
	if version := queryValue(r, "api-version"); version != "" && version != "1.0" {
		reply(w, http.StatusBadRequest, message{"The API version " + version + " is not supported. Use 1.0."})
		return "", false
	}
	allowed := slices.Contains(who.scopes, "user_impersonation")
	if who.person == nil {
		allowed = slices.Contains(who.roles, "Scan.Request")
	}
	if !allowed {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", error_description="The token has neither the scope user_impersonation nor the role Scan.Request."`)
		reply(w, http.StatusForbidden, message{"The token has neither the scope user_impersonation nor the role Scan.Request."})
		return "", false
	}
	return a.principal(who), true
}

// queryValue reads a query parameter whose name is compared without case, as
// AzTS does.
func queryValue(r *http.Request, name string) string {
	for key, values := range r.URL.Query() {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// readBody decodes an optional JSON object into v; false means that the call
// has been answered.
func readBody(w http.ResponseWriter, r *http.Request, v any) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		reply(w, http.StatusRequestEntityTooLarge, message{"The request body is too large."})
		return false
	case err != nil:
		reply(w, http.StatusBadRequest, message{"The request body could not be read."})
		return false
	case len(body) == 0:
		return true
	case !strings.Contains(strings.ToLower(r.Header.Get("Content-Type")), "json"):
		reply(w, http.StatusUnsupportedMediaType, message{"The content type must be application/json."})
		return false
	}
	if err := json.Unmarshal(body, v); err != nil {
		reply(w, http.StatusBadRequest, message{"The request body is not the JSON object that this operation takes."})
		return false
	}
	return true
}

var (
	guidPattern      = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	requestIDPattern = regexp.MustCompile(`^[0-9]{14}$`)
)

// subscriptionList checks the ids of a request and drops repeated ones.
func subscriptionList(w http.ResponseWriter, ids []string) ([]string, bool) {
	if len(ids) == 0 {
		reply(w, http.StatusBadRequest, message{"SubscriptionIDList must name at least one subscription."})
		return nil, false
	}
	seen, list := make(map[string]bool, len(ids)), make([]string, 0, len(ids))
	for _, id := range ids {
		if !guidPattern.MatchString(id) {
			reply(w, http.StatusBadRequest, message{"SubscriptionIDList must hold subscription ids (GUIDs) only."})
			return nil, false
		}
		if key := strings.ToLower(id); !seen[key] {
			seen[key] = true
			list = append(list, key)
		}
	}
	return list, true
}

// outcome is the answer to a scan request for one subscription.
type outcome struct {
	SubscriptionID string `json:"subscriptionID"`
	JobID          string `json:"jobID"`
	QueueStatus    string `json:"queueStatus"`
	Message        string `json:"message"`
	TimeSpan       string `json:"timeSpan"`
	ScanRequestID  string `json:"scanRequestId"`
}

func (a *azure) requestScan(w http.ResponseWriter, r *http.Request) {
	principal, ok := a.aztsCaller(w, r)
	if !ok || a.quotaFault(w) {
		return
	}
	var body struct{ SubscriptionIDList []string }
	if !readBody(w, r, &body) {
		return
	}
	ids, ok := subscriptionList(w, body.SubscriptionIDList)
	if !ok {
		return
	}
	now := a.s.now().UTC()
	stamp, us := now.Format("20060102150405"), now.Format("1/2/2006 3:04:05 PM")
	list, refused := make([]outcome, 0, len(ids)), 0
	for _, id := range ids {
		one := outcome{SubscriptionID: id, TimeSpan: us}
		sub, known := a.known(id)
		switch {
		case !known || a.access(principal, sub) == accessNone:
			one.QueueStatus, one.Message = "Unauthorized", noRole
			refused++
		case !a.ask(sub):
			one.QueueStatus = "QuotaExceeded"
			one.Message = fmt.Sprintf("The limit of %d on-demand scans a day is reached for this subscription. The next one is possible after 00:00 UTC.", scansPerDay)
		default:
			one.JobID, one.ScanRequestID = stamp, stamp
			one.QueueStatus, one.Message = "Processing", "Subscription added to the queue"
		}
		list = append(list, one)
	}
	if refused == len(list) {
		reply(w, http.StatusForbidden, message{noRole})
		return
	}
	a.answer(w, list)
}

// resultPage is one page of control results.
type resultPage struct {
	Data         []result `json:"data"`
	PageSize     int      `json:"pageSize"`
	SkipToken    string   `json:"skipToken,omitempty"`
	TotalPages   int      `json:"totalPages"`
	TotalRecords int      `json:"totalRecords"`
}

func (a *azure) controlScanResult(w http.ResponseWriter, r *http.Request) {
	principal, ok := a.aztsCaller(w, r)
	if !ok {
		return
	}
	var body struct {
		ScanRequestID    string `json:"ScanRequestId"`
		ControlIDList    []string
		ResourceNameList []string
	}
	if !readBody(w, r, &body) {
		return
	}
	if body.ScanRequestID != "" && !requestIDPattern.MatchString(body.ScanRequestID) {
		reply(w, http.StatusBadRequest, message{"ScanRequestId must be a time stamp of 14 digits, as a scan request returned it."})
		return
	}
	page, ok := pageOf(queryValue(r, "skipToken"))
	if !ok {
		reply(w, http.StatusBadRequest, message{"skipToken is not one that this service gave out."})
		return
	}
	if !guidPattern.MatchString(r.PathValue("id")) {
		reply(w, http.StatusBadRequest, message{"The subscription id is not a GUID."})
		return
	}
	sub, known := a.known(r.PathValue("id"))
	level := accessNone
	if known {
		level = a.access(principal, sub)
	}
	if level == accessNone {
		reply(w, http.StatusForbidden, message{noRole})
		return
	}
	if a.pageFault(w, page) {
		return
	}
	answer := resultPage{Data: []result{}, PageSize: aztsPageSize}
	if found, _, scanned := a.newest(sub); scanned {
		seen := found.seen(level, body.ControlIDList, body.ResourceNameList)
		answer.TotalRecords = seen.len()
		answer.TotalPages = (seen.len() + aztsPageSize - 1) / aztsPageSize
		for i := (page - 1) * aztsPageSize; i < min(page*aztsPageSize, seen.len()); i++ {
			answer.Data = append(answer.Data, found.result(seen.at(i), a.start))
		}
	}
	if page < answer.TotalPages {
		answer.SkipToken = skipToken(page + 1)
	}
	a.loopFault(&answer, page)
	a.answer(w, answer)
}

func skipToken(page int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"PageNumber":%d}`, page))
}

// pageOf reads a skip token; none is page 1.
func pageOf(token string) (page int, ok bool) {
	if token == "" {
		return 1, true
	}
	var body struct{ PageNumber int }
	text, err := base64.StdEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(text, &body) != nil || body.PageNumber < 1 || body.PageNumber > 1<<30 {
		return 0, false
	}
	return body.PageNumber, true
}

// summary is the compliance of one subscription.
type summary struct {
	SubscriptionID       string `json:"subscriptionID"`
	SubscriptionName     string `json:"subscriptionName"`
	TenantID             string `json:"tenantID"`
	CallerAccessLevel    string `json:"callerAccessLevel"`
	CompliancePercentage string `json:"compliancePercentage"`
	TotalControlCount    int    `json:"totalControlCount"`
	PassingControlCount  int    `json:"passingControlCount"`
	FailedControlCount   int    `json:"failedControlCount"`
	LastModifiedDateTime string `json:"lastModifiedDateTime"`
}

func (a *azure) complianceSummary(w http.ResponseWriter, r *http.Request) {
	principal, ok := a.aztsCaller(w, r)
	if !ok {
		return
	}
	var body struct {
		SubscriptionIDList []string
		ControlIDList      []string `json:"ControlIdList"`
	}
	if !readBody(w, r, &body) {
		return
	}
	ids, ok := subscriptionList(w, body.SubscriptionIDList)
	if !ok {
		return
	}
	list := make([]summary, 0, len(ids))
	for _, id := range ids {
		if r.Context().Err() != nil {
			return
		}
		sub, known := a.known(id)
		if !known {
			continue
		}
		// Subscriptions out of reach are left out, not refused (azts.md).
		if level := a.access(principal, sub); level != accessNone {
			list = append(list, a.summarise(sub, level, body.ControlIDList))
		}
	}
	a.answerSummary(w, list)
}

func (a *azure) summarise(sub subscription, level access, controlIDs []string) summary {
	one := summary{SubscriptionID: sub.id, SubscriptionName: sub.name, TenantID: TenantID,
		CallerAccessLevel: "Subscription", CompliancePercentage: "0.00 %"}
	if level == accessGroup {
		one.CallerAccessLevel = "Resource Group(s)"
	}
	found, at, scanned := a.newest(sub)
	if !scanned {
		return one
	}
	if seen := found.seen(level, controlIDs, nil); seen.picked == nil {
		one.PassingControlCount, one.FailedControlCount = found.counts()
	} else {
		for _, i := range seen.picked {
			switch found.status(i) {
			case "Passed":
				one.PassingControlCount++
			case "Failed":
				one.FailedControlCount++
			}
		}
	}
	one.TotalControlCount = one.PassingControlCount + one.FailedControlCount
	if one.TotalControlCount > 0 {
		one.CompliancePercentage = fmt.Sprintf("%.2f %%", 100*float64(one.PassingControlCount)/float64(one.TotalControlCount))
	}
	// Rounded up: a scan that took less than a second must still end after it
	// was asked for.
	one.LastModifiedDateTime = at.Add(time.Second - 1).Truncate(time.Second).Format(azTSTime)
	return one
}

// selection is the positions that a call sees, all of them when picked is nil.
type selection struct {
	total  int
	picked []int
}

func (x selection) len() int {
	if x.picked == nil {
		return x.total
	}
	return len(x.picked)
}

func (x selection) at(i int) int {
	if x.picked == nil {
		return i
	}
	return x.picked[i]
}

// seen picks what a level of access and the filters of a call leave over.
func (r run) seen(level access, controlIDs, resourceNames []string) selection {
	if level == accessSubscription && len(controlIDs) == 0 && len(resourceNames) == 0 {
		return selection{total: r.total()}
	}
	from, to := 0, r.total()
	if level == accessGroup {
		from, to = r.firstGroupSpan()
	}
	wanted, named := lowerSet(controlIDs), lowerSet(resourceNames)
	picked := []int{}
	var last place
	lastIsNamed, begun := false, false
	for i := from; i < to; i++ {
		c, p := r.where(i)
		if len(wanted) > 0 && !wanted[strings.ToLower(c.id)] {
			continue
		}
		if len(named) > 0 {
			// Results of one resource stand together: its name is made once.
			if !begun || p != last {
				last, begun, lastIsNamed = p, true, named[strings.ToLower(p.name(kinds[c.feature]))]
			}
			if !lastIsNamed {
				continue
			}
		}
		picked = append(picked, i)
	}
	return selection{picked: picked}
}

func lowerSet(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, text := range list {
		set[strings.ToLower(text)] = true
	}
	return set
}
