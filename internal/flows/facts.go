package flows

import "strings"

// Facts are what examples and commands are filled in with: {login}, {tenant},
// {client}, {uri}, {scope}, {api}, {portal} and {arm}.
type Facts struct {
	Login  string // the company sign-in, such as https://login.microsoftonline.com
	Tenant string // its id
	Client string // client id of this portal
	// Handed is the client id that AzTS administrators hand out for scripts, a public
	// client: it stands for <client id>.
	Handed string
	URI    string // App ID URI of AzTS
	Scope  string // delegated scope of AzTS, by its full name
	API    string // base URL of the AzTS Web API
	Portal string // base URL of this portal
	ARM    string // base URL of Azure Resource Manager
}

// Fill puts the facts into a text. What is not known stays as it is, in braces,
// as a gap to be seen.
func (f Facts) Fill(text string) string {
	var pairs []string
	for name, value := range map[string]string{"{login}": f.Login, "{tenant}": f.Tenant, "{client}": f.Client, "{uri}": f.URI, "{scope}": f.Scope,
		"{api}": f.API, "{portal}": f.Portal, "{arm}": f.ARM} {
		if value != "" {
			pairs = append(pairs, name, value)
		}
	}
	if f.Handed != "" {
		pairs = append(pairs, "<client id>", f.Handed)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
