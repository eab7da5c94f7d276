package entra

import (
	"slices"
	"testing"

	"azts.internal/portal/internal/apperr"
)

// TestPlacesAreOfKnownCodes: each number is explained, stands in one place, and those
// that an administrator mends in a registration have one.
func TestPlacesAreOfKnownCodes(t *testing.T) {
	var seen []int
	for _, one := range codePlaces {
		for _, number := range one.codes {
			if _, ok := lookupAADSTS(number); !ok {
				t.Errorf("%d is not explained", number)
			}
			if slices.Contains(seen, number) {
				t.Errorf("%d has two places", number)
			}
			seen = append(seen, number)
		}
	}
	for code, there := range map[string]bool{"AADSTS50105": true, "AADSTS53003": true, "AADSTS7000222": true, "AADSTS50011": true, "AADSTS1": false, "50105": false, "state_unknown": false, "": false} {
		if got := CodePlace(code); (got != "") != there {
			t.Errorf("%q: %q", code, got)
		}
	}
	if k, _ := lookupAADSTS(50105); k.mender != apperr.MenderAdmin {
		t.Error("50105 is no longer an administrator's")
	}
}
