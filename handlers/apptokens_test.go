package handlers

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"azts.internal/portal/internal/entra"
)

// deadlines remembers until when an answer may be written.
type deadlines struct {
	http.ResponseWriter
	write time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	return nil
}

// TestIdentityTime: the machine's identity gets all the time of its retries, the
// answer is sent after that, and the end of the process ends it.
func TestIdentityTime(t *testing.T) {
	closing := make(chan struct{})
	w := &deadlines{ResponseWriter: httptest.NewRecorder()}
	began := time.Now()
	ctx, cancel, err := identityTime(w, httptest.NewRequest(http.MethodPost, "/tokens/app/identity", nil), closing)
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	until, _ := ctx.Deadline()
	if until.Before(began.Add(entra.IdentityLimit)) {
		t.Errorf("it ends after %v, before the last try", until.Sub(began))
	}
	if w.write.Before(until.Add(identityAnswer / 2)) {
		t.Errorf("the answer may be written for %v, the identity takes %v", w.write.Sub(began), until.Sub(began))
	}
	close(closing)
	select {
	case <-ctx.Done():
		if ctx.Err() != context.Canceled {
			t.Error(ctx.Err())
		}
	case <-time.After(5 * time.Second):
		t.Error("the process has to wait for it")
	}
}
