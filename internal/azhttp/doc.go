// Package azhttp owns the one careful HTTP client that the clients of Azure
// APIs (azts, arm, graph) share: bearer tokens, retries, paging, limits and
// the reading of refusals.
//
// What an API means stays with its own package; so do its paths and types.
// The invariants its users rely on:
//
//   - A [Client] knows one base URL and one scope. It asks the [TokenSource]
//     for that scope only and sends the token to that origin only: redirects
//     are refused and a nextLink to another origin is refused, so a token for
//     one audience never reaches another host.
//   - A call marked [Once] is sent again only when the service cannot have
//     acted on it. [MayHaveReached] tells when it may have.
//   - Every call ends: at most three tries, each with a time limit, waiting
//     only as long as the context and [Config.MaxWait] allow.
//   - Every error is an *apperr.Error in words for a person, with a
//     [*CallError] as cause for the log. Only errors of the token source
//     (unchanged) and of a cancelled context (wrapped) are not.
package azhttp
