// Package config owns the configuration: the table of options, where each value
// comes from, what is wrong with it, and how it is shown without its secrets.
//
// All options come from the environment; every secret also from the file that
// NAME_FILE points to. [Load] reports all mistakes together. It is imported by
// web alone: every other package is handed plain values.
//
// The invariant its users rely on: no message and no description holds the
// value of a secret.
package config
