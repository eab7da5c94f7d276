package templates

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var preview = flag.String("preview", "", "write every sample page into this directory, to be looked at in a browser")

// render returns the HTML of a sample.
func render(t testing.TB, name string) string {
	t.Helper()
	page := samples()[name]
	if page == nil {
		t.Fatalf("no sample %q", name)
	}
	var b bytes.Buffer
	if err := page.Render(context.Background(), &b); err != nil {
		t.Fatalf("render %s: %v", name, err)
	}
	return b.String()
}

func TestPreview(t *testing.T) {
	for name := range samples() {
		html := render(t, name)
		if *preview == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(*preview, name+".html"), []byte(html), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
