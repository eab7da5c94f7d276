package azts_test

import (
	"os"
	"strings"
	"testing"

	"azts.internal/portal/internal/azts"
)

func TestEachDocumentedControlLeadsToItsPage(t *testing.T) {
	data, err := os.ReadFile("../sandbox/seed/azts-controls.csv")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if fields[0] == "control_id" {
			continue
		}
		n++
		want := "https://github.com/azsk/AzTS-docs/blob/HEAD/Control%20coverage/Feature/" + fields[1] + ".md#" + strings.ToLower(fields[0])
		if got := azts.ControlDocs(fields[0]); got != want {
			t.Errorf("%s leads to %q, want %q", fields[0], got, want)
		}
	}
	if n < 400 {
		t.Fatalf("%d controls", n)
	}
}

func TestAttackControlIDAsAddress(t *testing.T) {
	for _, id := range []string{"", "Azure_", "Azure_Storage", "Azure_Storage_", "Org_Storage_DP", "Azure_Unheard_Of", "Azure_Storage_/../..",
		"Azure_Storage_x?y", "Azure_Storage_\"><script>", "Azure_../x_y", "javascript:alert(1)", "azure_storage_dp", "Azure_Storage_MyOrg_Own_Control"} {
		if got := azts.ControlDocs(id); got != "" {
			t.Errorf("%q leads to %q", id, got)
		}
	}
}
