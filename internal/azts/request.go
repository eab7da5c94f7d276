package azts

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"azts.internal/portal/internal/azhttp"
)

// OutcomeState is what became of the request for one subscription.
type OutcomeState string

// What AzTS can answer for a subscription.
const (
	Queued       OutcomeState = "queued"
	QuotaReached OutcomeState = "quota_reached" // its ten scans of the day are used up
	NoRole       OutcomeState = "no_role"       // AzTS sees no role of the caller on it
	NotKnown     OutcomeState = "not_known"     // AzTS does not know it
	Refused      OutcomeState = "refused"       // for another reason; see Message
	NoAnswer     OutcomeState = "no_answer"     // the answer does not mention it
)

// Outcome is AzTS's answer for one subscription.
type Outcome struct {
	SubscriptionID string
	State          OutcomeState
	ScanRequestID  string // UTC time stamp yyyyMMddHHmmss, one for the call; empty unless queued
	JobID          string
	QueueStatus    string // AzTS's own word
	Message        string // AzTS's own text
	At             Stamp
	// RetryAfter is when to come back after QuotaReached; zero when AzTS did
	// not say.
	RetryAfter time.Duration
}

// RequestTime returns the moment of the request on AzTS's own clock, to compare
// with its other times; zero when it is not known. The request id comes second:
// azts.md shows one written with a twelve-hour clock. Both may be hours off, so
// compare with a clock of your own before use.
func (o Outcome) RequestTime() time.Time {
	if !o.At.Time.IsZero() {
		return o.At.Time
	}
	t, err := time.Parse("20060102150405", o.ScanRequestID)
	if err != nil {
		return time.Time{}
	}
	return t
}

type outcomeWire struct {
	SubscriptionID scalar `json:"subscriptionID"`
	JobID          scalar `json:"jobID"`
	QueueStatus    scalar `json:"queueStatus"`
	Message        scalar `json:"message"`
	TimeSpan       scalar `json:"timeSpan"`
	ScanRequestID  scalar `json:"scanRequestId"`
}

// RequestScan asks for a scan of 1 to [MaxSubscriptions] subscriptions and
// returns one outcome for each, in the order asked. A refusal of the whole call
// because of the daily quota comes back as outcomes too: AzTS does not say which
// subscription it is about. After an error, [MayHaveReached] tells whether scans
// may have been queued nevertheless: the call must then not be made again.
func (c *Client) RequestScan(ctx context.Context, source TokenSource, ids []string) ([]Outcome, error) {
	ids, err := ParseSubscriptionIDs(ids, MaxSubscriptions)
	if err != nil {
		return nil, err
	}
	res, err := c.post(ctx, source, azhttp.Request{
		Path: "/adhocscan/RequestScan", Query: apiVersion(), Repeat: azhttp.Once,
		Body: struct{ SubscriptionIDList []string }{ids},
	})
	if call := isThrottle(err); call != nil && aboutQuota(call.Code+" "+call.Message, call.RetryAfter) {
		out := make([]Outcome, len(ids))
		for i, id := range ids {
			out[i] = Outcome{SubscriptionID: id, State: QuotaReached, Message: limit(call.Message, TextLimit), RetryAfter: call.RetryAfter}
		}
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := res.JSON(&list); err != nil {
		return nil, err
	}
	wires, _ := elements[outcomeWire](list)
	return outcomes(ids, wires), nil
}

// aboutQuota tells the daily quota from mere throttling, which passes in moments.
func aboutQuota(text string, retryAfter time.Duration) bool {
	return retryAfter > 10*time.Minute || has(strings.ToLower(text), "quota", "per day", "a day", "daily", "maximum", "24 hours")
}

// outcomes puts the answers in the order asked; answers about anything else are
// left out, and of two about the same subscription the first counts.
func outcomes(ids []string, wires []outcomeWire) []Outcome {
	out := make([]Outcome, len(ids))
	index := make(map[string]int, len(ids))
	for i, id := range ids {
		out[i] = Outcome{SubscriptionID: id, State: NoAnswer}
		index[id] = i
	}
	for _, w := range wires {
		i, asked := index[strings.ToLower(strings.TrimSpace(string(w.SubscriptionID)))]
		if !asked || out[i].State != NoAnswer {
			continue
		}
		o := Outcome{SubscriptionID: ids[i], JobID: w.JobID.name(), QueueStatus: w.QueueStatus.name(),
			Message: w.Message.text(), At: w.TimeSpan.stamp()}
		if o.State = judge(o.QueueStatus, o.Message, w.ScanRequestID != ""); o.State == Queued {
			o.ScanRequestID = w.ScanRequestID.name()
		}
		out[i] = o
	}
	return out
}

// judge decides what the service's words mean. Only "Processing" is documented;
// the rest are ours (azts.md, Request scan), so an unknown word counts as
// queued only with a request id and nothing that speaks against it.
func judge(status, message string, hasID bool) OutcomeState {
	switch strings.Map(lettersOnly, strings.ToLower(status)) {
	case "processing", "queued", "inqueue", "addedtoqueue", "inprogress", "accepted", "submitted", "pending", "started", "running", "success", "succeeded":
		return Queued
	}
	text := strings.ToLower(status + " " + message)
	switch {
	case has(text, "quota", "limit", "maximum", "exceed", "too many", "per day", "throttl"):
		return QuotaReached
	case has(text, "access", "permission", "authori", "forbidden", "role", "denied", "privilege"):
		return NoRole
	case has(text, "not found", "notfound", "unknown", "does not exist", "not exist", "invalid"):
		return NotKnown
	case hasID && !has(text, "fail", "error", "reject", "refus", "unable", "cannot", "not ", "skip"):
		return Queued
	}
	return Refused
}

func lettersOnly(r rune) rune {
	if r < 'a' || r > 'z' {
		return -1
	}
	return r
}

func has(text string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
