package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// faultSpec declares one way to misbehave. Both halves of the package list
// theirs in package-level tables with [declare].
type faultSpec struct {
	name  string // "area.what", as tests and the page name it
	does  string // one sentence for a person
	value string // what the value means, with its default; "" when none is read
}

// declaredFault is a faultSpec with the area it is listed under.
type declaredFault struct {
	faultSpec
	area string
}

// declaredFaults holds every fault by name. It is filled while the package is
// initialised and never changes afterwards.
var declaredFaults = map[string]declaredFault{}

// declare adds faults to the table of those that may be switched on. It is to
// be called from package-level declarations only and panics when a name is
// declared twice. It returns the number declared, so that it can stand in one.
func declare(area string, specs ...faultSpec) int {
	for _, spec := range specs {
		if _, twice := declaredFaults[spec.name]; twice {
			panic("sandbox: fault " + spec.name + " is declared twice")
		}
		declaredFaults[spec.name] = declaredFault{faultSpec: spec, area: area}
	}
	return len(specs)
}

// Fault is one switch as [Faults.List] reports it.
type Fault struct {
	Name     string // as Set takes it
	Area     string // which part of the sandbox misbehaves
	Does     string // one sentence: what goes wrong
	Takes    string // what the value means; empty when it has none
	On       bool
	Value    string // the value it was set with
	Times    int    // how often it still happens; negative: until cleared
	Happened int    // how often it has happened since the sandbox was grown
}

// Faults are the switches that make the sandbox misbehave; all are off at
// first. It is safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	on   map[string]setting
	seen map[string]int
}

type setting struct {
	value string
	times int
}

func newFaults() *Faults {
	return &Faults{on: map[string]setting{}, seen: map[string]int{}}
}

// Set switches a fault on for the next times occasions, or, when times is
// negative, until it is cleared; zero switches it off. It panics on a name that
// nobody declared: in a test that is a typo, and a test that breaks nothing
// passes for the wrong reason.
func (f *Faults) Set(name, value string, times int) {
	if _, known := declaredFaults[name]; !known {
		panic(fmt.Sprintf("sandbox: no fault is called %q", name))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if times == 0 {
		delete(f.on, name)
		return
	}
	f.on[name] = setting{value: value, times: times}
}

// Clear switches the named faults off, or all of them when none is named.
func (f *Faults) Clear(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(names) == 0 {
		clear(f.on)
	}
	for _, name := range names {
		delete(f.on, name)
	}
}

// List returns every declared fault, sorted by area and name.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Fault, 0, len(declaredFaults))
	for name, spec := range declaredFaults {
		set, on := f.on[name]
		list = append(list, Fault{Name: name, Area: spec.area, Does: spec.does, Takes: spec.faultSpec.value,
			On: on, Value: set.value, Times: set.times, Happened: f.seen[name]})
	}
	slices.SortFunc(list, func(a, b Fault) int {
		if byArea := strings.Compare(a.Area, b.Area); byArea != 0 {
			return byArea
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// take says whether the named fault is to happen now, with its value, and uses
// one occasion up. Like Set it panics on a name that nobody declared.
func (f *Faults) take(name string) (value string, on bool) {
	if _, known := declaredFaults[name]; !known {
		panic(fmt.Sprintf("sandbox: no fault is called %q", name))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	set, on := f.on[name]
	if !on {
		return "", false
	}
	f.seen[name]++
	if set.times > 0 {
		set.times--
		f.on[name] = set
		if set.times == 0 {
			delete(f.on, name)
		}
	}
	return set.value, true
}
