// Package doctor owns the checks of the set-up: whether the provider, the
// registration at it, the AzTS API and the portal's own settings fit each other,
// and the words for what to mend and where.
//
// It changes nothing. The invariants its users rely on:
//
//   - Requests go to the addresses of its [Config] alone, and to where the
//     provider's own metadata says that the keys are. Redirects are not followed.
//   - What needs a person's rights is asked with the token of that person; what
//     they may not read is [CannotTell], never guessed.
//   - A [Report] holds no secret, token or code. Texts of others in it (an issuer,
//     a host name) are cut, and are to be shown as text.
//   - An examination ends within [Limit], and all of its checks run at once.
package doctor
