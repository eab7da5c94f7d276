package store

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/consent"
	"azts.internal/portal/internal/store/storetest"
)

func TestConsentRecords(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			databaseURL := kind.New(t)
			a := openTest(t, databaseURL)
			defer closed(t, a)
			b := a
			if kind.Replicas {
				b = openTest(t, databaseURL)
				defer closed(t, b)
			}
			storetest.TestConsentRecords(t, a, b)
		})
	}
}

func TestTheAuditLogIsAppendOnly(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db := openTest(t, databaseURL)
		defer closed(t, db)
		entry := consent.Entry{Operation: "op", At: time.Unix(1_700_000_000, 0).UTC(), Actor: access.PersonID{Authority: "t", Subject: "ada"}, ActorName: "Ada",
			Action: consent.WithdrawGrant, Outcome: consent.Intended, Scope: "user_impersonation"}
		if err := db.AppendAudit(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		before, err := db.AuditEntries(t.Context(), 10)
		if err != nil || len(before) != 1 {
			t.Fatal(before, err)
		}
		attacks := []string{
			"UPDATE audit_log SET actor_name = 'Mallory'",
			"UPDATE audit_log SET outcome = 'failed' WHERE id = 1",
			"DELETE FROM audit_log",
			"DELETE FROM audit_log WHERE operation = 'op'",
		}
		if strings.HasPrefix(databaseURL, "sqlite:") {
			attacks = append(attacks, "INSERT OR REPLACE INTO audit_log (id, "+auditColumns+") SELECT id, 'op', 1, '', '', 'Mallory', '', '', '', '', '', '', '', '', '', '', '' FROM audit_log",
				"UPDATE OR REPLACE audit_log SET operation = 'x'")
		} else {
			attacks = append(attacks, "TRUNCATE audit_log", "INSERT INTO audit_log (id, "+auditColumns+") OVERRIDING SYSTEM VALUE SELECT id, 'op', 1, '', '', 'Mallory', '', '', '', '', '', '', '', '', '', '', '' FROM audit_log "+
				"ON CONFLICT (id) DO UPDATE SET actor_name = excluded.actor_name")
		}
		for _, attack := range attacks {
			if _, err := db.exec(t.Context(), attack); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", attack, err)
			}
		}
		after, err := db.AuditEntries(t.Context(), 10)
		if err != nil || len(after) != 1 || after[0] != before[0] {
			t.Errorf("the log is %+v, %v; it was %+v", after, err, before)
		}
	})
}

// TestAnIntentSurvivesTheProcess: a process that dies between the change and its
// outcome leaves the intent, and only that.
func TestAnIntentSurvivesTheProcess(t *testing.T) {
	storetest.Each(t, func(t *testing.T, databaseURL string) {
		db := openTest(t, databaseURL)
		service, err := consent.NewService(db, time.Now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		entry := consent.Entry{Actor: access.PersonID{Authority: "t", Subject: "ada"}, ActorName: "Ada", Action: consent.WithdrawGrant, ClientName: "Ledger", Reference: "ref"}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it did not die")
				}
			}()
			_, _ = service.Audited(t.Context(), entry, func(error) bool { return false }, func(context.Context) error { panic("power cut") })
		}()
		closed(t, db)

		db = openTest(t, databaseURL)
		defer closed(t, db)
		left, err := db.AuditEntries(t.Context(), 10)
		if err != nil || len(left) != 1 || left[0].Outcome != consent.Intended || left[0].ClientName != "Ledger" || left[0].At.IsZero() {
			t.Errorf("the log is %+v, %v", left, err)
		}
	})
}
