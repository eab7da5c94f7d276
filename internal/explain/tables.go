package explain

import (
	"slices"
	"strings"
	"sync"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
)

// OriginPortal is where the codes of this portal come from.
const OriginPortal entra.Origin = "this portal"

// Entry is one error with its words.
type Entry struct {
	entra.Explanation
	Table string // title of its group
}

// Table is a group of errors.
type Table struct {
	Title   string
	Entries []Entry
}

// own is a code of this portal, as its source has it.
type own struct {
	code, message, next string
	mender              apperr.Mender
	retry               bool
	area                string // directory of the source
}

const ownTitle = "This portal"

// Tables returns everything that is explained, in groups. Nobody writes to it.
var Tables = sync.OnceValue(func() []Table {
	var out []Table
	for _, t := range entra.ErrorTables() {
		one := Table{Title: t.Title}
		for _, x := range t.Rows {
			one.Entries = append(one.Entries, Entry{x, t.Title})
		}
		out = append(out, one)
	}
	ours := Table{Title: ownTitle}
	for _, o := range ownCodes {
		ours.Entries = append(ours.Entries, Entry{entra.Explanation{Code: o.code, Meaning: o.message, Next: o.next,
			Mender: o.mender, Retry: o.retry, Origin: OriginPortal + place(o.area)}, ownTitle})
	}
	return append(out, ours)
})

// place says in words which part of the portal a code is of.
func place(area string) entra.Origin {
	switch area {
	case "session":
		return ": signing in"
	case "internal/entra":
		return ": signing in and tokens"
	case "internal/scan", "internal/results":
		return ": scans and results"
	case "internal/azts":
		return ": what AzTS answered"
	case "internal/arm":
		return ": what Azure answered"
	case "internal/graph", "internal/consent":
		return ": what Microsoft Graph answered"
	case "internal/flows":
		return ": running flows"
	case "internal/store":
		return ": its database"
	}
	return ""
}

// index finds entries by their code in lower case.
var index = sync.OnceValue(func() map[string][]Entry {
	m := make(map[string][]Entry)
	for _, t := range Tables() {
		for _, e := range t.Entries {
			key := strings.ToLower(e.Code)
			m[key] = append(m[key], e)
		}
	}
	return m
})

// apart are the tables whose codes are also codes of another, where they mean
// something else.
var apart = []string{entra.TableMachine, entra.TableSubcodes, entra.TableBearer}

// lookup returns the entries of a code; those of the tables that stand apart only
// where they are asked for by their titles, and then first.
func lookup(code string, asked ...string) []Entry {
	all := index()[strings.ToLower(code)]
	var first, rest []Entry
	for _, e := range all {
		switch {
		case slices.Contains(asked, e.Table):
			first = append(first, e)
		case slices.Contains(apart, e.Table):
			if !slices.ContainsFunc(all, func(o Entry) bool { return o.Table != e.Table }) {
				first = append(first, e)
			}
		default:
			rest = append(rest, e)
		}
	}
	return append(first, rest...)
}

// in returns the entries of a code in one table.
func in(table, code string) []Entry {
	return slices.DeleteFunc(lookup(code, table), func(e Entry) bool { return e.Table != table })
}

// general reports whether a code is one of those errors that say little where
// anything else is said: not one of an API, which is of another answer.
func general(code string) bool {
	return slices.ContainsFunc(in(entra.TableOAuth, code), func(e Entry) bool { return e.Origin != entra.OriginAPI })
}

// ByCode returns the entries of one code, nil for none.
func ByCode(code string) []Entry { return lookup(code) }
