// Package entra speaks the identity platform's protocol: OpenID Connect and
// OAuth 2.0 as Entra ID does them (entra.md), and as any other OpenID Provider
// does them.
//
// It owns discovery and keys, the authorization request, every check of the
// answer, the token endpoint, sign-out messages, the tokens of a session
// ([Broker]), those of applications and of the machine ([Provider.AppToken],
// [ManagedIdentity]), and what can be told of a token that somebody pasted
// ([Inspect], [Inspector]). It leaves cookies and pages to session and handlers. Signatures
// are verified by go-oidc over a key set of ours, since the number of fetches
// that a stranger can cause must be bounded.
//
// The invariants its users rely on:
//
//   - no claim decides anything before the token's signature is verified: what is
//     read of others is for display;
//   - nothing that a token names is fetched;
//   - an identity is returned only when every check of [Provider.Redeem] passed,
//     in that order: the front-channel ID token, then the code, then the token
//     endpoint's ID token, which must name the same issuer and subject;
//   - a certificate that somebody brings is opened by an [Opener] alone, which
//     can be killed;
//   - a token for one resource is never asked for, kept or returned as one for
//     another;
//   - the provider being away is an error of kind Unavailable, never a refusal,
//     and is tried again at the next call.
package entra
