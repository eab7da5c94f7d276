package flows_test

import (
	"encoding/json"
	"testing"

	"azts.internal/portal/internal/flows"
)

// BenchmarkLab is a run from the box to the trace without secrets, and what of it is
// kept: most of it is the making and checking of signatures.
func BenchmarkLab(b *testing.B) {
	lab := newLab(b, newBox)
	for _, c := range []struct{ flow, failure string }{{"hybrid", ""}, {"hybrid", "other-nonce"}, {"on-behalf-of", ""}, {"client-credentials-certificate", ""}} {
		flow, _ := flows.Find(c.flow)
		b.Run(c.flow+" "+c.failure, func(b *testing.B) {
			kept := 0
			for b.Loop() {
				run, err := lab.Run(b.Context(), dana, flow, c.failure)
				if err != nil || !run.Outcome.Expected {
					b.Fatal(err, run)
				}
				text, err := json.Marshal(run)
				if err != nil {
					b.Fatal(err)
				}
				kept = len(text)
			}
			b.ReportMetric(float64(kept)/1024, "KB-kept")
		})
	}
}
