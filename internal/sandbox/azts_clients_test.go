package sandbox_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/arm"
	"azts.internal/portal/internal/azhttp"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/sandbox"
)

// The portal's clients and the sandbox are written apart and share no type:
// here they meet.

type fixedToken string

func (f fixedToken) Token(context.Context, string) (string, error) { return string(f), nil }
func (f fixedToken) Invalidate(context.Context, string, string)    {}

func (a *apis) config(base, scope string) azhttp.Config {
	return azhttp.Config{BaseURL: base, Scope: scope, Service: "the sandbox",
		Sleep: func(context.Context, time.Duration) error { return nil }}
}

func (a *apis) aztsClient() *azts.Client {
	client, err := azts.New(a.config(a.Settings().AzTSURL, a.Settings().AzTSScope))
	if err != nil {
		a.t.Fatal(err)
	}
	return client
}

func TestThePortalsClientFollowsAScan(t *testing.T) {
	a := serveAPIs(t, func(o *sandbox.Options) { o.ResultsPerSubscription = 2500 })
	client, source, ctx := a.aztsClient(), fixedToken(a.dana()), t.Context()
	all := a.subscriptionIDs()
	outcomes, err := client.RequestScan(ctx, source, []string{prod, all[8]})
	if err != nil || outcomes[0].State != azts.Queued || outcomes[1].State != azts.NoRole {
		t.Fatalf("outcomes are %+v (%v)", outcomes, err)
	}
	a.forward(26 * time.Second)
	summaries, err := client.Summaries(ctx, source, []string{prod}, nil)
	if err != nil || len(summaries) != 1 || !summaries[0].LastModified.Time.After(outcomes[0].RequestTime()) {
		t.Fatalf("summaries are %+v (%v)", summaries, err)
	}
	read := 0
	for page, err := range client.AllResults(ctx, source, prod, azts.ResultQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		read += len(page.Results)
	}
	if read != 2500 {
		t.Errorf("%d of 2500 results were read", read)
	}
}

func TestThePortalsClientReachesTheEndOfTheQuota(t *testing.T) {
	a := serveAPIs(t, nil)
	client, source := a.aztsClient(), fixedToken(a.dana())
	var states []azts.OutcomeState
	for range 11 {
		outcomes, err := client.RequestScan(t.Context(), source, []string{prod})
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, outcomes[0].State)
	}
	if slices.Index(states, azts.QuotaReached) != 10 {
		t.Errorf("states are %v", states)
	}
	a.Faults().Set("azts.quota_429", "", 1)
	if outcomes, err := client.RequestScan(t.Context(), source, []string{prod}); err != nil || outcomes[0].State != azts.QuotaReached {
		t.Errorf("a refused call gives %+v (%v)", outcomes, err)
	}
}

func TestThePortalsClientSurvivesTheFaults(t *testing.T) {
	a := serveAPIs(t, func(o *sandbox.Options) { o.ResultsPerSubscription = 300 })
	client, source := a.aztsClient(), fixedToken(a.dana())
	read := func() (results int, err error) {
		for page, err := range client.AllResults(t.Context(), source, prod, azts.ResultQuery{}) {
			if err != nil {
				return results, err
			}
			results += len(page.Results)
		}
		return results, nil
	}
	a.Faults().Set("azts.weird_values", "", -1)
	if results, err := read(); err != nil || results == 0 {
		t.Errorf("of weird values %d results were read (%v)", results, err)
	}
	a.Faults().Clear()
	a.Faults().Set("azts.page_loop", "", -1)
	if _, err := read(); !errors.Is(err, azts.ErrResultLoop) {
		t.Errorf("a page loop ends with %v", err)
	}
	a.Faults().Clear()
	a.Faults().Set("azts.claims_challenge", "c1", -1)
	var challenge *azts.ChallengeError
	if _, err := read(); !errors.As(err, &challenge) || challenge.Claims != `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}` {
		t.Errorf("a claims challenge ends with %v", err)
	}
}

func TestThePortalsARMClientReadsAllPages(t *testing.T) {
	a := serveAPIs(t, func(o *sandbox.Options) { o.Subscriptions = 120 })
	client, err := arm.New(a.config(a.Settings().ARMURL, sandbox.ARMAudience+"/user_impersonation"))
	if err != nil {
		t.Fatal(err)
	}
	source := fixedToken(a.armToken(sandbox.AdaID))
	if list, err := client.Subscriptions(t.Context(), source); err != nil || len(list) != 120 {
		t.Errorf("%d subscriptions were read (%v)", len(list), err)
	}
	a.Faults().Set("arm.foreign_next_link", "", 1)
	if list, err := client.Subscriptions(t.Context(), source); err == nil {
		t.Errorf("a link to another host was followed, or the list cut: %d subscriptions", len(list))
	}
}
