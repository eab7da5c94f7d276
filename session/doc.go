// Package session owns who is signed in, in which browser, until when.
//
// It implements gorilla's Store with the id in the cookie and the record on our
// side: the cookie holds 256 random bits, the database their SHA-256 and the
// content, sealed and bound to the row. Nothing read from the database alone
// lets anyone in. Handlers use the typed methods ([Store.Current],
// [Store.SignIn], [Store.SignOut], [Store.StartFlow], [Store.TakeFlow],
// [Store.Flash]); no other package sees the Values of gorilla's session.
//
// A sign-in under way ([Flow]) is not a session: it is sealed in a cookie of its
// own, so that an anonymous visitor makes us store nothing.
//
// It leaves the rows to whoever implements [Records], and what the person may do
// to package access.
//
// The invariants its users rely on:
//
//   - a session id is made at sign-in, never accepted from a browser;
//   - a session ends at its idle limit, at its absolute limit, at sign-out or at
//     single sign-out, whichever comes first, whatever the browser sends;
//   - a state is used once, on all replicas together;
//   - the record is written before the first byte of the answer that sets the
//     cookie.
package session
