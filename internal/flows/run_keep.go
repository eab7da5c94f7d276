package flows

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/seal"
	"azts.internal/portal/internal/trace"
)

// MaxRuns is how many runs are kept of one person; the oldest go first.
const MaxRuns = 50

// afterWait is how long a wait that ended, and that nobody looked at since, is still
// there to be told of: then the run is deleted with the code that it waited for.
const afterWait = time.Hour

// ErrNoRun is what Records answers for a run that is not there.
var ErrNoRun = errors.New("flows: no such run")

// StoredRun is a run as it is stored: sealed, but for what it is found by.
type StoredRun struct {
	ID        string
	Owner     access.PersonID
	StartedAt time.Time
	EndsAt    time.Time // forgotten from then on
	Share     []byte    // SHA-256 of what opens it to the help desk; nil for nothing
	Head      []byte    // sealed: the run without its trace
	Sealed    []byte    // the whole run
	Version   int64     // counts the changes
}

// Records keep runs. None is returned after its end.
type Records interface {
	// AddRun stores a run and deletes all but the newest most of its owner.
	AddRun(ctx context.Context, run StoredRun, most int) error
	// SaveRun stores a run in place of the version before it; false says that there
	// is none.
	SaveRun(ctx context.Context, run StoredRun) (bool, error)
	// LoadRun returns a run of an owner, else ErrNoRun.
	LoadRun(ctx context.Context, owner access.PersonID, id string, now time.Time) (StoredRun, error)
	// SharedRun returns the run that a share opens, else ErrNoRun.
	SharedRun(ctx context.Context, share []byte, now time.Time) (StoredRun, error)
	// RunsOf lists an owner's runs without Sealed, the newest first.
	RunsOf(ctx context.Context, owner access.PersonID, now time.Time, most int) ([]StoredRun, error)
	// DeleteRun deletes a run of an owner; one that is not there is no error.
	DeleteRun(ctx context.Context, owner access.PersonID, id string) error
}

// Keeper keeps runs for their owners, sealed.
type Keeper struct {
	records Records
	keys    *seal.KeyRing
	now     func() time.Time
}

// NewKeeper returns a keeper. It refuses missing parts.
func NewKeeper(records Records, keys *seal.KeyRing, now func() time.Time) (*Keeper, error) {
	if records == nil || keys == nil || now == nil {
		return nil, errors.New("flows: a part is missing")
	}
	return &Keeper{records, keys, now}, nil
}

// errNoRun is the same for a run that is not there, that has ended, and that is
// somebody else's.
var errNoRun = apperr.New(apperr.NotFound, "run_unknown", "There is no such run, or not any more: runs are kept for 24 hours.").
	WithNext(apperr.MenderPerson, "If it is yours, run the flow again. If it is somebody else's, ask them for the link that they get when they share it.")

// place names where a run is sealed: for its owner, and no other.
func place(kind, id string, owner access.PersonID) string {
	return "flows/" + kind + "/" + id + "/" + owner.Authority + "/" + owner.Subject
}

func (k *Keeper) stored(owner access.PersonID, run *Run, version int64) (StoredRun, error) {
	whole, err := json.Marshal(run)
	if err != nil {
		return StoredRun{}, fmt.Errorf("flows: a run: %w", err)
	}
	short := *run
	short.Trace, short.Share = trace.Trace{}, ""
	ends := run.EndsAt
	if run.Waits != nil {
		short.Waits = &Waiting{ExpiresAt: run.Waits.ExpiresAt}
		ends = run.Waits.ExpiresAt.Add(afterWait)
	}
	head, err := json.Marshal(short)
	if err != nil {
		return StoredRun{}, fmt.Errorf("flows: a run: %w", err)
	}
	s := StoredRun{ID: run.ID, Owner: owner, StartedAt: run.StartedAt, EndsAt: ends, Version: version,
		Head: k.keys.Seal(head, place("head", run.ID, owner)), Sealed: k.keys.Seal(whole, place("run", run.ID, owner))}
	if run.Share != "" {
		s.Share = shareKey(run.Share)
	}
	return s, nil
}

func shareKey(token string) []byte {
	sum := sha256.Sum256([]byte("flows/share/" + token))
	return sum[:]
}

// Add keeps a run for its owner.
func (k *Keeper) Add(ctx context.Context, owner access.PersonID, run *Run) error {
	s, err := k.stored(owner, run, 1)
	if err != nil {
		return err
	}
	return k.records.AddRun(ctx, s, MaxRuns)
}

// Get returns a run of its owner.
func (k *Keeper) Get(ctx context.Context, owner access.PersonID, id string) (*Run, error) {
	return k.Change(ctx, owner, id, func(*Run) (bool, error) { return false, nil })
}

func missingRun(err error) error {
	if errors.Is(err, ErrNoRun) {
		return errNoRun.Because(err)
	}
	return err
}

func (k *Keeper) open(kind string, s StoredRun, sealed []byte) (*Run, error) {
	plain, err := k.keys.Open(sealed, place(kind, s.ID, s.Owner))
	if err != nil {
		return nil, errNoRun.Because(err) // a key that is no more
	}
	var run Run
	if err := json.Unmarshal(plain, &run); err != nil {
		return nil, fmt.Errorf("flows: a stored run: %w", err)
	}
	run.lapse(k.now())
	return &run, nil
}

// List returns an owner's runs without what was said, the newest first.
func (k *Keeper) List(ctx context.Context, owner access.PersonID) ([]Run, error) {
	stored, err := k.records.RunsOf(ctx, owner, k.now(), MaxRuns)
	if err != nil {
		return nil, err
	}
	var list []Run
	for _, s := range stored {
		run, err := k.open("head", s, s.Head)
		if apperr.IsKind(err, apperr.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, *run)
	}
	return list, nil
}

// Shared returns the run that somebody shared by a token. [Run.SharedBy] is whose
// it is.
func (k *Keeper) Shared(ctx context.Context, token string) (*Run, error) {
	s, err := k.records.SharedRun(ctx, shareKey(token), k.now())
	if err != nil {
		return nil, missingRun(err)
	}
	return k.open("run", s, s.Sealed)
}

var errBusyRun = apperr.New(apperr.Conflict, "run_busy", "The run changed at the same moment.").
	WithNext(apperr.MenderPerson, "Try once more.").WithRetry()

// Change changes a run of its owner. change reports whether there is something to
// keep; of two changes at once the second begins anew. A wait that is over is ended
// before.
func (k *Keeper) Change(ctx context.Context, owner access.PersonID, id string, change func(*Run) (bool, error)) (*Run, error) {
	for range 3 {
		s, err := k.records.LoadRun(ctx, owner, id, k.now())
		if err != nil {
			return nil, missingRun(err)
		}
		run, err := k.open("run", s, s.Sealed)
		if err != nil {
			return nil, err
		}
		lapsed := run.Waits == nil && s.EndsAt.Before(run.EndsAt)
		changed, err := change(run)
		if err != nil || !changed && !lapsed {
			return run, err
		}
		next, err := k.stored(owner, run, s.Version+1)
		if err != nil {
			return nil, err
		}
		kept, err := k.records.SaveRun(ctx, next)
		if err != nil || kept {
			return run, err
		}
	}
	return nil, errBusyRun
}

// Share lets the help desk see a run by a token, which it has from then on. by is
// what its owner is called.
func (k *Keeper) Share(ctx context.Context, owner access.PersonID, id, by string) (*Run, error) {
	return k.Change(ctx, owner, id, func(run *Run) (bool, error) {
		if run.Share != "" {
			return false, nil
		}
		run.Share, run.SharedBy = newID()+newID(), by
		return true, nil
	})
}

// Unshare takes the token of a run back: it opens nothing from then on.
func (k *Keeper) Unshare(ctx context.Context, owner access.PersonID, id string) (*Run, error) {
	return k.Change(ctx, owner, id, func(run *Run) (bool, error) {
		if run.Share == "" {
			return false, nil
		}
		run.Share, run.SharedBy = "", ""
		return true, nil
	})
}

// Delete forgets a run.
func (k *Keeper) Delete(ctx context.Context, owner access.PersonID, id string) error {
	return k.records.DeleteRun(ctx, owner, id)
}
