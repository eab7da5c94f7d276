// Package trace owns what was said between the parties of a flow, without its
// secrets.
//
// A [Recorder] notes each message, a [Redactor] takes the secrets out, a [Trace]
// is what is left: a plain value that may be stored, shared and exported. The
// packages that run flows, keep traces and show them stay outside.
//
// The invariant its users rely on: no token, code, secret, cookie, password,
// assertion, verifier or device code that the Redactor was told of, or that
// stands in a place where such a thing belongs, is part of a Trace. Neither as it
// is, nor escaped for an address, for HTML or for JSON, once or over and over, nor
// in base64, nor a piece of twelve characters or more of it. A value that was
// learned late is taken out of earlier messages as well.
//
// In its place stands a fingerprint such as ‹code 7f3a·k2›. The same value has the
// same one within a trace, so that one can follow it. It is a random name and not
// a hash: nothing of the value is in it, so that not even a user code of nine
// letters can be guessed from it, and the same value has another one in the next
// trace.
//
// What is redacted though it is no credential:
//
//   - state and nonce: until they are used, who reads them from a shared screen
//     can plant an answer of their own (RFC 9700 §4.7). That they come back
//     unchanged is what one wants to see, and the fingerprint shows just that.
//   - sid and session_state: they end a session without a cookie (entra.md §5.2).
//   - user codes: who reads one in time connects the device with an account of
//     their own. The page that asks for it shows it, the trace does not.
//   - login_hint and logout_hint as Entra makes them: half of their letters are the
//     token's.
//   - code_challenge, where the method is not S256: then it is the verifier.
//
// What stays: names, addresses of people and of machines, object ids. A trace
// belongs to the person whose sign-in it is, who may share it; it is personal data.
package trace
