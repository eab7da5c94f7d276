package flows

import "slices"

var catalogue = slices.Concat(signInFlows, ownFlows, serviceFlows, outFlows, legacyFlows)

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
