package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// inBrowser runs a test that needs Chromium, where that is wanted.
func inBrowser(t *testing.T, name string, test func(*testing.T)) {
	if Enabled() {
		t.Run(name, test)
	}
}

// site serves pages, here on localhost; as 127.0.0.1 it is another site.
func site(t *testing.T, pages map[string]string) (here, foreign string) {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch text, ok := pages[r.URL.Path]; {
		case r.URL.Path == "/set":
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1", Path: "/", Secure: true, SameSite: http.SameSiteNoneMode})
			fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><title>Set</title>`)
		case r.URL.Path == "/cookie":
			_, err := r.Cookie("seen")
			fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><title>Frame</title><script>parent.postMessage('%v', '*')</script>`, err == nil)
		case ok:
			w.Header().Set("Content-Security-Policy", "script-src 'self' 'unsafe-inline'; img-src 'none'")
			fmt.Fprint(w, strings.ReplaceAll(text, "FOREIGN", strings.Replace(server.URL, "127.0.0.1", "localhost", 1)))
		case r.URL.Path == "/favicon.ico": // browsers ask for it where a page names none
			w.WriteHeader(http.StatusNoContent)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// TestThirdPartyCookies makes sure that the two kinds of browser differ, without
// which the journeys with cookies blocked would prove nothing.
func TestThirdPartyCookies(t *testing.T) {
	for blocked, want := range map[bool]string{false: "true", true: "false"} {
		inBrowser(t, fmt.Sprintf("blocked=%v", blocked), func(t *testing.T) {
			here, foreign := site(t, map[string]string{"/frame": `<!DOCTYPE html><html lang="en"><title>Frame around</title>
				<p id="out"></p><script>addEventListener('message', (e) => { document.getElementById('out').textContent = e.data })</script>
				<iframe src="FOREIGN/cookie" title="Other site"></iframe>`})
			tab := Start(t, Options{BlockThirdPartyCookies: blocked}).Profile(t).Tab(t)
			tab.Open(foreign + "/set")
			tab.Open(here + "/frame")
			tab.Wait("the frame's word", `document.getElementById('out').textContent`)
			if got := tab.Text("#out"); got != want {
				t.Errorf("the other site's frame gets its cookie: %s, want %s", got, want)
			}
		})
	}
}

// TestChecks breaks a page in each way that the package is to notice.
func TestChecks(t *testing.T) {
	inBrowser(t, "in Chromium", func(t *testing.T) {
		here, _ := site(t, map[string]string{
			"/good": `<!DOCTYPE html><html lang="en"><head><title>Good</title><meta name="viewport" content="width=device-width"></head>
				<body><main><h1>Good</h1><button onclick="setTimeout(() => this.textContent = 'Later', 200)">Now</button></main></body></html>`,
			"/bad": `<!DOCTYPE html><html><head><title>Bad</title></head><body><img src="/x.png"><div style="width:3000px">wide</div>
				<p style="width:20px;overflow:clip">Unbreakable</p><p style="width:20px;overflow:auto">Scrollable</p>
				<script>console.error('spoken'); nothing()</script></body></html>`,
			"/script": `<!DOCTYPE html><html lang="en"><title>Script</title><p id="out">off</p><noscript><p id="no">no script</p></noscript>
				<script>document.getElementById('out').textContent = 'on'</script>`,
		})
		profile := Start(t, Options{}).Profile(t)
		tab := profile.Tab(t)
		tab.Open(here + "/good")
		if found := tab.Axe(); len(found) > 0 {
			t.Errorf("axe-core finds in a good page: %s", found)
		}
		if wide, _ := tab.Overflow(); wide > 0 {
			t.Errorf("a good page is %d pixels too wide", wide)
		}
		tab.Press("Now")
		tab.Wait("the change", `document.querySelector('button').textContent === 'Later'`)
		if got := tab.unexpected(); len(got) > 0 {
			t.Errorf("a good page reports %q", got)
		}

		tab.Expect("") // what follows is checked here
		tab.Open(here + "/bad")
		if found := strings.Join(tab.Axe(), "\n"); !strings.Contains(found, "html-has-lang") || !strings.Contains(found, "image-alt") {
			t.Errorf("axe-core finds only %q", found)
		}
		if wide, _ := tab.Overflow(); wide < 1000 {
			t.Errorf("a page of 3000 pixels is %d too wide", wide)
		}
		if found := tab.Spilling(); len(found) != 1 || !strings.Contains(found[0], "Unbreakable") {
			t.Errorf("what sticks out of its box is %q", found)
		}
		tab.mu.Lock()
		reports := fmt.Sprint(tab.troubles)
		tab.mu.Unlock()
		for _, want := range []string{"spoken", "nothing is not defined", "content security policy: img-src"} {
			if !strings.Contains(reports, want) {
				t.Errorf("no report of %q in %s", want, reports)
			}
		}

		dark := profile.Tab(t)
		dark.Look(Looks{Width: 390, Dark: true})
		dark.WithoutScripts()
		dark.Open(here + "/script")
		if got := dark.Text("#out") + " " + dark.Text("#no"); got != "off no script" {
			t.Errorf("with scripts off the page reads %q", got)
		}
		if !Eval[bool](dark, `matchMedia('(prefers-color-scheme: dark) and (scripting: none) and (prefers-reduced-motion: reduce)').matches`) {
			t.Error("the page does not know that it is dark, still and without scripts")
		}
	})
}
