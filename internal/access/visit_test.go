package access_test

import (
	"testing"
	"time"

	"azts.internal/portal/internal/access"
)

func TestVisit(t *testing.T) {
	began := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return began.Add(d) }
	seen := access.Visit{BeganAt: began, SeenAt: at(time.Hour), BeforeAt: at(-24 * time.Hour)}
	for name, tt := range map[string]struct {
		was           access.Visit
		now, signedIn time.Time
		want          access.Visit
		changed       bool
	}{
		"first":                       {access.Visit{}, began, began, access.Visit{BeganAt: began, SeenAt: began}, true},
		"a moment later":              {seen, at(time.Hour + time.Minute), began, seen, false},
		"five minutes later":          {seen, at(65 * time.Minute), began, access.Visit{BeganAt: began, SeenAt: at(65 * time.Minute), BeforeAt: seen.BeforeAt}, true},
		"almost four hours later":     {seen, at(5*time.Hour - 1), began, access.Visit{BeganAt: began, SeenAt: at(5*time.Hour - 1), BeforeAt: seen.BeforeAt}, true},
		"four hours later":            {seen, at(5 * time.Hour), began, access.Visit{BeganAt: at(5 * time.Hour), SeenAt: at(5 * time.Hour), BeforeAt: seen.SeenAt}, true},
		"signed in again":             {seen, at(2 * time.Hour), at(119 * time.Minute), access.Visit{BeganAt: at(2 * time.Hour), SeenAt: at(2 * time.Hour), BeforeAt: seen.SeenAt}, true},
		"a visit for more proof":      {seen, at(70 * time.Minute), at(69 * time.Minute), access.Visit{BeganAt: began, SeenAt: at(70 * time.Minute), BeforeAt: seen.BeforeAt}, true},
		"another replica is ahead":    {seen, at(59 * time.Minute), began, seen, false},
		"an older session goes on":    {seen, at(2 * time.Hour), at(-time.Hour), access.Visit{BeganAt: began, SeenAt: at(2 * time.Hour), BeforeAt: seen.BeforeAt}, true},
		"a clock that was set far on": {access.Visit{BeganAt: at(999 * time.Hour), SeenAt: at(999 * time.Hour)}, began, began, access.Visit{BeganAt: at(999 * time.Hour), SeenAt: at(999 * time.Hour)}, false},
	} {
		if got, changed := tt.was.Seen(tt.now, tt.signedIn); got != tt.want || changed != tt.changed {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, got, changed, tt.want, tt.changed)
		}
	}
}
