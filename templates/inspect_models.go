package templates

import "time"

// InspectPage takes pasted tokens apart: by script in the browser, or here.
type InspectPage struct {
	Page
	Tabs []NavItem
	// Data is the JSON by which the script says what the server says.
	Data string
	// Tokens are what was sent, one or two of them, decoded; empty before.
	Tokens     []InspectedToken
	Comparison []ComparedClaim // when there are two
}

// InspectWords are a sentence of the inspector with its tone.
type InspectWords struct {
	Tone        Tone
	Title, Text string
}

// InspectedToken is one pasted token, decoded. The token itself is never in it.
type InspectedToken struct {
	Name      string // "Token", "First token", "Second token"
	Problem   *InspectWords
	Signature *InspectWords
	Notes     []InspectWords
	Expires   time.Time // zero: it does not say
	Header    []Claim
	Claims    []Claim
	// HeaderText and PayloadText are indented JSON; the second is the inner token
	// of a nested one.
	HeaderText, PayloadText string
}

// Difference is how a claim of one token is in the other.
type Difference string

// The differences, as they are shown.
const (
	ClaimSame       Difference = "same"
	ClaimChanged    Difference = "changed"
	ClaimOnlyFirst  Difference = "only in the first"
	ClaimOnlySecond Difference = "only in the second"
)

// sign stands before the word of a difference.
func (d Difference) sign() string {
	switch d {
	case ClaimSame:
		return "="
	case ClaimChanged:
		return "≠"
	case ClaimOnlyFirst:
		return "−"
	case ClaimOnlySecond:
		return "+"
	}
	return ""
}

func (d Difference) class() string {
	if d == ClaimSame {
		return "diff diff-same"
	}
	return "diff"
}

// ComparedClaim is a claim of two tokens side by side.
type ComparedClaim struct {
	Name          string
	First, Second string // values; empty where it is not there
	Difference    Difference
}

// different counts the claims that are not the same.
func (v *InspectPage) different() string {
	n := 0
	for _, c := range v.Comparison {
		if c.Difference != ClaimSame {
			n++
		}
	}
	if n == 0 {
		return "All claims are the same."
	}
	return number(n) + " of " + plural(len(v.Comparison), "claim") + " differ."
}

// relative tells how far a time is from now: "in 57 minutes", "8 minutes ago".
func relative(now, t time.Time) string { return string(appendAge(nil, now.Sub(t))) }
