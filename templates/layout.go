package templates

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/static"
)

// ProductName stands in the top bar and in every title.
const ProductName = "AzTS Portal"

// Theme is the person's choice of colours.
type Theme string

// The themes. The zero value follows the system.
const (
	ThemeAuto  Theme = ""
	ThemeLight Theme = "light"
	ThemeDark  Theme = "dark"
)

// Page is what the frame around every page needs.
type Page struct {
	Title       string    // without the product's name; empty: the page's own
	Now         time.Time // by which ages are told; required
	Path        string    // path and query of this page, to come back to
	User        *UserMenu // nil: nobody is signed in
	Nav         []NavItem // only what exists and this person may open
	Environment string    // badge beside the name, for example "Sandbox"
	Notice      string    // one sentence for everybody, above the content
	Theme       Theme
	Flash       *Flash // what the last action did
	Version     string // of the portal, in the footer
	Reference   string // request id, in the footer
	// SharedScreen leaves out who is signed in. The page still follows the session: it
	// must not stay when that ends.
	SharedScreen bool
}

// UserMenu is the account menu.
type UserMenu struct {
	Name        string
	Account     string
	Tenant      string    // name or id
	SessionEnds time.Time // the earlier of idle and absolute limit
	// SessionMark tells sessions apart without naming them: short hashes of the
	// session's id and, after a dot, of the person. A page whose mark differs
	// from the one in /session's answer belongs to a session that ended; where
	// the second part is the same, its person has another. Empty: not compared.
	SessionMark string
}

// NavItem is a link of the main navigation.
type NavItem struct {
	Label   string
	URL     string
	Current bool
}

// Tone is the colour and icon of a message.
type Tone string

// The tones of messages.
const (
	ToneInfo    Tone = "info"
	ToneSuccess Tone = "success"
	ToneWarning Tone = "warning"
	ToneError   Tone = "error"
)

// Flash is one sentence about the last action, shown once.
type Flash struct {
	Tone Tone
	Text string
}

var (
	cssURL      = static.URL("css/portal.css")
	faviconURL  = static.URL("img/favicon.svg")
	scriptURL   = static.URL("js/portal.js")
	pageURL     = static.URL("js/page.js")
	liveURL     = static.URL("js/live.js")
	timesURL    = static.URL("js/times.js")
	tokenURL    = static.URL("js/tokens.js")
	themeLabels = [...]struct {
		value, label string
		theme        Theme
	}{{"auto", "System", ThemeAuto}, {"light", "Light", ThemeLight}, {"dark", "Dark", ThemeDark}}
)

// colorScheme is the value of the color-scheme meta element, which paints the
// empty page right before the style sheet is there.
func (t Theme) colorScheme() string {
	if t == ThemeLight || t == ThemeDark {
		return string(t)
	}
	return "light dark"
}

func (p Page) fullTitle(own string) string {
	if p.Title != "" {
		own = p.Title
	}
	if own == "" {
		return ProductName
	}
	return own + " · " + ProductName
}

// initials returns at most two letters for the account button.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "?"
	}
	first, _ := utf8.DecodeRuneInString(words[0])
	if len(words) == 1 {
		return string(unicode.ToUpper(first))
	}
	last, _ := utf8.DecodeRuneInString(words[len(words)-1])
	return string(unicode.ToUpper(first)) + string(unicode.ToUpper(last))
}
