package templates

import (
	"slices"
	"strconv"
	"strings"
)

// tokenMask stands for a hidden token. Its length says nothing about the token.
const tokenMask = "••••••••••••••••••••••••••••••••"

// requestClass makes requesting the primary action, unless a problem has to be
// solved first.
func (v *TokensPage) requestClass() string {
	if v.Problem != nil && v.Problem.Primary != nil {
		return "btn"
	}
	return "btn btn-primary"
}

// Commands are what commands for AzTS are filled in with. Empty values stand as
// a gap to fill.
type Commands struct {
	APIURL   string // of the AzTS Web API
	Scope    string // delegated scope of AzTS by its full name
	AppIDURI string // what the scope begins with
	TenantID string
	ClientID string // that AzTS administrators hand out for scripts
	LoginURL string // of the cloud, such as https://login.microsoftonline.com
}

// CommandSet are the commands of one tool.
type CommandSet struct {
	Key    string // what a browser remembers the choice by
	Label  string
	File   string // name of the file to download
	Blocks []CommandBlock
}

// CommandBlock is what does one thing.
type CommandBlock struct {
	Title string
	Code  string
}

// commandTools are the tools with their files: first those that take a token
// that one has, then those that get one. comment begins a line of remarks.
var commandTools = []struct {
	key, label, file, comment string
	get                       bool // gets a token without the portal
	quote                     func(string) string
	blocks                    []CommandBlock
}{
	{"powershell", "PowerShell 7", "azts.ps1", "#", false, quotePowerShell, powershellBlocks},
	{"windows-powershell", "Windows PowerShell 5.1", "azts-windows-powershell.ps1", "#", false, quotePowerShell, windowsPowershellBlocks},
	{"azure-cli", "Azure CLI", "azts-azure-cli.sh", "#", false, quoteShell, azureCLIBlocks},
	{"curl", "bash and curl", "azts-curl.sh", "#", false, quoteShell, curlBlocks},
	{"go", "Go", "azts.go", "//", false, strconv.Quote, goBlocks},
	{"msal-ps", "Get-MsalToken", "azts-msal.ps1", "#", true, quotePowerShell, msalBlocks},
	{"get-azure-cli", "Azure CLI", "azts-get-azure-cli.sh", "#", true, quoteShell, getAzureCLIBlocks},
	{"az-powershell", "Az PowerShell", "azts-az-powershell.ps1", "#", true, quotePowerShell, azPowershellBlocks},
	{"get-curl", "bash and curl, by device code", "azts-get-curl.sh", "#", true, quoteShell, deviceCodeBlocks},
}

// Sets returns the commands of each tool, filled in: those that take a token,
// or those that get one without the portal.
func (c Commands) Sets(get bool) []CommandSet {
	var sets []CommandSet
	for _, tool := range commandTools {
		if tool.get != get {
			continue
		}
		set := CommandSet{Key: tool.key, Label: tool.label, File: tool.file, Blocks: slices.Clone(tool.blocks)}
		fill := c.filler(tool.quote)
		for i := range set.Blocks {
			set.Blocks[i].Code = fill.Replace(set.Blocks[i].Code)
		}
		sets = append(sets, set)
	}
	return sets
}

// filler puts the values in, quoted for the tool. A gap is named, for a person
// to fill.
func (c Commands) filler(quote func(string) string) *strings.Replacer {
	or := func(value, gap string) string {
		if value == "" {
			return quote("<" + gap + ">")
		}
		return quote(value)
	}
	return strings.NewReplacer("{api}", or(strings.TrimRight(c.APIURL, "/"), "address of the AzTS Web API"), "{scope}", or(c.Scope, "scope"),
		"{default}", or(c.defaultScope(), "App ID URI/.default"), "{resource}", or(c.AppIDURI, "App ID URI"),
		"{tenant}", or(c.TenantID, "tenant id"), "{client}", or(c.ClientID, "client id"), "{login}", or(c.LoginURL, "address of the sign-in"))
}

func (c Commands) defaultScope() string {
	if c.AppIDURI == "" {
		return ""
	}
	return c.AppIDURI + "/.default"
}

// CommandFile returns the commands of a file by its name, false when there is
// no such file. No file holds a token.
func (c Commands) CommandFile(name string) (string, bool) {
	for i, tool := range commandTools {
		if tool.file != name {
			continue
		}
		var b strings.Builder
		if tool.comment == "#" && strings.HasSuffix(name, ".sh") {
			b.WriteString("#!/usr/bin/env bash\nset -euo pipefail\n\n")
		}
		fill := c.filler(commandTools[i].quote)
		for j, block := range tool.blocks {
			if j > 0 {
				b.WriteByte('\n')
			}
			if tool.comment == "#" { // a Go file is one piece
				b.WriteString(tool.comment + " " + block.Title + "\n")
			}
			b.WriteString(fill.Replace(block.Code) + "\n")
		}
		return b.String(), true
	}
	return "", false
}

// quotePowerShell writes a text as PowerShell's verbatim string.
func quotePowerShell(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// quoteShell writes a text as one word of a POSIX shell.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
