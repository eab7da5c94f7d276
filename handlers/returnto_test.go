package handlers

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"

	"azts.internal/portal/session"
)

const ourOrigin = "https://portal.example"

// hostileReturns all want to lead elsewhere, or in circles.
var hostileReturns = []string{
	"", " ", ".", "..", "evil", "evil.example", "scans", "?q=1", "#x",
	// Another host, by a slash more, or by what browsers take for one.
	"//evil.example", "///evil.example", "////evil.example", "//evil.example/%2f..", "//evil.example:443/", "//user@evil.example", "//portal.example@evil.example",
	"//portal.example.evil.example", "//[::1]", "//0x7f000001", "//evil%E3%80%82example", "//evil.example\\@portal.example",
	"\\evil.example", "\\\\evil.example", "/\\evil.example", "/\\/evil.example", "\\/evil.example", "/\\\\evil.example", "//\\evil.example", "/scans\\..\\evil",
	"/%5cevil.example", "/%5Cevil.example", "/%2f%2fevil.example", "/%2Fevil.example", "/%2f/evil.example", "//%2fevil.example", "/%09/evil.example",
	// What browsers strip before they read the rest.
	"/\tevil", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "/\r\n/evil.example", "\t//evil.example", "\n/evil", " //evil.example", " /scans", "/scans ",
	"/ /evil.example", "/\x00/evil.example", "\x00//evil.example", "/\x0b/evil.example", "/\x1f/evil.example", "/\x7f/evil.example", "/scans\x00",
	"/%00", "/scans%0d%0aSet-Cookie:%20a=b", "/%0d%0aLocation:%20https://evil.example", "/%0a/evil.example", "/scans\r\nSet-Cookie: a=b",
	// A scheme.
	"http://evil.example", "https://evil.example", "https:evil.example", "https:/evil.example", "https:///evil.example", "HTTPS://evil.example", "http:\\\\evil.example",
	"https://portal.example", "https://portal.example@evil.example", "https://portal.example.evil.example/", "ftp://evil.example", "file:///etc/passwd",
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "javascript://portal.example/%0aalert(1)", "data:text/html,<script>alert(1)</script>",
	"vbscript:msgbox(1)", "mailto:a@evil.example", "blob:https://evil.example/1", "@evil.example", ":evil", "::", "https:",
	// Slashes of other scripts, which some software folds into ours.
	"/\u2044evil.example", "/\uff0fevil.example", "\uff0f\uff0fevil.example", "/\u2215/evil.example", "/\u3000/evil.example", "/\u2028/evil.example", "/\u202e/evil",
	"/\xc0\xaf/evil.example", "/\xff", "/\u00a0/evil.example",
	// Dots that lead up, also into the sign-in.
	"/..//evil.example", "/../evil", "/.//evil.example", "/./evil", "/scans/../../evil", "/scans/..", "/..", "/scans/%2e%2e/auth/login", "/%2e%2e//evil.example",
	"/%2e/auth/login", "/scans/.%2e/auth/login", "/./auth/login", "/x/../auth/callback", "/%2e%2e%2fauth%2flogin", "/scans/..%2f..%2fauth/login",
	// Back into a sign-in or sign-out.
	"/auth", "/auth/", "/auth/login", "/auth/login?return_to=//evil.example", "/auth/callback", "/auth/logout", "/auth/signed-out", "/auth//login", "/auth/./login",
	"/%61uth/login", "/auth%2flogin", "/auth%2Flogin?x", "/auth?x", "/auth#x", "/auth/frontchannel-logout?sid=1",
	// Not to be read at all, or too long to be carried.
	"/%", "/%zz", "/%2", "/\x80", "/" + strings.Repeat("a", session.MaxReturnTo), "/" + strings.Repeat("|", session.MaxReturnTo/2),
}

func TestAttackReturnTo(t *testing.T) {
	if len(hostileReturns) < 60 {
		t.Errorf("%d values", len(hostileReturns))
	}
	for _, hostile := range hostileReturns {
		if got := localPath(hostile); got != "/" {
			t.Errorf("%.60q leads to %.60q", hostile, got)
		}
	}
}

func TestReturnToOurPages(t *testing.T) {
	for target, want := range map[string]string{
		"/":                                "/",
		"/account":                         "/account",
		"/scans?page=2&q=a%20b":            "/scans?page=2&q=a%20b",
		"/scans/7K3M9QX2RB41":              "/scans/7K3M9QX2RB41",
		"/subscriptions/a/results?skip=%2": "/subscriptions/a/results?skip=%2",
		"/authors":                         "/authors",
		"/author/":                         "/author/",
		"/scans?return_to=//evil.example":  "/scans?return_to=//evil.example",
		"/scans?q=https://evil.example/":   "/scans?q=https://evil.example/",
		"/scans?q=a@b":                     "/scans?q=a@b",
		"/scans#top":                       "/scans",
		"/a%2Fb":                           "/a%2Fb",
		"/a:b":                             "/a:b",
		"/.well-known/x":                   "/.well-known/x",
		"/...":                             "/...",
		"/%F0%9F%91%8D":                    "/%F0%9F%91%8D",
		"/" + strings.Repeat("a", session.MaxReturnTo-1): "/" + strings.Repeat("a", session.MaxReturnTo-1),
	} {
		if got := localPath(target); got != want {
			t.Errorf("%.60q leads to %.60q, want %.60q", target, got, want)
		}
	}
}

var schemeOf = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// browserHost is the host to which a browser on our origin follows a Location,
// read as the URL Standard of the WHATWG does it for special schemes: controls
// at the ends, tabs and line ends go; a backslash is a slash; any number of
// slashes after a scheme begins a host.
func browserHost(location string) string {
	location = strings.TrimFunc(location, func(r rune) bool { return r <= ' ' })
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "", "\\", "/").Replace(location)
	if scheme := schemeOf.FindString(location); scheme != "" {
		location = "//" + strings.TrimLeft(location[len(scheme):], "/")
	}
	if !strings.HasPrefix(location, "//") {
		return "portal.example"
	}
	authority := strings.TrimLeft(location, "/")
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	return authority[strings.LastIndexByte(authority, '@')+1:]
}

func TestBrowserHostReadsAsBrowsersDo(t *testing.T) {
	for location, want := range map[string]string{"/scans": "portal.example", "scans": "portal.example", "/a//b": "portal.example", "//evil.example/x": "evil.example",
		"/\\evil.example": "evil.example", "\t/\n/evil.example?": "evil.example", "https:evil.example": "evil.example", "///evil.example": "evil.example",
		"//portal.example@evil.example#": "evil.example"} {
		if got := browserHost(location); got != want {
			t.Errorf("%.200q leads to %.200q, want %q", location, got, want)
		}
	}
}

func FuzzReturnTo(f *testing.F) {
	for _, seed := range hostileReturns {
		f.Add(seed)
	}
	f.Add("/scans?page=2&q=a%20b#top")
	base, err := url.Parse(ourOrigin)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got := localPath(target)
		u, err := base.Parse(got)
		if err != nil {
			t.Fatalf("%.200q leads to %.200q: %v", target, got, err)
		}
		if u.Scheme != "https" || u.Host != "portal.example" || u.User != nil {
			t.Errorf("%.200q leads to %.200q, for net/url on %q", target, got, u.Host)
		}
		if host := browserHost(got); host != "portal.example" {
			t.Errorf("%.200q leads to %.200q, for browsers on %q", target, got, host)
		}
		// A proxy may decode the path once before it looks.
		if strings.HasPrefix(u.Path, "//") || strings.Contains(u.Path, "\\") {
			t.Errorf("%.200q leads to %.200q, whose path is %q", target, got, u.Path)
		}
		if clean := path.Clean(u.Path); clean == "/auth" || strings.HasPrefix(clean, "/auth/") {
			t.Errorf("%.200q leads to %.200q, back into the sign-in", target, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || len(got) > session.MaxReturnTo || strings.Contains(got, "#") {
			t.Errorf("%.200q leads to %.200q", target, got)
		}
		if again := localPath(got); again != got {
			t.Errorf("%.200q leads to %.200q, and when it is checked again to %q", target, got, again)
		}
	})
}
