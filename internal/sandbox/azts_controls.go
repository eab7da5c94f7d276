package sandbox

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
)

// controlsCSV lists the documented control ids with feature and resource type.
//
//go:embed seed/azts-controls.csv
var controlsCSV string

// control is one security control.
type control struct {
	id       string
	feature  string
	armType  string
	title    string
	category string
	severity string
	baseline bool
	topic    *topic
	seed     uint64
}

// catalogue is every control, with what each theme of subscriptions lays out.
type catalogue struct {
	byFeature map[string][]*control
	layouts   []layout // by theme
}

// controls is read on first use: parsing takes about a millisecond that New
// need not spend.
var controls = sync.OnceValue(func() *catalogue {
	c := &catalogue{byFeature: map[string][]*control{}}
	lines := strings.Split(strings.TrimSpace(controlsCSV), "\n")
	for _, line := range lines[1:] {
		fields := strings.SplitN(strings.TrimSpace(line), ",", 3)
		if len(fields) < 3 {
			continue
		}
		x := newControl(fields[0], fields[1], fields[2])
		c.byFeature[x.feature] = append(c.byFeature[x.feature], x)
	}
	for _, modules := range themeModules {
		c.layouts = append(c.layouts, c.lay(modules))
	}
	return c
})

func newControl(id, feature, armType string) *control {
	if strings.HasPrefix(id, "Azure_VirtualMachineScaleSet_") {
		feature = "VirtualMachineScaleSet" // the list files some under virtual machines
	}
	k := kinds[feature]
	if k.arm != "" {
		armType = k.arm
	} else if feature == "VirtualMachineScaleSet" {
		armType = "Microsoft.Compute/virtualMachineScaleSets"
	}
	x := &control{id: id, feature: feature, armType: armType, seed: mixString(id)}
	lower := strings.ToLower(id)
	for i := range topics {
		if matches(lower, topics[i].match) {
			x.topic = &topics[i]
			break
		}
	}
	x.category = category(id)
	x.severity = severity(lower, x.seed)
	x.baseline = x.severity == "Critical" || x.severity == "High" && x.seed%4 != 0 || x.seed%5 == 0
	x.title = withKind(x.topic.title, k.noun) + " – " + words(id)
	return x
}

func matches(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

var categories = map[string]string{
	"dp": "Data protection", "netsec": "Network security", "audit": "Logging and monitoring", "authn": "Authentication",
	"authz": "Access control", "identity": "Access control", "si": "System integrity", "config": "Configuration",
	"bcdr": "Business continuity", "deploy": "Deployment",
}

// category reads the family out of a control's name, Azure_<feature>_<family>_….
func category(id string) string {
	for _, part := range strings.Split(strings.ToLower(id), "_") {
		if name, known := categories[part]; known {
			return name
		}
	}
	if matches(strings.ToLower(id), []string{"diagnostic", "audit", "threat"}) {
		return categories["audit"]
	}
	return "Configuration"
}

func severity(lower string, seed uint64) string {
	switch {
	case matches(lower, []string{"plaintext", "inbound_any", "anonymous", "deprecated_accounts"}):
		return "Critical"
	case matches(lower, []string{"public", "tls", "https", "encrypt_in", "ports", "persistent", "patches", "vulnerab", "entra", "waf", "universal"}):
		return "High"
	case matches(lower, []string{"tags", "trial", "justify", "web_sockets", "alwayson", "billing", "inactive"}):
		return "Low"
	case seed%6 == 0:
		return "High"
	}
	return "Medium"
}

var (
	camelPattern = regexp.MustCompile(`([a-z])([A-Z])`)
	plainWord    = regexp.MustCompile(`\b[A-Z][a-z]+\b`)
	spelledOut   = strings.NewReplacer("AADAuth", "AAD Auth", "AuthN", "sign-in", "NonAD", "non-Entra", "MDC", "Defender for Cloud",
		"AAD", "Entra ID", "OpenAI", "OPENAI", "OSUpdate", "OS Update", "DDoS", "DDOS", "mTLS", "MTLS", "IPForwarding", "IP Forwarding")
	properNames = strings.NewReplacer("microsoft", "Microsoft", "entra", "Entra", "defender for cloud", "Defender for Cloud", "defender", "Defender",
		"azure", "Azure", "linux", "Linux", "windows", "Windows", "OPENAI", "OpenAI", "DDOS", "DDoS", "MTLS", "mTLS", "dont ", "do not ", "soln", "solution",
		"vuln ", "vulnerability ", "adv ", "advanced ", " RG", " on resource groups", " trial", " (trial)")
)

// words turns the last parts of a control's name into a phrase.
func words(id string) string {
	parts := strings.Split(id, "_")
	start := min(2, len(parts)-1)
	for i := start; i < len(parts)-1; i++ {
		if _, family := categories[strings.ToLower(parts[i])]; family {
			start = i + 1
			break
		}
	}
	text := camelPattern.ReplaceAllString(spelledOut.Replace(strings.Join(parts[start:], " ")), "$1 $2")
	return properNames.Replace(plainWord.ReplaceAllStringFunc(text, strings.ToLower))
}

// withKind puts the noun in, with the article that it needs.
func withKind(text, noun string) string {
	if strings.ContainsRune("aeiouAEIO", rune(noun[0])) {
		text = strings.ReplaceAll(text, "A {kind}", "An {kind}")
		text = strings.ReplaceAll(text, " a {kind}", " an {kind}")
	}
	return strings.ReplaceAll(text, "{kind}", noun)
}

// layout says which control stands where in a theme's modules. Position 0 is
// the first control of the first resource; after size positions the modules
// begin again with other resources.
type layout struct {
	slots []slot
	size  int
}

// slot is one resource of a layout.
type slot struct {
	start    int // position of its first control
	controls []*control
	module   string
	first    bool // belongs to the theme's first module
}

func (c *catalogue) lay(modules []string) layout {
	var l layout
	for m, module := range modules {
		for _, feature := range moduleFeatures[module] {
			list := c.byFeature[feature]
			l.slots = append(l.slots, slot{start: l.size, controls: list, module: module, first: m == 0})
			l.size += len(list)
		}
	}
	return l
}
