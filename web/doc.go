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
// Exit codes: 0 in order, 1 failed, 2 the configuration has mistakes.
package main
