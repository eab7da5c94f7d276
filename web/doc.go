// Command web is the portal: it reads the configuration, makes every part,
// listens, and shuts down in order.
//
// It owns the wiring and nothing else. main only calls run, and tests call run
// as well, so that the whole program starts in a test.
//
//	portal            run until interrupted
//	portal -check     check the configuration and the provider's metadata, then exit
//	portal -health    ask the running portal whether it is ready, then exit
//
// The running portal also starts itself, with -open-credential, for a moment:
// certificates that people give are opened in a process of their own, since the
// work that a hostile one asks for can only be ended with its process.
//
// Exit codes: 0 in order, 1 failed, 2 the configuration has mistakes.
package main
