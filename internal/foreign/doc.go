// Package foreign tests the portal against an OpenID Provider that we did not
// write: npm oidc-provider, configured in provider.mjs.
//
// It owns no code of the portal. The portal runs as a process of its own, as an
// operator would start it, and is spoken to over HTTP only; so is the provider.
// The sandbox shows that the portal fits what we believe of Entra; this package
// shows that it fits what others believe of OpenID Connect.
//
// The tests need Node and run with PORTAL_TEST_FOREIGN=1.
package foreign
