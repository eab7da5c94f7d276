// Package azts owns the three operations of the AzTS REST API (azts.md): request a
// scan, read its results, read the compliance summary.
//
// What a scan is over time belongs to package scan; how the wire is kept safe
// belongs to azhttp. The service's answers are open in many places, so reading
// is tolerant: names in any case, numbers as strings, unknown and missing
// fields. The invariants its users rely on:
//
//   - Texts are valid UTF-8 without NUL and no longer than [NameLimit] or
//     [TextLimit] bytes. They come from strangers: show them as text.
//   - What cannot be read is marked as not known, never guessed; what was not
//     asked for is left out, never believed.
//   - Subscription ids are GUIDs in lower case.
package azts
