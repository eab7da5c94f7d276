// Package flows knows every way to a token, shows it, tries it and breaks it on
// purpose.
//
// It owns the catalogue (what a flow is for, who takes part, its messages and
// their parameters, its risks), the deliberate failures, and the runner that
// carries a flow out message by message. What was said is kept as a
// [trace.Trace]: redacted before anything stores it. Verifying is left to entra:
// what refuses a forged answer here is what refuses it at sign-in. The
// invariants its users rely on:
//
//   - A run in the lab talks to the tenant in the box and to nothing else; its
//     issuer means nothing to sign-in.
//   - A run against the real tenant talks to configured hosts only, with the
//     rights of the person who started it, and breaks only what harms nobody.
//   - No run outlives its deadline, and none goes on after its page is closed.
package flows
