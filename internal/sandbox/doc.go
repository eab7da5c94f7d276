// Package sandbox is an identity tenant and its APIs in a box.
//
// It owns a look-alike of an Entra tenant (sign-in, tokens, consent, single
// sign-out), of the AzTS Web API, and of the parts of Microsoft Graph and Azure
// Resource Manager that the portal reads, with people, applications and
// subscriptions grown from a fixed seed. It speaks HTTP only and shares no type
// with the portal's clients: shared types would share mistakes. What it must
// look like on the wire is written in entra.md (§11.1 lists the whole) and
// azts.md.
//
// The invariants its users rely on:
//
//   - as a tenant to sign in with it is served from a listener on loopback and
//     never beside a real one; without a listener, through
//     [Sandbox.Transport], nobody outside the process reaches it;
//   - it calls nobody;
//   - the same options give the same people, subscriptions and results;
//   - nothing misbehaves unless a fault is switched on, by its page or by
//     [Sandbox.Faults];
//   - every page it shows says that it is a sandbox.
package sandbox
