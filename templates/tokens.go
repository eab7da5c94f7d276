package templates

import (
	"strings"
)

// class is the colour of an outcome.
func (o CheckOutcome) class() string {
	switch o {
	case CheckPassed:
		return "s-passed"
	case CheckFailed:
		return "s-failed"
	}
	return "s-neutral"
}

// scopes shows the scopes without what they begin with, which the row tells.
func (r *IssueRow) scopes() string {
	names := make([]string, len(r.Scopes))
	for i, scope := range r.Scopes {
		names[i] = scope[strings.LastIndexByte(scope, '/')+1:]
	}
	return strings.Join(names, " ")
}

// times tells how often, where it was more than once.
func times(n int) string {
	if n <= 1 {
		return ""
	}
	return " " + number(n) + " times, first"
}
