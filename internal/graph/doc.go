// Package graph owns the calls of Microsoft Graph that the portal makes
// (entra.md §7): who the signed-in person is, delegated grants, app role
// assignments, service principals, registrations, and the names behind ids.
//
// What a grant means to a person, and who may withdraw it, is not its business.
// The invariants its users rely on:
//
//   - Every method asks the token source for one permission only, the least that
//     the call needs (entra.md §7.4): [Client.ReadScope] for reading,
//     [Client.GrantScope] and [Client.RoleScope] for changes, [Client.MeScope]
//     for what is about the caller alone.
//   - Ids of objects and applications are GUIDs in lower case. Ids of grants and
//     assignments are opaque and keep their spelling.
//   - Texts that strangers chose, such as the name of an application, are at most
//     [MaxText] bytes and hold no control or bidirectional characters.
//   - Decoding is lenient: unknown members are ignored, missing ones and ones of
//     another type are empty, entries without an id are left out.
//   - A list that breaks off comes back as far as it arrived, together with the
//     error: never take it for the whole then.
package graph
