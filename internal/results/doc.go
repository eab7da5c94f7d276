// Package results keeps the results of scans and answers questions about them:
// filter, sort, page, sum up, compare, export.
//
// It owns how results are laid out, sealed and read. Who asks AzTS for them, and
// when, belongs to scan; where the bytes lie, to store; what pages show, to
// handlers. The invariants its users rely on:
//
//   - A set of results belongs to one person and one scan. To everyone else it
//     does not exist.
//   - Results are kept together with the place from which to read on, in one
//     transaction: whoever dies when, nothing is lost and nothing doubled.
//   - What AzTS sent is shown as it was, cut at [azts.NameLimit] and
//     [azts.TextLimit]: unknown statuses and severities are values like others.
//   - A set that is not complete says so; nothing is concluded from what it lacks.
//
// # Layout
//
// A set is a star of tables. A row is five numbers: its control, resource,
// status, exception and reason. Those point into tables of the set, whose fields
// point into its names (short, kept ready) and its texts (long, kept compressed).
// What AzTS repeats with each result stands once, a filter is decided once per
// control or resource and not per result, and any page of any order costs one
// walk over the numbers. A set only grows: each segment adds what is new in a few
// thousand results, so the number of a row is its name for ever.
//
// The texts are in blocks of their own, because they are most of the bytes and
// the least of the questions: a page unpacks the few blocks that it shows, a
// search unpacks all of them and keeps none.
//
// # At rest
//
// Segments are compressed and then sealed for their person, scan, generation and
// number. So is the head, which has the counts and the places to read on from:
// how many controls failed, and where, is already somebody's weakness. In the
// clear stand only sizes, times and the state. Whoever writes to the database can
// put back an older state of a whole set, but not mix sets, people or segments.
//
// # Duplicates
//
// AzTS numbers its pages and goes on scanning while they are read. A row that
// moves to the next page meanwhile comes twice, one that moves back not at all.
// The first of two is kept, since it may be on disk already; the row that is
// missing shows in the total, and the set is short. Two rows are the same if
// control and resource are, letter case aside, within one subscription: Azure's
// names have no case, and its services write them in several. A row that lacks
// either is the same only as one that equals it altogether.
package results
