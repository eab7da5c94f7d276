package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"azts.internal/portal/internal/config"
)

// gcPercent trades memory for time: what lives is some ten megabytes, so the
// heap may well grow to four times that between two collections. GOGC and
// GOMEMLIMIT in the environment win.
const gcPercent = 300

func main() {
	if isOpener(os.Args[1:]) {
		if err := openCredential(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err, os.Stderr))
}

// exitCode tells the operator what went wrong.
func exitCode(err error, stderr io.Writer) int {
	var mistakes config.Mistakes
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &mistakes):
		fmt.Fprintf(stderr, "portal: mistakes in the configuration: %d\n%v\n", len(mistakes), mistakes)
		return 2
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintf(stderr, "portal: %v\n", err)
	return 1
}

var errUsage = errors.New("usage")

// run is the program. It returns when ctx ends and everything has stopped, or
// when it could not start.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("portal", flag.ContinueOnError)
	flags.SetOutput(stderr)
	checkOnly := flags.Bool("check", false, "check the configuration, the provider and the addresses of the APIs, then exit")
	healthOnly := flags.Bool("health", false, "ask the running portal whether it is ready, then exit")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "portal: unknown argument %q\n", flags.Arg(0))
		return errUsage
	}
	c, err := config.Load(getenv)
	if err != nil {
		return err
	}
	switch {
	case *healthOnly:
		return askHealth(ctx, c)
	case *checkOnly:
		return check(ctx, c, stdout, newLogger(c, stderr))
	}
	return serve(ctx, c, stdout, newLogger(c, stderr))
}
