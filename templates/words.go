package templates

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// shortID keeps the start of an id that is only a link's text.
func shortID(id string) string {
	if r := []rune(id); len(r) > 14 {
		return string(r[:8]) + "…" + string(r[len(r)-4:])
	}
	return id
}

// listNames names the first two and counts the rest.
func listNames(names []string) string {
	switch len(names) {
	case 0:
		return "none"
	case 1, 2:
		return strings.Join(names, ", ")
	}
	return names[0] + ", " + names[1] + " and " + strconv.Itoa(len(names)-2) + " more"
}

// text tells which rows are shown: "1 to 100 of 5,000 subscriptions".
func (p Pager) text() string {
	if p.To == 0 {
		return ""
	}
	s := number(p.From) + " to " + number(p.To)
	if p.Total > 0 {
		s += " of " + number(p.Total)
	}
	return s + " " + p.Noun
}

// startClass makes starting a scan the primary action where it can work.
func (v *OverviewPage) startClass() string {
	if v.Problem == nil && !v.NoRole {
		return "btn btn-primary"
	}
	return "btn"
}

// took tells how long the scan ran, or has been running.
func (r *ScanRow) took(p *Page) string {
	end := r.EndedAt
	if end.IsZero() {
		end = p.Now
	}
	return took(end.Sub(r.RequestedAt))
}

// label names a subscription by its name, or by its id where there is none.
func (s *Subscription) label() string {
	if s.Name != "" {
		return s.Name
	}
	return s.ID
}

func (v *ResultsPage) label() string {
	if v.SubscriptionName != "" {
		return v.SubscriptionName
	}
	return v.SubscriptionID
}

func (r *Result) label() string {
	if r.Control != "" {
		return r.Control
	}
	return r.ControlID
}

// counts tells the figures of a subscription in one line.
func (v *ResultsPage) counts() string {
	if !v.Compliance.Known {
		return "–"
	}
	return number(v.Failed) + " failed, " + number(v.Passed) + " passed, " + number(v.Total) + " in all"
}

// statusText names an HTTP status for those who look for the number.
func statusText(status int) string {
	if name := http.StatusText(status); name != "" {
		return strconv.Itoa(status) + " " + name
	}
	return strconv.Itoa(status)
}

// helpText is what the help desk needs, in one copy.
func (v *MessagePage) helpText() string {
	var b strings.Builder
	line := func(label, value string) {
		if value != "" {
			b.WriteString(label + ": " + value + "\n")
		}
	}
	line("Message", v.Heading)
	line("What happened", v.What)
	line("Code", v.Code)
	line("Reference", v.Reference)
	line("Time", rfc3339(v.At))
	line("Page", v.Address)
	line("Wanted", v.Wanted)
	line("Correlation ID", v.CorrelationID)
	line("Look it up", v.LookUpURL)
	return b.String()
}

func outcomeClass(o SignOutOutcome) string {
	if o.Ended {
		return "s-passed"
	}
	return "s-verify"
}
