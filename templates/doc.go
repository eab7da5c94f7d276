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
//	AppTokens  AppTokensPage  GET /tokens/app, and the answers to its forms
//	Inspect    InspectPage    GET /tokens/inspect, and the answer to its form
//	Access     AccessPage     GET /access, and the answers to its forms
//	GiveBack   GiveBackPage   GET /access/give-back, and the answer to its form
//	Consent    ConsentPage    GET /admin/consent, admins alone as the six below
//	Withdraw   WithdrawPage   GET /admin/consent/grants/{id}/withdraw and …/roles/{resource}/{id}/withdraw
//	Grant      GrantPage      GET /admin/consent/grant
//	Requests   RequestsPage   GET /admin/requests
//	Request    RequestPage    GET /admin/requests/{id}
//	Permissions PermissionsPage GET /admin/permissions
//	Credentials CredentialsPage GET /admin/credentials
//	AdminScans AdminScansPage GET /admin/scans
//	Scans      ScansPage      GET /scans
//	NewScan    NewScanPage    GET /scans/new, and the answers to its form
//	Scan       ScanPage       GET /scans/{id}
//	Schedules  SchedulesPage  GET /scans/schedules
//	ScheduleForm ScheduleFormPage GET /scans/schedules/new, and the answer to its form
//	ScheduleEnd ScheduleEndPage GET /scans/schedules/end and …/withdraw
//	Results    ResultsPage    GET /subscriptions/{id}/results
//	Message    MessagePage    every error and outcome; needs no person
//	SignedOut  SignedOutPage  GET /auth/signed-out
//
// Forms and their fields, all by POST: /auth/logout (none); /account/theme
// (theme, return_to); /account/sessions/end (id); /tokens (resource, scope,
// other, purpose); /tokens/reveal, /tokens/renew, /tokens/forget, /tokens/check
// (id); /tokens/app, as multipart/form-data (tenant, client_id, kind, secret, pem,
// file, password, assertion, resource, scope, purpose), /tokens/app/identity
// (resource), /tokens/app/reveal, /tokens/app/forget (id); /tokens/inspect (token,
// second); /scans (idempotency_key and one
// subscription per choice), /scans/new (q, only, page, at, all, list, checked,
// subscription), /scans/{id}/again (idempotency_key, of); /scans/schedules (key, q,
// subscription, ids, every, weekday, hour, zone, agreed, do), /scans/schedules/end,
// …/pause, …/resume, …/remove, …/dismiss, …/confirm (id), …/withdraw, …/renew (none);
// /access/scopes (permission,
// other), /access/requests (permission, reason), /access/list (api), /access/refresh
// (none), /access/give-back (grant, shown, scope); /admin/consent/refresh (return_to),
// /admin/consent/grant (scope), …/withdraw (seen, typed, return_to), /admin/allow
// (permission, return_to), /admin/requests/{id}/approve (for), …/decline (answer),
// …/check (none). By GET: /scans (state, subscription), /access (q, show, subscription),
// /admin/consent (q, kind, for, risk, client, api, sort, order), /admin/requests (q,
// page, decided).
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
