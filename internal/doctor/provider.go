package doctor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
)

// Differences of clocks. Tokens are refused from five minutes on (entra.md §3.2).
const (
	clockWarn = 30 * time.Second
	clockBad  = 5 * time.Minute
)

// provider looks at the metadata, the keys and the clock of the provider.
func (x *examination) provider(ctx context.Context) []Check {
	o := x.cfg.Provider.Observe(ctx)
	now := x.cfg.Now()
	return []Check{metadataCheck(&o, now), keysCheck(&o, now), clockCheck(&o)}
}

func metadataCheck(o *entra.Observation, now time.Time) Check {
	c := Check{ID: "metadata", Group: SignIn, Title: "Metadata of the issuer", Place: "PORTAL_TENANT_ID or PORTAL_ISSUER"}
	var mismatch *entra.IssuerMismatch
	switch {
	case o.MetadataErr == nil:
		finding := o.MetadataURL + " answers, and gives the name that is expected: " + o.Issuer + "."
		if !o.FormPost {
			return c.bad(finding+" It cannot answer by form_post, and this portal asks for nothing else.", apperr.MenderDeveloper, "Choose a provider that has response_mode=form_post.")
		}
		return c.good(finding + inUse("copy", o.MetadataAt, now))
	case errors.As(o.MetadataErr, &mismatch):
		return c.bad("The metadata names the issuer "+cut(mismatch.Told)+", and "+mismatch.Want+" is configured. Nobody who signs in is believed.", apperr.MenderDeveloper,
			"Compare the setting with the issuer to the letter, a slash at its end included. If the setting is right, somebody else answers at that address.")
	case apperr.IsKind(o.MetadataErr, apperr.BadGateway):
		return c.bad("What "+o.MetadataURL+" answers is no metadata of a provider."+rest(o.MetadataAt, now), apperr.MenderDeveloper, "Check the setting: open the address in a browser and compare.")
	case o.MetadataAt.IsZero():
		return c.bad(words(o.MetadataErr)+" Nobody can sign in.", apperr.MenderDeveloper, "Check that the portal may open connections to "+o.MetadataURL+", by name (DNS) and through the firewall.")
	}
	return c.warn(words(o.MetadataErr)+rest(o.MetadataAt, now), apperr.MenderDeveloper, "Check that the portal may open connections to "+o.MetadataURL+".")
}

// words are the public words of an error.
func words(err error) string { return apperr.From(err).Message }

func inUse(what string, at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " The " + what + " in use is " + age(now.Sub(at)) + " old."
}

// rest says that what is in use serves on.
func rest(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " Sign-in goes on with a copy that is " + age(now.Sub(at)) + " old, for 24 hours in all."
}

func age(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "a moment"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " seconds"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " minutes"
	}
	return strconv.Itoa(int(d/time.Hour)) + " hours"
}

// maxKeyIDs is how many key ids a finding names.
const maxKeyIDs = 6

func keysCheck(o *entra.Observation, now time.Time) Check {
	c := Check{ID: "keys", Group: SignIn, Title: "Signing keys"}
	switch {
	case o.KeysErr != nil && o.KeysAt.IsZero():
		return c.bad("The keys cannot be fetched, so no ID token can be verified. "+words(o.KeysErr), apperr.MenderDeveloper, "Check that the portal may open connections to the address jwks_uri of the metadata.")
	case o.KeysErr != nil:
		return c.warn("The keys cannot be fetched now. "+words(o.KeysErr)+rest(o.KeysAt, now), apperr.MenderDeveloper, "Check that the portal may open connections to the address jwks_uri of the metadata.")
	case len(o.KeyIDs) == 0:
		return c.unknown("Without metadata nobody knows where the keys are.")
	}
	names := make([]string, 0, maxKeyIDs)
	for _, id := range o.KeyIDs[:min(len(o.KeyIDs), maxKeyIDs)] {
		if id == "" {
			id = "(no kid)"
		}
		names = append(names, cut(id))
	}
	list := strings.Join(names, ", ")
	if more := len(o.KeyIDs) - len(names); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	noun := "keys"
	if len(o.KeyIDs) == 1 {
		noun = "key"
	}
	return c.good(fmt.Sprintf("%d usable %s: %s.", len(o.KeyIDs), noun, list) + inUse("set", o.KeysAt, now))
}

func clockCheck(o *entra.Observation) Check {
	c := Check{ID: "clock", Group: SignIn, Title: "Clocks"}
	if !o.ClockKnown {
		return c.unknown("The provider did not tell its time (header Date).")
	}
	off := o.ClockAhead.Abs().Round(time.Second)
	finding := "This machine and the provider agree on the time, to about a second."
	if off > 2*time.Second {
		direction := "behind"
		if o.ClockAhead < 0 {
			direction = "ahead of"
		}
		finding = "The clock of this machine is " + age(off) + " " + direction + " the provider's."
	}
	const mend = "Let the machine set its clock by NTP. In a container the clock is that of its host."
	switch {
	case off > clockBad:
		return c.bad(finding+" Tokens count as expired or not yet valid, so nobody can sign in.", apperr.MenderDeveloper, mend)
	case off > clockWarn:
		return c.warn(finding+" From five minutes on nobody can sign in.", apperr.MenderDeveloper, mend)
	}
	return c.good(finding)
}
