package flows

import (
	"slices"
	"strings"
)

var catalogue = slices.Concat(signInFlows, ownFlows, toolFlows, serviceFlows, outFlows, legacyFlows)

// Catalogue returns all flows, by group.
func Catalogue() []Flow { return slices.Clone(catalogue) }

// Find returns a flow by its id.
func Find(id string) (Flow, bool) {
	i := slices.IndexFunc(catalogue, func(f Flow) bool { return f.ID == id })
	if i < 0 {
		return Flow{}, false
	}
	return catalogue[i], true
}

// Runs reports whether a flow can be run at a place.
func (f Flow) Runs(at Place) bool { return slices.Contains(f.Places, at) }

// Message returns a message of the flow by its id.
func (f Flow) Message(id string) (Message, bool) {
	i := slices.IndexFunc(f.Messages, func(m Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, false
	}
	return f.Messages[i], true
}

// Meaning returns what a parameter means: in the words of the message with that id,
// else in those that fit everywhere; "" for a parameter that nobody has words for.
func (f Flow) Meaning(message, parameter string) string {
	if m, ok := f.Message(message); ok {
		for _, p := range m.Parameters {
			if slices.Contains(strings.Split(p.Name, ", "), parameter) {
				return p.Meaning
			}
		}
	}
	return everywhere[parameter]
}
