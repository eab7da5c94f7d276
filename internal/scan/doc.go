// Package scan requests scans on behalf of a person and follows them beyond any
// request: it owns their states, their time limits and the final word.
//
// How AzTS is called belongs to azts, where records are kept to store, how
// results are laid out to results, what pages show to handlers. The invariants its users rely on:
//
//   - A scan is on record before AzTS hears of it, together with the job that
//     follows it. Whatever dies when, the scan is followed, by one job, to an end.
//   - AzTS is asked once per scan. When its answer was lost, the scan is judged
//     by the compliance summary and never sent again.
//   - A scan belongs to its owner: to everyone else it does not exist.
//   - The job that reads a scan's results is on record together with its end. It
//     reads a few seconds at a time and puts itself off; the place to read on from
//     is stored with the rows, so whatever dies when, none is lost or doubled.
//   - It runs with the owner's token only. Without one it waits for the owner.
package scan
