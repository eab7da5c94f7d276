package azts

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"azts.internal/portal/internal/azhttp"
)

// Summary is the compliance of one subscription as the caller may see it.
type Summary struct {
	SubscriptionID   string
	SubscriptionName string
	TenantID         string
	AccessLevel      string // "Subscription" or "Resource Group(s)"
	Compliance       Percentage
	Total            Count // controls
	Passed           Count
	Failed           Count
	LastModified     Stamp // when AzTS last stored results for it
}

type summaryWire struct {
	SubscriptionID, SubscriptionName, TenantID, CallerAccessLevel scalar
	CompliancePercentage                                          scalar
	TotalControlCount, PassingControlCount, FailedControlCount    scalar
	LastModifiedDateTime                                          scalar
}

// MaxSummaries is the most subscriptions that Summaries takes.
const MaxSummaries = 10_000

// Summaries returns the compliance of the subscriptions, in no set order; one
// that the caller may not see or that was never scanned is left out. It makes
// one call for each [MaxSubscriptions] of them; no ids, no call. controlIDs
// narrows what is counted; it may be empty.
func (c *Client) Summaries(ctx context.Context, source TokenSource, ids, controlIDs []string) ([]Summary, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ids, err := ParseSubscriptionIDs(ids, MaxSummaries)
	if err != nil {
		return nil, err
	}
	var all []Summary
	for part := range slices.Chunk(ids, MaxSubscriptions) {
		res, err := c.post(ctx, source, azhttp.Request{
			Path: "/ComplianceSummary/search", Repeat: azhttp.Repeatable,
			Body: struct {
				SubscriptionIDList []string
				ControlIDList      []string `json:"ControlIdList,omitempty"`
			}{part, controlIDs},
		})
		if err != nil {
			return nil, err
		}
		var wire struct{ SearchResults []json.RawMessage }
		if err := res.JSON(&wire); err != nil {
			return nil, err
		}
		rows, _ := elements[summaryWire](wire.SearchResults)
		all = append(all, summaries(part, rows)...)
	}
	return all, nil
}

func summaries(asked []string, rows []summaryWire) []Summary {
	open := make(map[string]bool, len(asked))
	for _, id := range asked {
		open[id] = true
	}
	out := make([]Summary, 0, len(asked))
	for i := range rows {
		w := &rows[i]
		id := strings.ToLower(strings.TrimSpace(string(w.SubscriptionID)))
		if !open[id] {
			continue
		}
		delete(open, id) // of two about the same one the first counts
		out = append(out, Summary{SubscriptionID: id, SubscriptionName: w.SubscriptionName.name(), TenantID: w.TenantID.name(),
			AccessLevel: w.CallerAccessLevel.name(), Compliance: w.CompliancePercentage.percentage(),
			Total: w.TotalControlCount.count(), Passed: w.PassingControlCount.count(), Failed: w.FailedControlCount.count(),
			LastModified: w.LastModifiedDateTime.stamp()})
	}
	return out
}
