// Package templates owns the pages: their markup, their view models and the
// addresses that pages and redirects share.
//
// A page is a view model with a component of the same stem: fill [ScansPage],
// render [Scans]. Every view model embeds [Page], what the frame around each
// page needs. A view model holds only what is shown; the components fetch
// nothing and decide nothing but words, order and looks.
//
//	Landing    LandingPage    GET /                      nobody signed in
//	Overview   OverviewPage   GET /                      signed in
//	Account    AccountPage    GET /account
//	Sessions   SessionsPage   GET /account/sessions
//	Tokens     TokensPage     GET /tokens, and the answers to its forms
//	TokenHistory HistoryPage  GET /tokens/history
//	Access     AccessPage     GET /access, and the answers to its forms
//	GiveBack   GiveBackPage   GET /access/give-back, and the answer to its form
//	Scans      ScansPage      GET /scans
//	Scan       ScanPage       GET /scans/{id}
//	Results    ResultsPage    GET /subscriptions/{id}/results
//	Message    MessagePage    every error and outcome; needs no person
//	SignedOut  SignedOutPage  GET /auth/signed-out
//
// Forms and their fields, all by POST: /auth/logout (none); /account/theme
// (theme, return_to); /account/sessions/end (id); /tokens (resource, scope,
// other, purpose); /tokens/reveal, /tokens/renew, /tokens/forget, /tokens/check
// (id); /scans (idempotency_key and one
// subscription per choice); /access/scopes (permission,
// other), /access/requests (permission, reason), /access/list (api), /access/refresh
// (none), /access/give-back (grant, shown, scope). By GET: /scans (q, subscription),
// /access (q, show, subscription).
//
// The invariants its users rely on: every string of a view model is shown as
// text, whatever it holds; no page has an inline style, script or event
// handler, so the strictest content security policy fits; each page is whole
// without scripts. Times are shown in UTC and changed to local time by the
// module script.
//
// Hooks for the module script (static/js): data-copy (text to copy),
// data-copy-token (the form's answer is copied), data-reveal, data-local and
// data-age (times), data-countdown, data-live-scan (a region that follows
// scans: an id, or * for all), data-select-all, data-count, data-counted (a field
// whose characters are counted in the element of that id).
package templates
