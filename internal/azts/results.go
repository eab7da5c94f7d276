package azts

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azhttp"
)

// MaxResultPages is the most pages that AllResults reads: a million results.
const MaxResultPages = 10_000

// MaxSkipToken is the longest skip token that is sent back, in bytes.
const MaxSkipToken = 8 << 10

// ErrResultLoop says that a skip token came twice; a cause, for the log.
var ErrResultLoop = errors.New("skipToken repeats an earlier page")

var errTooManyPages = errors.New("more result pages than the limit")

// ResultQuery narrows the results. The zero value asks for the latest ones.
type ResultQuery struct {
	ScanRequestID string   `json:"ScanRequestId,omitempty"`
	ControlIDs    []string `json:"ControlIdList,omitempty"`
	ResourceNames []string `json:"ResourceNameList,omitempty"`
}

// Result is the state of one control on one resource. Status and Severity may
// hold values that azts.md does not list: show them as they are.
type Result struct {
	SubscriptionID     string
	ControlName        string
	ControlDisplayName string
	Status             string // Passed, Failed, Verify, NotApplicable, ExtScanned, Exempted, Error, NotScanned
	Severity           string // Critical, High, Medium, Low
	ResourceName       string
	ResourceGroupName  string
	ResourceID         string
	IsBaseline         bool
	StatusReason       string
	Description        string
	Category           string
	Remediation        string
	Justification      string
	ExceptionExpiry    Stamp
	ExceptionWorkflow  string
	OrganizationTenant string
}

// ResultPage is one page of results.
type ResultPage struct {
	Results []Result
	// Next is the opaque token of the following page, empty at the last one.
	Next         string
	PageSize     Count
	TotalPages   Count
	TotalRecords Count
	// Skipped is how many rows could not be read or belong to another subscription.
	Skipped int
}

type resultWire struct {
	ControlName, ControlDisplayName, Status, ResourceName, ResourceGroupName, ResourceID scalar
	IsBaseline, Severity, StatusReason, SubscriptionID, OrgTenantID                      scalar
	ExceptionExpiryDate, Justification, Description, Category, Remediation               scalar
	ExceptionWorkFlowStatus                                                              scalar
}

// Results reads one page; skipToken is empty for the first and a page's Next for
// the one after it.
func (c *Client) Results(ctx context.Context, source TokenSource, subscriptionID string, q ResultQuery, skipToken string) (ResultPage, error) {
	id, err := ParseSubscriptionID(subscriptionID)
	if err != nil {
		return ResultPage{}, err
	}
	if len(skipToken) > MaxSkipToken {
		return ResultPage{}, apperr.New(apperr.Invalid, "skip_token", "This page of results cannot be asked for.").
			WithNext(apperr.MenderPerson, "Start from the first page.")
	}
	query := apiVersion()
	if skipToken != "" {
		query.Set("skipToken", skipToken)
	}
	res, err := c.post(ctx, source, azhttp.Request{
		Path: "/adhocscan/subscription/" + id + "/ControlScanResult", Query: query, Body: q, Repeat: azhttp.Repeatable,
	})
	if err != nil {
		return ResultPage{}, err
	}
	page, err := readResultPage(res, id)
	if err != nil {
		return ResultPage{}, err
	}
	if page.Next != "" && page.Next == skipToken {
		return ResultPage{}, res.Malformed(ErrResultLoop)
	}
	return page, nil
}

func readResultPage(res *azhttp.Response, id string) (ResultPage, error) {
	var wire struct {
		Data                               []json.RawMessage
		SkipToken                          scalar
		PageSize, TotalPages, TotalRecords scalar
	}
	if err := res.JSON(&wire); err != nil {
		return ResultPage{}, err
	}
	if len(wire.SkipToken) > MaxSkipToken {
		return ResultPage{}, res.Malformed(errors.New("skipToken longer than the limit"))
	}
	rows, skipped := elements[resultWire](wire.Data)
	page := ResultPage{Next: string(wire.SkipToken), Skipped: skipped, PageSize: wire.PageSize.count(),
		TotalPages: wire.TotalPages.count(), TotalRecords: wire.TotalRecords.count(), Results: make([]Result, 0, len(rows))}
	for i := range rows {
		r := rows[i].result(id)
		if r.SubscriptionID != id {
			page.Skipped++
			continue
		}
		page.Results = append(page.Results, r)
	}
	return page, nil
}

func (w *resultWire) result(id string) Result {
	r := Result{
		SubscriptionID: strings.ToLower(w.SubscriptionID.name()),
		ControlName:    w.ControlName.name(), ControlDisplayName: w.ControlDisplayName.name(),
		Status: w.Status.name(), Severity: w.Severity.name(), IsBaseline: w.IsBaseline.flag(),
		ResourceName: w.ResourceName.name(), ResourceGroupName: w.ResourceGroupName.name(), ResourceID: w.ResourceID.name(),
		StatusReason: w.StatusReason.text(), Description: w.Description.text(), Category: w.Category.name(),
		Remediation: w.Remediation.text(), Justification: w.Justification.text(),
		ExceptionExpiry: w.ExceptionExpiryDate.stamp(), ExceptionWorkflow: w.ExceptionWorkFlowStatus.name(),
		OrganizationTenant: w.OrgTenantID.name(),
	}
	if r.SubscriptionID == "" {
		r.SubscriptionID = id
	}
	return r
}

// AllResults reads every page. It ends with an error at a repeated skip token
// and after [MaxResultPages].
func (c *Client) AllResults(ctx context.Context, source TokenSource, subscriptionID string, q ResultQuery) iter.Seq2[ResultPage, error] {
	return func(yield func(ResultPage, error) bool) {
		seen := map[string]bool{}
		token := ""
		for range MaxResultPages {
			page, err := c.Results(ctx, source, subscriptionID, q, token)
			if err != nil {
				yield(ResultPage{}, err)
				return
			}
			if !yield(page, nil) || page.Next == "" {
				return
			}
			if seen[page.Next] {
				yield(ResultPage{}, endlessResults.Because(ErrResultLoop))
				return
			}
			token = page.Next
			seen[token] = true
		}
		yield(ResultPage{}, endlessResults.Because(errTooManyPages))
	}
}

var endlessResults = apperr.New(apperr.BadGateway, "azts_endless", "AzTS sent results that do not end.").
	WithNext(apperr.MenderHelpDesk, "Give the help desk the reference below.")

func apiVersion() url.Values { return url.Values{"api-version": {"1.0"}} }
