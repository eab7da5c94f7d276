package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/store"
	"azts.internal/portal/session"
)

// The figure: one session look-up or front-channel sign-out takes the same time,
// within 20 %, at 1,000 and at 1,000,000 stored sessions. Look-ups go past the
// rows that are remembered, to the database.
const (
	fewSessions  = 1_000
	manySessions = 1_000_000
	askedRounds  = 9
	askedOnce    = 2_000
)

func sessionNumber(n int) session.Record {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	id := sha256.Sum256(b[:])
	now := time.Now().UTC().Truncate(time.Second)
	return session.Record{ID: id, Person: access.PersonID{Authority: "7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10", Subject: hex.EncodeToString(id[:8])},
		Issuer: "https://login.example/7c9e1b42-3d58-4f0a-9a61-5be2c4d07f10/v2.0", SID: hex.EncodeToString(id[8:24]), SessionState: hex.EncodeToString(id[16:]),
		Sealed: make([]byte, 2400), Device: "Edge on Windows", CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(12 * time.Hour), EndsAt: now.Add(time.Hour)}
}

func filled(b *testing.B, n int) *store.DB {
	b.Helper()
	db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(b.TempDir(), "portal.db"), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	for start := 0; start < n; start += 10_000 {
		records := make([]session.Record, 0, 10_000)
		for i := start; i < min(start+10_000, n); i++ {
			records = append(records, sessionNumber(i))
		}
		if err := store.CreateSessions(db, records); err != nil {
			b.Fatal(err)
		}
	}
	return db
}

// perCall returns the median time of one call in microseconds, over rounds in
// which the two databases take turns. call returns how long it took.
func perCall(b *testing.B, sizes []int, call func(size, n int) time.Duration) []float64 {
	b.Helper()
	times := make([][]float64, len(sizes))
	for round := range askedRounds {
		for i, size := range sizes {
			numbers := make([]int, askedOnce)
			random := rand.New(rand.NewPCG(uint64(round), uint64(size)))
			for j := range numbers {
				numbers[j] = random.IntN(size)
			}
			var took time.Duration
			for _, n := range numbers {
				took += call(i, n)
			}
			times[i] = append(times[i], float64(took.Nanoseconds())/1e3/askedOnce)
		}
	}
	out := make([]float64, len(sizes))
	for i := range times {
		slices.Sort(times[i])
		out[i] = times[i][askedRounds/2]
	}
	return out
}

func BenchmarkSessionsAtScale(b *testing.B) {
	sizes := []int{fewSessions, manySessions}
	dbs := []*store.DB{filled(b, fewSessions), filled(b, manySessions)}
	for _, db := range dbs {
		store.ForgetSessions(db)
	}
	report := func(b *testing.B, t []float64) {
		b.ReportMetric(t[0], "µs-at-1k")
		b.ReportMetric(t[1], "µs-at-1M")
		b.ReportMetric(t[1]/t[0], "ratio")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("lookup", func(b *testing.B) {
		for b.Loop() {
			report(b, perCall(b, sizes, func(i, n int) time.Duration {
				id := sessionNumber(n).ID
				start := time.Now()
				if _, err := dbs[i].LoadSession(b.Context(), id, start); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}))
		}
	})
	b.Run("front-channel sign-out", func(b *testing.B) {
		for b.Loop() {
			report(b, perCall(b, sizes, func(i, n int) time.Duration {
				rec := sessionNumber(n)
				start := time.Now()
				ids, err := dbs[i].DeleteSessionsBySID(b.Context(), rec.Issuer, rec.SID)
				if err != nil || len(ids) != 1 {
					b.Fatal(fmt.Errorf("%d sessions ended: %w", len(ids), err))
				}
				took := time.Since(start)
				if err := dbs[i].CreateSession(b.Context(), rec, nil); err != nil {
					b.Fatal(err)
				}
				return took
			}))
		}
	})
}
