package templates

import (
	"strings"

	"github.com/a-h/templ"
)

var standingSigns = map[Standing]sign{
	StandingShown:    {"Shown by AzTS", "s-passed", iconCheck},
	StandingFresh:    {"Too new", "s-verify", iconClock},
	StandingEligible: {"Not activated", "s-exempt", iconPause},
	StandingWrong:    {"Wrong role", "s-failed", iconCross},
	StandingNone:     {"No role", "s-failed", iconRefused},
	StandingUnlisted: {"Unknown to AzTS", "s-error", iconAsk},
	StandingUnknown:  {"Not known", "s-neutral", iconDashed},
}

func standingSign(s Standing) templ.Component {
	found, ok := standingSigns[s]
	if !ok {
		found = sign{string(s), "s-unknown", iconAsk}
	}
	return found.component(found.word)
}

var requestSigns = map[RequestState]sign{
	RequestPending:  {"Waiting", "s-verify", iconClock},
	RequestApproved: {"Approved", "s-passed", iconCheck},
	RequestDeclined: {"Declined", "s-failed", iconRefused},
}

func requestSign(s RequestState) templ.Component {
	found, ok := requestSigns[s]
	if !ok {
		found = sign{string(s), "s-unknown", iconAsk}
	}
	return found.component(found.word)
}

// allowedFor says in words for whom a permission was granted.
func (p *PermissionRow) allowedFor() string {
	switch {
	case p.Mine && p.Everyone:
		return "You, and everybody in your organization"
	case p.Mine:
		return "You"
	case p.Everyone:
		return "Everybody in your organization"
	}
	return "Your token carries it"
}

func (p *PermissionRow) usedFor() string { return strings.Join(p.Uses, ", ") }

func (a *AppGrant) allowedFor() string {
	if a.Everyone {
		return "Everybody in your organization"
	}
	return "You"
}

func (a *AppGrant) label() string {
	if a.Name != "" {
		return a.Name
	}
	return a.ID
}

// publisher says who stands behind an application.
func (a *AppGrant) publisher() string {
	switch {
	case a.Publisher == "":
		return "Publisher not known"
	case a.Verified:
		return "By " + a.Publisher + ", verified by Microsoft"
	}
	return "By " + a.Publisher
}

func (r *RoleRow) label() string {
	if r.Name != "" {
		return r.Name
	}
	return r.ID
}

func (r *HeldRole) label() string {
	if r.Name != "" {
		return r.Name
	}
	return "Role " + r.ID
}

// how tells where and how a role was given.
func (r *HeldRole) how() string {
	s := r.Where
	if r.ByGroup {
		s += ", through a group"
	}
	if r.Eligible {
		s += ", to be activated"
	}
	return s
}

// optionLabel marks what only an administrator can grant.
func (o *AskOption) label() string {
	if o.AdminOnly {
		return o.Label + " (an administrator has to agree)"
	}
	return o.Label
}

// place tells where a permission is and what it is for, after its name.
func (f *AdminAskForm) place() string {
	if f.Title == "" {
		return " at " + f.API
	}
	return " at " + f.API + ": " + f.Title + "."
}

// summary counts what the table holds.
func (p *RolesPanel) summary() string {
	switch {
	case p.All == 0:
		return ""
	case p.Missing == 0:
		return plural(p.All, "subscription") + ", all shown by AzTS"
	}
	return plural(p.All, "subscription") + ", " + number(p.Missing) + " not shown by AzTS"
}
