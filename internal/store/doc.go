// Package store keeps records: sessions, their tokens, values that may be used
// once, and scans.
//
// It owns the two databases behind one set of queries: embedded SQLite, the
// default, and PostgreSQL, for several replicas. Whatever needs to be secret is
// sealed before it gets here; the store sees ciphertext and the few columns it
// looks things up by. It implements contracts written by its users (package
// session, entra, scan), and one conformance suite runs against both databases.
//
// The invariants its users rely on: what a method acknowledged is on disk
// (SQLite in WAL mode with synchronous=FULL; PostgreSQL with its default
// synchronous_commit), and a job enqueued in a transaction exists exactly if
// that transaction was committed.
//
// Times are stored as whole microseconds since 1970 UTC, so that both databases
// compare them alike. Queries are written with $1-style parameters.
package store
