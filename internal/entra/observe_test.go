package entra

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/apperr"
)

// told makes the authority tell a time that is ahead of ours, as a cache that kept
// the answer would, if age is given.
func (a *authority) told(ahead time.Duration, age string) {
	a.answerWith(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Date", a.Now().Add(ahead).UTC().Format(http.TimeFormat))
		if age != "" {
			w.Header().Set("Age", age)
		}
		return false
	})
}

func TestObservation(t *testing.T) {
	a := newAuthority(t)
	a.told(-42*time.Second, "")
	p := a.provider()
	o := p.Observe(t.Context())
	if o.MetadataErr != nil || o.KeysErr != nil || !o.IsEntra || !o.FormPost || !slices.Equal(o.KeyIDs, []string{"k1"}) || !o.MetadataAt.IsZero() || !o.KeysAt.IsZero() {
		t.Errorf("before anybody signed in: %+v", o)
	}
	if off := o.ClockAhead.Round(time.Second); !o.ClockKnown || off < -42*time.Second || off > -41*time.Second {
		t.Errorf("the clock is %v ahead, known %v", o.ClockAhead, o.ClockKnown)
	}
	if p.metadata.known() != nil {
		t.Error("looking changed what is in use")
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	fetched := a.Now()
	a.pass(time.Minute)
	a.breaks("/metadata")
	if o = p.Observe(t.Context()); !apperr.IsKind(o.MetadataErr, apperr.Unavailable) || !o.MetadataAt.Equal(fetched) || o.KeysErr != nil || len(o.KeyIDs) != 1 {
		t.Errorf("with a copy in use: %+v", o)
	}
	a.breaks("/keys")
	if o = p.Observe(t.Context()); o.MetadataErr != nil || !apperr.IsKind(o.KeysErr, apperr.Unavailable) || o.KeyIDs != nil {
		t.Errorf("without keys: %+v", o)
	}
	a.pass(metadataStale)
	a.breaks("/metadata")
	if o = p.Observe(t.Context()); o.MetadataErr == nil || !o.MetadataAt.IsZero() || o.KeysErr != nil || o.KeyIDs != nil {
		t.Errorf("with a copy that is too old: %+v", o)
	}
}

func TestObservedIssuer(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	a.metadata["issuer"] = "https://login.example.net/x"
	var mismatch *IssuerMismatch
	if o := p.Observe(t.Context()); !errors.As(o.MetadataErr, &mismatch) || mismatch.Told != "https://login.example.net/x" || mismatch.Want != o.Issuer || a.count("/keys") != 0 {
		t.Errorf("%+v", o)
	}
}

// TestClockOfAKeptAnswer: a cache between us and the provider is no clock that is behind.
func TestClockOfAKeptAnswer(t *testing.T) {
	a := newAuthority(t)
	p := a.provider()
	for age, want := range map[string]time.Duration{"": -600 * time.Second, "590": -10 * time.Second} {
		a.told(-10*time.Minute, age)
		if o := p.Observe(t.Context()); !o.ClockKnown || o.ClockAhead < want-time.Second || o.ClockAhead > want+time.Second {
			t.Errorf("Age %q: %v", age, o.ClockAhead)
		}
	}
	for _, age := range []string{"-5", "x", "99999999999999999999", "200000"} {
		a.told(0, age)
		if o := p.Observe(t.Context()); o.ClockKnown {
			t.Errorf("Age %q is believed: %v", age, o.ClockAhead)
		}
	}
}
