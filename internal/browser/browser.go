package browser

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

const (
	// patience is how long anything may take that a page does. It is no
	// measure of speed: the machine may be busy with other tests.
	patience  = 30 * time.Second
	stopLimit = 15 * time.Second // for Chromium to end
)

// Enabled tells whether tests in a browser are wanted: PORTAL_TEST_BROWSER is
// set. Where they are wanted and Chromium is missing, they fail.
func Enabled() bool { return os.Getenv("PORTAL_TEST_BROWSER") != "" }

// names of the program, in the order they are looked for.
var programs = []string{"chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium"}

func findProgram() (string, error) {
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium on this machine; .ci/install installs it")
}

// Options say how a browser differs from a new one.
type Options struct {
	// BlockThirdPartyCookies is the setting of the same name: a frame of
	// another site neither gets nor sets cookies.
	BlockThirdPartyCookies bool
}

// Browser is a running Chromium.
type Browser struct {
	ctx context.Context
}

// Start starts a Chromium with an empty user data directory. It ends with the
// test.
func Start(t testing.TB, o Options) *Browser {
	t.Helper()
	program, err := findProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := writePreferences(dir, o); err != nil {
		t.Fatal(err)
	}
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), append(flags(),
		chromedp.ExecPath(program), chromedp.UserDataDir(dir))...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(t.Logf))
	b := &Browser{ctx: ctx}
	t.Cleanup(func() {
		late, stop := context.WithTimeout(ctx, stopLimit)
		defer stop()
		if err := chromedp.Cancel(late); err != nil && !errors.Is(err, context.Canceled) {
			t.Logf("Chromium did not end by itself: %v", err)
		}
		// Kills the process, by its id, where it still runs, and waits for it.
		cancel()
		cancelAllocator()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	return b
}

// flags are for a browser that asks nobody anything and leaves the machine
// alone: no sandbox, since tests run as root in containers; no QUIC and no
// calls home.
func flags() []chromedp.ExecAllocatorOption {
	out := []chromedp.ExecAllocatorOption{chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck}
	for _, name := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
		"disable-default-apps", "disable-extensions", "disable-breakpad", "disable-hang-monitor", "disable-dev-shm-usage",
		// A tab in the background works as one in front: journeys have two.
		"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
		// Else clicks before the first frame is drawn are dropped.
		"allow-pre-commit-input",
		"metrics-recording-only"} {
		out = append(out, chromedp.Flag(name, true))
	}
	return append(out, chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("password-store", "basic"),
		chromedp.Flag("lang", "en-GB"), chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter"))
}

// cookieControls are Chromium's values of profile.cookie_controls_mode.
const (
	allowThirdParty = 0
	blockThirdParty = 1
)

// writePreferences settles before the start what the settings page would.
func writePreferences(dir string, o Options) error {
	mode := allowThirdParty
	if o.BlockThirdPartyCookies {
		mode = blockThirdParty
	}
	preferences, err := json.Marshal(map[string]any{
		"profile": map[string]any{"cookie_controls_mode": mode, "block_third_party_cookies": o.BlockThirdPartyCookies},
	})
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "Default"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "Default", "Preferences"), preferences, 0o600)
}

// Profile is a person's browser: cookies, storage and tabs of its own.
type Profile struct {
	ctx context.Context
}

// Profile opens a new one. It ends with the test.
func (b *Browser) Profile(t testing.TB) *Profile {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("no new profile: %v", err)
	}
	return &Profile{ctx: ctx}
}

// MayReadClipboard lets pages of an origin read the clipboard, as the person
// would allow when asked.
func (p *Profile) MayReadClipboard(t testing.TB, origin string) {
	t.Helper()
	_, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, browser.SetPermissionParams{Origin: origin,
		Permission: &browser.PermissionDescriptor{Name: "clipboard-read"}, Setting: browser.PermissionSettingGranted,
		BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID})
	if err != nil {
		t.Fatal(err)
	}
}
