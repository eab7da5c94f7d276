// Package consent owns what an administrator sees and does about consent: the
// view of all grants on the AzTS API and on this portal, requests of people for
// scopes that only an administrator can grant, and the audit log.
//
// It asks Graph with the token of the person in front of the screen and keeps no
// token. Pages, forms and the way to the tenant's own pages are the handlers'.
// The invariants its users rely on:
//
//   - A [View] that lacks something says so in its Gaps; it is never taken for
//     the whole.
//   - A change of consent goes through [Service.Audited]: its intent is in the log
//     before it is made, and its outcome afterwards. An intent without an outcome
//     is a change of which nobody knows how it ended.
//   - The log is appended to. Nothing here changes or removes an entry, and the
//     databases refuse to.
//   - A request is decided once; who asks twice for the same scope has one request.
package consent
