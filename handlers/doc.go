// Package handlers reads requests, asks the domain and answers with pages.
//
// All routes stand in routes.go, with who may enter beside each. A handler
// returns an error; one adapter logs it once and renders one page (errors.go).
// Pages are rendered into a buffer before the status is sent: never half a page,
// never 200 on a failure. Each area is one struct with what it needs, in one
// file: auth, signout, account, overview, tokens, scans, results, events; the larger
// ones have several: access_….go, admin_….go.
//
// The invariants its users rely on:
//
//   - whatever is personal is sent with Cache-Control: no-store;
//   - a redirect leads to a path of ours, to the provider's authorization
//     endpoint, its admin consent or its end-session endpoint, and nowhere else;
//   - no page shows the text of an error that was not written for persons;
//   - a form of another site changes nothing: only POST /auth/callback may come
//     from there, and there the state bound to the browser's cookie protects.
package handlers
