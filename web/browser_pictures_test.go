package main

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	chromium "azts.internal/portal/internal/browser"
	"azts.internal/portal/internal/sandbox"
)

const (
	maxPicture    = 200 << 10 // bytes
	pictureHeight = 1400      // pixels of a long page that are shown
)

// TestScreenshots takes the pictures of docs/screenshots: the folder that
// PORTAL_SCREENSHOTS names, relative to the module. It checks nothing that
// other tests do not.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("PORTAL_SCREENSHOTS")
	if folder == "" {
		t.Log("PORTAL_SCREENSHOTS names no folder")
		return
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join("..", folder)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	// With its own sandbox, as a newcomer sees it.
	portal := startPortal(t, nil)
	w := &world{portalRun: portal}
	p := &photographer{visitor: w.visitor(t, chromium.Start(t, chromium.Options{}).Profile(t)), folder: folder}
	p.anonymous()
	p.signedIn()
	p.ended()
	ada := &photographer{visitor: w.visitor(t, chromium.Start(t, chromium.Options{}).Profile(t)), folder: folder}
	ada.signIn(sandbox.AdaID, "/admin/consent", "Consent")
	ada.admin()
}

// sampleToken is unsigned: a picture of a real one would teach people to show theirs.
const sampleToken = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJhdWQiOiJhcGk6Ly9iMWQwNGM3Ny02YTJlLTRkMzktOGY1Mi0zZTlhYzAxNzVkODQiLCJzY3AiOiJ1c2VyX2ltcGVyc29uYXRpb24iLCJuYW1lIjoiRGFuYSBSZXllcyIsImV4cCI6MTc5NTI2NjAwMCwidmVyIjoiMS4wIn0."

type photographer struct {
	*visitor
	folder string
}

// take photographs the page under a name: light and dark, and narrow where it is
// a main page.
func (p *photographer) take(name string, narrow bool) {
	p.t.Helper()
	looks := map[string]chromium.Looks{"light": {}, "dark": {Dark: true}}
	if narrow {
		looks["390"] = chromium.Looks{Width: 390, Height: 844}
	}
	for kind, look := range looks {
		p.Look(look)
		file := slim(p.t, p.Picture(pictureHeight))
		if len(file) > maxPicture {
			p.t.Errorf("%s-%s has %d bytes", name, kind, len(file))
		}
		if err := os.WriteFile(filepath.Join(p.folder, name+"-"+kind+".png"), file, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
	p.Look(chromium.Looks{})
}

// slim writes a picture with a palette, which suffices for pages without
// photographs and takes a third of the bytes.
func slim(t testing.TB, file []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.RGBA]int{}
	bounds := full.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++
		}
	}
	const shades = 256
	reduced := image.NewPaletted(bounds, mostFrequent(count, shades))
	nearest := map[color.RGBA]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)
			index, ok := nearest[c]
			if !ok {
				index = uint8(reduced.Palette.Index(c))
				nearest[c] = index
			}
			reduced.SetColorIndex(x, y, index)
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, reduced); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (p *photographer) anonymous() {
	p.visit("/")
	p.Heading("See, scan and understand the security of your Azure subscriptions")
	p.take("landing", true)
	p.Expect("status of 404")
	p.visit("/subscriptions/unknown")
	p.Heading("There is nothing here")
	p.take("error", true)
	p.visit("/auth/login")
	p.Heading("Choose an account")
	p.take("account-picker", false)
	p.pick(sandbox.DanaID)
	p.Heading("Permissions requested")
	p.take("consent", true)
}

func (p *photographer) signedIn() {
	p.Press("Accept")
	p.Heading("Overview")
	p.take("overview", true)
	p.Press("Scans")
	p.Heading("Scans")
	p.Press("New scan")
	p.Heading("New scan")
	for _, name := range []string{"Contoso Prod", "Payments – Staging"} {
		p.Click(`input[aria-label="Choose ` + name + `"]`)
	}
	p.take("new-scan", true)
	p.Press("Start scan")
	p.Heading("Scan of 2 subscriptions")
	p.take("scan", true)
	p.scanned()
	p.flows()
	p.Press("Tokens")
	p.Heading("Tokens")
	p.take("tokens", true)
	p.visit("/tokens/app")
	p.Heading("App tokens")
	p.take("app-tokens", false)
	p.visit("/tokens/inspect")
	p.Heading("Token inspector")
	p.decode(sampleToken)
	p.take("inspector", true)
	p.visit("/access")
	p.Heading("Access")
	p.take("access", true)
	p.visit("/account")
	p.Heading("Account")
	p.take("account", true)
	p.visit("/")
	p.Heading("Overview")
	p.Follow(func() { p.Press("Contoso Prod") })
	p.Click("table.results tbody tr:nth-child(3) details.opener summary")
	p.Wait("the details of a result", `document.querySelector('tbody tr:nth-child(4)').checkVisibility()`)
	chromium.Eval[bool](p.Tab, `(scrollTo(0, 0), true)`)
	p.take("results", true)
}

// admin shows what an admin sees.
func (p *photographer) admin() {
	p.take("admin-consent", true)
	for _, page := range []struct{ name, path, heading string }{
		{"admin-requests", "/admin/requests", "Requests"},
		{"admin-permissions", "/admin/permissions", "Permissions"},
		{"admin-credentials", "/admin/credentials", "Credentials"},
		{"admin-scans", "/admin/scans", "Scans in numbers"},
		{"flow-health", "/flows/health", "Health of the set-up"},
	} {
		p.visit(page.path)
		p.Heading(page.heading)
		p.take(page.name, false)
	}
}

// ended shows the two ways in which a session ends.
func (p *photographer) ended() {
	p.visit("/account/sessions")
	p.Heading("Your sessions")
	p.take("sessions", false)
	p.Click("button.who")
	p.Press("Sign out")
	p.Heading("You are signed out")
	p.take("signed-out", true)
	p.signInAgain()
	chromium.Eval[int](p.Tab, `fetch('/auth/logout', { method: 'POST', redirect: 'manual' }).then((answer) => answer.status)`)
	p.Wait("the page to say that its session ended", `document.querySelector('h1').innerText === 'Your session ended'`)
	p.take("session-ended", false)
}

func (p *photographer) signInAgain() {
	p.Press("Sign in again")
	p.pick(sandbox.DanaID)
	p.Heading("Overview")
}

// mostFrequent returns the colours that a picture needs most, none like another.
func mostFrequent(count map[color.RGBA]int, n int) color.Palette {
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var out color.Palette
	for _, c := range colours {
		if len(out) == n {
			break
		}
		if !slices.ContainsFunc(out, func(have color.Color) bool { return alike(c, have.(color.RGBA)) }) {
			out = append(out, c)
		}
	}
	return out
}

// alike tells whether two colours are one to the eye: a rare colour that
// differs is worth more of the palette than the shades of a letter's edge.
func alike(a, b color.RGBA) bool {
	const near = 10
	return abs(a.R, b.R)+abs(a.G, b.G)+abs(a.B, b.B) < near
}

func abs(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }
