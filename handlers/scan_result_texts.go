package handlers

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"azts.internal/portal/templates"
)

// Limits of evidence that is set out in lines. Each line of a deeply nested text
// begins with as many blanks, so that 20 KB can become 200 MB.
const (
	deepestEvidence = 32
	mostEvidence    = 64 << 10 // bytes
)

// evidenceOf takes from a reason the JSON that it ends with, set out in lines.
// What would be too deep or too long stays as it came.
func evidenceOf(reason string) (text, evidence string) {
	at := strings.IndexAny(reason, "{[")
	for at >= 0 {
		rest := strings.TrimSpace(reason[at:])
		if worth := strings.ContainsAny(rest, ":,"); worth && json.Valid([]byte(rest)) {
			var out bytes.Buffer
			if deeperThan(deepestEvidence, rest) || json.Indent(&out, []byte(rest), "", "  ") != nil || out.Len() > mostEvidence {
				return reason, ""
			}
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

// deeperThan reports whether valid JSON has more than so many levels.
func deeperThan(most int, valid string) bool {
	depth, quoted := 0, false
	for i := 0; i < len(valid); i++ {
		switch c := valid[i]; {
		case quoted && c == '\\':
			i++ // what it escapes
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// commands are lines that are to be run in a shell: of the Azure CLI, of kubectl,
// or a cmdlet of the Azure modules. A sentence can begin like them, so there has
// to be an option, or a word that is a whole command.
var commands = regexp.MustCompile(`^(az( [a-z0-9-]+){0,6}?( --?[a-z].*| [\\\x60]| (clear|list|login|logout|show|upgrade|version)(-[a-z-]+)?( [|>].*)?)` +
	`|kubectl (annotate|apply|create|delete|describe|edit|get|label|logs|patch|rollout|scale|set|taint)( .*)?` +
	`|(Add|Connect|Disable|Enable|Get|Grant|Import|Install|Invoke|New|Register|Remove|Restart|Revoke|Set|Start|Stop|Unregister|Update)-(Az|Mg)[A-Z][A-Za-z]+( +[-|$"'(\x60].*)?)$`)

// filters are what a pipe of PowerShell leads to that only chooses or shows.
var filters = regexp.MustCompile(`^((Where|Select|Sort|ForEach|Measure)-Object|Format-(List|Table)|Export-Csv)( |$)`)

// fixOf parts what AzTS says of mending into words and commands. It takes for
// commands only what surely is: the others stay words, which can be copied too.
func fixOf(remediation string) []templates.FixPart {
	var parts []templates.FixPart
	say := func(words ...string) {
		text := strings.Join(words, "\n")
		if n := len(parts); n > 0 && !parts[n-1].Command {
			parts[n-1].Text += "\n" + text
			return
		}
		parts = append(parts, templates.FixPart{Text: text})
	}
	lines := strings.Split(strings.ReplaceAll(remediation, "\r\n", "\n"), "\n")
	for len(lines) > 0 {
		command, n := commandOf(lines)
		if command == "" {
			say(lines[:n]...)
		} else {
			parts = append(parts, templates.FixPart{Text: command, Command: true})
		}
		lines = lines[n:]
	}
	for i := range parts {
		parts[i].Text = templates.Plain(strings.Trim(parts[i].Text, "\n\t "))
	}
	// Empty lines between commands are no words.
	return slices.DeleteFunc(parts, func(p templates.FixPart) bool { return p.Text == "" })
}

// commandOf returns the command that the first of some lines begin with, and how
// many lines belong together. It is "" for words, and for a command of which
// somebody who reads it would copy more than they see: one that goes on in what
// may be another command, or is moved out of sight.
func commandOf(lines []string) (command string, n int) {
	first := trimBlanks(lines[0])
	if !commands.MatchString(first) {
		return "", 1
	}
	shown, sure := []string{first}, !hides(first)
	for n = 1; goesOn(shown[n-1]) != 0; n++ {
		if n == len(lines) {
			return "", n
		}
		line := trimBlanks(lines[n])
		sure = sure && !hides(line) && (strings.HasPrefix(line, "-") || goesOn(shown[n-1]) == '|' && (filters.MatchString(line) || commands.MatchString(line)))
		shown = append(shown, "  "+line)
	}
	if !sure {
		return "", n
	}
	return strings.Join(shown, "\n"), n
}

func trimBlanks(line string) string { return strings.Trim(line, " \t") }

// goesOn returns the sign by which a command goes on in the next line, or 0.
func goesOn(line string) byte {
	if last := line[len(line)-1]; last == '\\' || last == '`' || last == '|' {
		return last
	}
	return 0
}

// hides reports whether a line has what is not seen, or moves what comes after it
// out of sight.
func hides(line string) bool {
	return strings.Contains(line, "   ") || strings.ContainsFunc(line, func(c rune) bool { return c != ' ' && unicode.IsSpace(c) || templates.Unseen(c) })
}
