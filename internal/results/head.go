package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"azts.internal/portal/internal/access"
)

// SubscriptionState is how the reading of one subscription ended.
type SubscriptionState string

// The states of a subscription in a set.
const (
	SubReading SubscriptionState = "reading" // more is to come
	SubWhole   SubscriptionState = "whole"   // all that AzTS said it has
	SubShort   SubscriptionState = "short"   // fewer rows than AzTS said it has
	SubLoop    SubscriptionState = "loop"    // AzTS's pages led back to an earlier one, or did not end
	SubGone    SubscriptionState = "gone"    // AzTS does not give it out any more
	SubCut     SubscriptionState = "cut"     // a limit was reached
)

// Subscription is what a set has of one subscription.
type Subscription struct {
	ID        string            `json:"id"` // in lower case
	State     SubscriptionState `json:"state"`
	SkipToken string            `json:"skip,omitempty"` // of the page to read next, empty for the first
	Pages     int               `json:"pages"`
	// Expected is how many rows AzTS last said there are; -1 while it did not say.
	Expected   int `json:"expected"`
	Rows       int `json:"rows"`
	Passed     int `json:"passed"`
	Failed     int `json:"failed"`
	Duplicates int `json:"duplicates,omitempty"` // rows that came again
	Skipped    int `json:"skipped,omitempty"`    // rows that could not be read
}

// Missing returns how many rows AzTS spoke of that are not there.
func (s Subscription) Missing() int { return max(0, s.Expected-s.Rows) }

// Info is what is known of a set without its rows.
type Info struct {
	ScanID        string
	Person        access.PersonID
	State         State
	CreatedAt     time.Time
	ChangedAt     time.Time
	Rows          int
	Passed        int
	Failed        int
	Subscriptions []Subscription // in the order asked for
}

// head is the sealed part of a set's record.
type head struct {
	Generation    string         `json:"generation"`
	State         State          `json:"state"`
	Rows          int            `json:"rows"`
	Segments      int            `json:"segments"`
	Subscriptions []Subscription `json:"subscriptions"`
}

var errHead = errors.New("results: the head does not fit its set")

// place names where something is sealed for. Quoting keeps the parts apart.
func (rec *SetRecord) place(kind, generation string, number int64) string {
	return fmt.Sprintf("results %s %q %q %q %q %d", kind, rec.Person.Authority, rec.Person.Subject, rec.ScanID, generation, number)
}

// sealHead puts the head into its record, which has the version it is to be stored with.
func (a *Archive) sealHead(rec *SetRecord, h *head) error {
	rec.State, rec.Rows, rec.Segments = h.State, h.Rows, h.Segments
	plain, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("results: head: %w", err)
	}
	rec.Head = a.keys.Seal(plain, rec.place("head", "", rec.Version))
	return nil
}

// openHead fails with errUnreadable only.
func (a *Archive) openHead(rec *SetRecord) (*head, error) {
	plain, err := a.keys.Open(rec.Head, rec.place("head", "", rec.Version))
	if err != nil {
		return nil, errUnreadable.Because(fmt.Errorf("results: head of %s: %w", rec.ScanID, err))
	}
	h := &head{}
	if err := json.Unmarshal(plain, h); err != nil {
		return nil, errUnreadable.Because(fmt.Errorf("results: head of %s: %w", rec.ScanID, err))
	}
	// The columns in the clear are for statistics; nothing may hang on them.
	if h.State != rec.State || h.Rows != rec.Rows || h.Segments != rec.Segments || h.Rows < 0 || h.Segments < 0 {
		return nil, errUnreadable.Because(errHead)
	}
	return h, nil
}

func (h *head) info(rec *SetRecord) Info {
	info := Info{ScanID: rec.ScanID, Person: rec.Person, State: rec.State, CreatedAt: rec.CreatedAt, ChangedAt: rec.ChangedAt,
		Rows: h.Rows, Subscriptions: h.Subscriptions}
	for _, s := range h.Subscriptions {
		info.Passed += s.Passed
		info.Failed += s.Failed
	}
	return info
}
