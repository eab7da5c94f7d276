package handlers

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"azts.internal/portal/internal/access"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/scan"
	"azts.internal/portal/templates"
)

const (
	shownMarks   = 100 // entries of a pasted list whose fault is shown
	shownWritten = 80  // characters of an entry
)

// pastedEntry is one entry of a pasted list.
type pastedEntry struct {
	line    int // from 1
	written string
	id      string // "" if it is none
}

// apart reports whether a character stands between entries.
func apart(c rune) bool {
	return unicode.IsSpace(c) || strings.ContainsRune(",;|\"'`“”‘’()[]{}<>\ufeff\u200b\x00", c)
}

// entriesOf returns the entries of a pasted list, at most limit.
func entriesOf(text string, limit int) (entries []pastedEntry) {
	line := 0
	for row := range strings.Lines(text) {
		line++
		for written := range strings.FieldsFuncSeq(row, apart) {
			if len(entries) == limit {
				return entries
			}
			entries = append(entries, pastedEntry{line, written, idIn(written)})
		}
	}
	return entries
}

// idIn returns the subscription id that an entry is, or that is within it as in
// the id of a resource or the address of a page in the Azure portal; "" for none.
func idIn(written string) string {
	candidate := written
	segments := strings.Split(written, "/")
	for i, segment := range segments[:len(segments)-1] {
		if strings.EqualFold(segment, "subscriptions") {
			candidate = segments[i+1]
			break
		}
	}
	if end := strings.IndexAny(candidate, "?#&"); end >= 0 {
		candidate = candidate[:end]
	}
	id, err := azts.ParseSubscriptionID(candidate)
	if err != nil {
		return ""
	}
	return id
}

// sumOf stands for a list that was checked.
func sumOf(list string) string {
	// Browsers send line ends as CR LF, whatever they were given.
	list = strings.TrimSpace(strings.ReplaceAll(list, "\r\n", "\n"))
	if list == "" {
		return ""
	}
	return digest(access.PersonID{}, list)
}

// unchecked reports whether there is a pasted list that nobody has seen checked.
func (c *choice) unchecked() bool { return sumOf(c.list) != "" && sumOf(c.list) != c.checked }

// pasted tells what is in a pasted list. What is good of one that is checked for
// the first time is chosen: it is added to chosen.
func pasted(c choice, mine estate, chosen map[string]bool) templates.PastedIDs {
	p := templates.PastedIDs{Text: c.list, Limit: scan.MaxParts, Open: mine.paste || mine.noRole}
	sum := sumOf(c.list)
	if sum == "" {
		return p
	}
	entries := entriesOf(c.list, scan.MaxParts+1)
	if len(entries) > scan.MaxParts {
		p.Error = fmt.Sprintf("The list has more than %d entries, as many as one scan takes. Shorten it.", scan.MaxParts)
		return p
	}
	if len(entries) == 0 {
		p.Error = "The list has no entry."
		return p
	}
	p.Checked = sum
	rows := make(map[string]*templates.Subscription, len(mine.rows))
	for i := range mine.rows {
		rows[mine.rows[i].ID] = &mine.rows[i]
	}
	first := make(map[string]int, len(entries))
	for i, e := range entries {
		mark := templates.PasteMark{Line: e.line, Entry: i + 1, Written: shortened(e.written)}
		row := rows[e.id]
		switch at, seen := first[e.id]; {
		case e.id == "":
			mark.Why = "This is not a subscription id, such as 00000000-0000-0000-0000-000000000000."
		case seen:
			mark.Why = "The same as entry " + strconv.Itoa(at) + "."
		case row == nil:
			first[e.id] = i + 1
			mark.Why, mark.ID = "It is not among your subscriptions: AzTS will probably refuse it.", e.id
			if c.unchecked() && p.Open {
				chosen[e.id] = true // the list may lack it
			}
			mark.Chosen = chosen[e.id]
		case !row.UsedUpUntil.IsZero():
			first[e.id] = i + 1
			mark.Why = "Its requests are used up until " + row.UsedUpUntil.UTC().Format("2 Jan, 15:04 UTC") + "."
		default:
			first[e.id] = i + 1
			if c.unchecked() {
				chosen[e.id] = true
			}
			if chosen[e.id] {
				p.Good++
			}
			continue
		}
		if len(p.Marks) == shownMarks && mark.ID == "" {
			p.More++
			continue
		}
		p.Marks = append(p.Marks, mark)
	}
	return p
}

// shortened keeps the start of a long entry.
func shortened(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if utf8.RuneCountInString(s) <= shownWritten {
		return s
	}
	return string([]rune(s)[:shownWritten]) + "…"
}
