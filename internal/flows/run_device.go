package flows

// deviceState is what a script that waits has in mind.
type deviceState struct{}
