// Package explain owns the desk's answer to "what does this error mean": it finds
// the errors in a pasted text and the words for them.
//
// It knows the tables of package entra and, from a table that is written out of
// the source, every code of this portal. The invariant its users rely on: nothing
// that was pasted is part of an answer but numbers of at most nine digits, ids
// and times where an identity platform writes its own, and a reference of ours;
// and no secret that package trace knows by its place or form is among them.
package explain
