package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// page is where a browser came to rest.
type page struct {
	t      testing.TB
	url    *url.URL
	status int
	header http.Header
	body   string
	doc    *goquery.Document // nil for what is not HTML
}

// clean makes one line of a text as a person reads it.
func clean(text string) string { return strings.Join(strings.Fields(text), " ") }

// sel returns what a CSS selector finds.
func (p *page) sel(css string) *goquery.Selection {
	p.t.Helper()
	if p.doc == nil {
		p.t.Fatalf("%s is no page but %q, status %d: %.300s", p.url, p.header.Get("Content-Type"), p.status, p.body)
	}
	return p.doc.Find(css)
}

// one returns the only thing that a selector finds.
func (p *page) one(css string) *goquery.Selection {
	p.t.Helper()
	found := p.sel(css)
	if found.Length() != 1 {
		p.t.Fatalf("%s (%d, %q) has %d of %s: %s", p.url, p.status, p.heading(), found.Length(), css, p.text("main"))
	}
	return found
}

func (p *page) text(css string) string {
	p.t.Helper()
	return clean(p.sel(css).Text())
}

// heading returns the page's h1, "" where there is no page.
func (p *page) heading() string {
	if p.doc == nil {
		return ""
	}
	return clean(p.doc.Find("h1").First().Text())
}

// want fails the test unless the page has this status and heading.
func (p *page) want(status int, heading string) *page {
	p.t.Helper()
	if p.status != status || p.heading() != heading {
		p.t.Fatalf("%s is %d %q, want %d %q: %.600s", p.url, p.status, p.heading(), status, heading, p.body)
	}
	return p
}

// wantScan fails the test unless this is the page of a scan of one subscription,
// which is called by its name where that is known.
func (p *page) wantScan() *page {
	p.t.Helper()
	if p.status != http.StatusOK || !strings.HasPrefix(p.heading(), "Scan of ") {
		p.t.Fatalf("%s is %d %q, want a scan: %.600s", p.url, p.status, p.heading(), p.body)
	}
	return p
}

// has fails the test unless a selector's text holds a text.
func (p *page) has(css, text string) {
	p.t.Helper()
	if got := p.text(css); !strings.Contains(got, text) {
		p.t.Errorf("%s: %s is %q, want it to hold %q", p.url, css, got, text)
	}
}

// leadsTo fails the test unless the answer is a redirect by 303 to an address,
// and returns that.
func (p *page) leadsTo(prefix string) *url.URL {
	p.t.Helper()
	location := p.header.Get("Location")
	to, err := url.Parse(location)
	if p.status != http.StatusSeeOther || err != nil || !strings.HasPrefix(location, prefix) {
		p.t.Fatalf("%s answers %d to %q, want 303 to %q…: %.300s", p.url, p.status, location, prefix, p.body)
	}
	return to
}

// fields returns the inputs of a form.
func (p *page) fields(form string) url.Values {
	p.t.Helper()
	out := url.Values{}
	p.one(form).Find("input").Each(func(_ int, in *goquery.Selection) {
		out.Add(in.AttrOr("name", ""), in.AttrOr("value", ""))
	})
	return out
}

// evidence returns what the page gives the help desk under a name: "Code",
// "Reference".
func (p *page) evidence(name string) string {
	p.t.Helper()
	var value string
	p.sel(".evidence div").Each(func(_ int, row *goquery.Selection) {
		if clean(row.Find("dt").Text()) == name {
			value = clean(row.Find("dd code").First().Text())
		}
	})
	return value
}
