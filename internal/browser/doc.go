// Package browser drives Chromium for tests.
//
// It owns the process, its windows' settings (cookies of third parties, colour
// scheme, width, scripts), waiting for what a page shows, and the checks that
// hold for every page: nothing on the console, nothing that the content
// security policy refused, nothing that axe-core finds. It knows nothing of the
// portal; what a journey is stands with the journeys.
//
// The invariants its users rely on:
//
//   - each [Profile] has cookies and storage of its own, as a new browser has;
//   - a click lands where a person's would: on something that is seen and that
//     nothing covers;
//   - waiting never polls by a clock: the page says when it has changed, and
//     there is a deadline;
//   - a tab that logged an error fails its test, unless the test expected it.
//
// Tests only: nothing else imports it. It wants Chromium, and the npm packages
// of its package.json for axe-core.
package browser
