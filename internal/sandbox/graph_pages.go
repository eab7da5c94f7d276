package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var _ = declare("Microsoft Graph",
	faultSpec{name: "graph.401_mid_page", does: "A page after the first answers 401: the token has ended meanwhile."},
	faultSpec{name: "graph.403_mid_page", does: "A page after the first answers 403."},
	faultSpec{name: "graph.429_mid_page", does: "A page after the first answers 429.", value: "Retry-After: seconds or an HTTP date; 5 if empty, none for no header"},
	faultSpec{name: "graph.500_mid_page", does: "A page after the first answers 500."},
	faultSpec{name: "graph.foreign_next_link", does: "nextLink leads to another host.", value: "its origin; https://attacker.example if empty"},
	faultSpec{name: "graph.empty_page", does: "A page of a list is empty and has a nextLink all the same."},
)

// Sizes of a page of a list.
const (
	graphPageSize    = 20
	graphMaxPageSize = 999
)

// graphPage gathers one page of a list. Entries are offered in a fixed order,
// each with a number that rises from entry to entry and never changes, so that
// a page goes on where the last one ended even if entries are deleted between
// the two.
type graphPage struct {
	top     int
	after   uint64 // the number of the last entry that was served before
	first   bool
	counted bool // $count=true

	value []map[string]any
	last  uint64
	total int
	more  bool
}

// offer adds an entry if it belongs on the page. It returns false when no
// further entry can matter.
func (p *graphPage) offer(number uint64, entity func() map[string]any) bool {
	p.total++
	switch {
	case number <= p.after:
	case len(p.value) == p.top:
		p.more = true
		return p.counted && p.first
	default:
		p.value = append(p.value, entity())
		p.last = number
	}
	return true
}

// graphPageOf reads what page of a list is wanted; false means that the call
// has been answered.
func (a *azure) graphPageOf(w http.ResponseWriter, r *http.Request) (*graphPage, bool) {
	query := r.URL.Query()
	page := &graphPage{top: graphPageSize, first: true, value: []map[string]any{}}
	if text := query.Get("$top"); text != "" {
		top, err := strconv.Atoi(text)
		if err != nil || top < 1 || top > graphMaxPageSize {
			a.graphError(w, r, http.StatusBadRequest, "Request_UnsupportedQuery", "Invalid page size specified: '"+text+"'. Must be between 1 and 999 inclusive.")
			return nil, false
		}
		page.top = top
	}
	if page.counted = query.Get("$count") == "true"; page.counted && !strings.EqualFold(r.Header.Get("ConsistencyLevel"), "eventual") {
		a.graphBadRequest(w, r, "$count is not currently supported without the header ConsistencyLevel: eventual.")
		return nil, false
	}
	token := query.Get("$skiptoken")
	if token == "" {
		return page, true
	}
	page.first = false
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil && len(raw) == 16 {
		page.after = binary.BigEndian.Uint64(raw)
	}
	if err != nil || len(raw) != 16 || binary.BigEndian.Uint64(raw[8:]) != skipCheck(r, page.after) {
		a.graphError(w, r, http.StatusBadRequest, "Directory_ExpiredPageToken", "The specified page token value has expired and can no longer be used.")
		return nil, false
	}
	return page, !a.graphMidPageFault(w, r)
}

// skipCheck ties a skip token to the list and the filter that it was made for.
func skipCheck(r *http.Request, after uint64) uint64 {
	return mix(after, mixString(r.URL.Path+"\n"+r.URL.Query().Get("$filter")))
}

func (a *azure) graphMidPageFault(w http.ResponseWriter, r *http.Request) bool {
	if _, on := a.s.faults.take("graph.401_mid_page"); on {
		w.Header().Set("WWW-Authenticate", `Bearer realm="", error="invalid_token", error_description="The access token has expired."`)
		a.graphError(w, r, http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
		return true
	}
	if _, on := a.s.faults.take("graph.403_mid_page"); on {
		a.graphDenied(w, r)
		return true
	}
	if value, on := a.s.faults.take("graph.429_mid_page"); on {
		a.graphThrottled(w, r, value)
		return true
	}
	if _, on := a.s.faults.take("graph.500_mid_page"); on {
		a.graphError(w, r, http.StatusInternalServerError, "InternalServerError", "Unable to process the request.")
		return true
	}
	return false
}

// graphList answers with the page that was gathered.
func (a *azure) graphList(w http.ResponseWriter, r *http.Request, kind string, page *graphPage) {
	answer := map[string]any{"@odata.context": a.graphContext(kind)}
	if page.counted && page.first {
		answer["@odata.count"] = page.total
	}
	if _, on := a.s.faults.take("graph.empty_page"); on {
		page.value, page.last, page.more = nil, page.after, true
	}
	value := make([]map[string]any, len(page.value))
	for i, entity := range page.value {
		value[i] = selected(r, entity)
	}
	answer["value"] = value
	origin := a.s.options.Origin
	if foreign, on := a.s.faults.take("graph.foreign_next_link"); on {
		if origin = foreign; origin == "" {
			origin = "https://attacker.example"
		}
		page.more = true
	}
	if page.more {
		token := binary.BigEndian.AppendUint64(nil, page.last)
		token = binary.BigEndian.AppendUint64(token, skipCheck(r, page.last))
		query := r.URL.Query()
		query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString(token))
		answer["@odata.nextLink"] = origin + r.URL.Path + "?" + query.Encode()
	}
	reply(w, http.StatusOK, answer)
}

// filterTerm is one comparison of a $filter: a name and a quoted text, or a
// GUID without quotes.
var filterTerm = regexp.MustCompile(`^\s*([A-Za-z0-9]+)\s+eq\s+(?:'((?:[^']|'')*)'|([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}))\s*`)

var filterAnd = regexp.MustCompile(`(?i)^and\s+`)

// graphFilter is a $filter of equalities: the wanted value by member, in lower
// case.
type graphFilter map[string]string

// graphFilterOf reads $filter. texts and ids are the members that may stand in
// it: an id is a GUID in OData and takes no quotes (entra.md §7.4). False means
// that the call has been answered.
func (a *azure) graphFilterOf(w http.ResponseWriter, r *http.Request, texts, ids []string) (graphFilter, bool) {
	rest, filter := r.URL.Query().Get("$filter"), graphFilter{}
	for more := strings.TrimSpace(rest) != ""; more; {
		term := filterTerm.FindStringSubmatch(rest)
		if term == nil || !(slices.Contains(texts, term[1]) && term[3] == "" || slices.Contains(ids, term[1]) && term[3] != "") {
			a.graphError(w, r, http.StatusBadRequest, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified for property.")
			return nil, false
		}
		value := strings.ToLower(strings.ReplaceAll(term[2]+term[3], "''", "'"))
		if before, twice := filter[term[1]]; twice && before != value {
			value = "\x00" // two values at once: nothing fits
		}
		filter[term[1]] = value
		rest = rest[len(term[0]):]
		if and := filterAnd.FindString(rest); and != "" {
			rest = rest[len(and):]
			continue
		}
		if more = rest != ""; more {
			a.graphError(w, r, http.StatusBadRequest, "Request_UnsupportedQuery", "Only comparisons with eq that are joined by and are supported.")
			return nil, false
		}
	}
	return filter, true
}

// admits says whether a member's value fits the filter.
func (f graphFilter) admits(member, value string) bool {
	wanted, there := f[member]
	return !there || strings.ToLower(value) == wanted
}
