package handlers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/results"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

const (
	// pastScans is in how many scans a result is looked for: each may have to be
	// unpacked whole.
	pastScans = 10
	// expiresSoon is how long before its end an exception is reminded of.
	expiresSoon = 14 * 24 * time.Hour
)

// show is GET /scans/{id}/results/{number}?<list>: one result, with its
// neighbours in the list it was opened from.
func (s *findings) show(w http.ResponseWriter, r *http.Request, live *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	one, set, err := s.setOf(ctx, r, live)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || strconv.Itoa(number) != r.PathValue("number") {
		return errNoResult.Becausef("number %q", r.PathValue("number"))
	}
	row, found, err := set.Row(number)
	if err != nil {
		return err
	}
	if !found {
		return errNoResult.Because(errors.New("no such row"))
	}
	list := readList(r.URL.Query())
	place, err := set.Place(list.Query, number)
	if err != nil {
		return err
	}
	scanID := string(one.ID)
	v := s.result(r, live, scanID, &row, place, list)
	v.SubscriptionName = s.subscriptions.of(ctx, live).names()[row.SubscriptionID]
	past, err := s.archive.History(ctx, live.User.ID, results.KeyOf(&row.Result), pastScans)
	if err != nil {
		// It is a help to the reader: without it the page is as good.
		s.log.WarnContext(ctx, "the history of a result cannot be read", "err", err)
		v.HistoryNote = "Your other scans cannot be looked through right now."
	} else {
		v.History, v.HistoryNote = pastResults(past, scanID)
	}
	return s.render(w, r, http.StatusOK, templates.ScanResult(v))
}

// result fills the page of a result, but for what only others know.
func (s *findings) result(r *http.Request, live *session.Session, scanID string, row *results.Row, place results.Place, list resultList) templates.ScanResultPage {
	title := cmp.Or(row.ControlDisplayName, row.ControlName, "A control without a name")
	v := templates.ScanResultPage{Page: s.page(r, "", templates.ScansURL), ScanID: scanID, Title: beginning(title, 160), ControlID: row.ControlName,
		Status: row.Status, Severity: row.Severity, Category: row.Category, Baseline: row.IsBaseline, DocsURL: azts.ControlDocs(row.ControlName),
		Description: row.Description, Fix: fixOf(row.Remediation), Resource: row.ResourceName, ResourceID: row.ResourceID, Group: row.ResourceGroupName,
		SubscriptionID: row.SubscriptionID, PortalURL: resourceLink(s.portalHost, live.User.TenantID, row.ResourceID), Exception: exceptionOf(&row.Result, s.now())}
	v.Reason, v.Evidence = evidenceOf(row.StatusReason)
	back := list
	if place.Position > 0 {
		v.Place = templates.PlaceIn(place.Position, place.Total, "result")
		back = list.at((place.Position-1)/list.Limit + 1)
	}
	query := list.encode()
	if place.Previous >= 0 {
		v.PreviousURL = templates.ScanResultURL(scanID, place.Previous, query)
	}
	if place.Next >= 0 {
		v.NextURL = templates.ScanResultURL(scanID, place.Next, query)
	}
	v.BackURL = strings.TrimSuffix(back.in(scanID), "#results") + "#" + rowAnchor(row.Number)
	return v
}

// resourceLink returns the address of a resource in the Azure portal, "" where an
// id is none: the text comes from strangers.
func resourceLink(portalHost, tenantID, resourceID string) string {
	if !strings.HasPrefix(resourceID, "/subscriptions/") || strings.ContainsAny(resourceID, "?#\\ \t\r\n") || tenantID == "" {
		return ""
	}
	link := url.URL{Scheme: "https", Host: portalHost, Path: "/", Fragment: "@" + tenantID + "/resource" + resourceID}
	return link.String()
}

func pastResults(past []results.Past, scanID string) (rows []templates.PastResult, note string) {
	for i := range past {
		p := templates.PastResult{ScanID: past[i].ScanID, Status: past[i].Row.Status, Reason: beginning(past[i].Row.StatusReason, shownReason), At: past[i].At}
		if p.ScanID != scanID {
			p.URL = templates.ScanResultURL(p.ScanID, past[i].Row.Number, "")
		}
		rows = append(rows, p)
	}
	if len(rows) == 0 {
		return nil, "This result lacks a control or a resource, so it cannot be found in other scans."
	}
	return rows, fmt.Sprintf("This control on this resource, in your last %d scans of the subscription", pastScans)
}

// exceptionOf returns what exempts a result, nil for nothing.
func exceptionOf(r *azts.Result, now time.Time) *templates.Exception {
	if r.ExceptionWorkflow == "" && r.Justification == "" && r.ExceptionExpiry.Text == "" {
		return nil
	}
	e := &templates.Exception{State: r.ExceptionWorkflow, Justification: r.Justification, Ends: r.ExceptionExpiry.Time, EndsText: r.ExceptionExpiry.Text}
	switch left := e.Ends.Sub(now); {
	case e.Ends.IsZero():
	case left <= 0:
		e.Warning = &templates.Problem{Tone: templates.ToneWarning, Title: "The exception has ended",
			What: "It ended on " + e.Ends.Format("2 January 2006") + ". The control counts again.",
			Next: "Mend what is wrong, or ask for a new exception in AzTS."}
	case left <= expiresSoon:
		e.Warning = &templates.Problem{Tone: templates.ToneWarning, Title: "The exception ends " + inDays(left),
			What: "It ends on " + e.Ends.Format("2 January 2006") + ". After that the control counts again.",
			Next: "Mend what is wrong before, or ask for a longer exception in AzTS."}
	}
	return e
}

func inDays(left time.Duration) string {
	switch days := int(left / (24 * time.Hour)); days {
	case 0:
		return "within a day"
	case 1:
		return "in 1 day"
	default:
		return "in " + strconv.Itoa(days) + " days"
	}
}

// evidenceOf takes from a reason the JSON that it ends with, set out in lines.
func evidenceOf(reason string) (text, evidence string) {
	at := strings.IndexAny(reason, "{[")
	for at >= 0 {
		rest := strings.TrimSpace(reason[at:])
		var out bytes.Buffer
		if worth := strings.ContainsAny(rest, ":,"); worth && json.Valid([]byte(rest)) && json.Indent(&out, []byte(rest), "", "  ") == nil {
			return strings.TrimSpace(reason[:at]), out.String()
		}
		// The first bracket may be one of a sentence. One more try, no search: a
		// text of nothing but brackets would take for ever.
		next := strings.IndexByte(reason[at+1:], '{')
		if next < 0 || reason[at] == '{' {
			return reason, ""
		}
		at += 1 + next
	}
	return reason, ""
}

// commandStart is how a line begins that is to be run in a shell: the Azure CLI,
// kubectl, or a cmdlet of the Azure modules.
var commandStart = regexp.MustCompile(`^(az [a-z]|kubectl [a-z]|(Add|Connect|Disable|Enable|Get|Grant|Import|Install|Invoke|New|Register|Remove|Restart|Revoke|Set|Start|Stop|Unregister|Update)-(Az|Mg)[A-Z][A-Za-z]+( |$))`)

// fixOf parts what AzTS says of mending into words and commands. It takes for
// commands only what surely is: the others stay words, which can be copied too.
func fixOf(remediation string) []templates.FixPart {
	var parts []templates.FixPart
	add := func(line string, isCommand bool) {
		if n := len(parts); n > 0 && parts[n-1].Command == isCommand {
			parts[n-1].Text += "\n" + line
			return
		}
		parts = append(parts, templates.FixPart{Text: line, Command: isCommand})
	}
	lines := strings.Split(strings.ReplaceAll(remediation, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if !commandStart.MatchString(strings.TrimSpace(lines[i])) {
			add(lines[i], false)
			continue
		}
		// With the lines that it goes on in.
		end := i
		for end+1 < len(lines) && goesOn(lines[end]) {
			end++
		}
		whole := strings.Join(lines[i:end+1], "\n")
		add(strings.TrimSpace(whole), !hides(whole))
		i = end
	}
	// Empty lines between them are no words.
	var out []templates.FixPart
	for _, p := range parts {
		if p.Text = strings.Trim(p.Text, "\n\t "); p.Text != "" {
			out = append(out, p)
		}
	}
	return out
}

// goesOn reports whether a command goes on in the next line.
func goesOn(line string) bool {
	line = strings.TrimRight(line, " \t")
	return strings.HasSuffix(line, "\\") || strings.HasSuffix(line, "`") || strings.HasSuffix(line, "|")
}

// hides reports whether a text has characters that are not seen: what is copied
// would be another command than the one that was read.
func hides(text string) bool {
	return strings.ContainsFunc(text, func(c rune) bool {
		return c != '\n' && c != '\t' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Zl, c) || unicode.Is(unicode.Zp, c) || c == unicode.ReplacementChar)
	})
}
