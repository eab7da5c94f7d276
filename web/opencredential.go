package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"azts.internal/portal/internal/entra"
)

// openCredentialFlag makes the program open one certificate, from its input to
// its output, and end: the portal starts itself so.
const openCredentialFlag = "-open-credential"

const (
	// openLimit is how long opening a certificate may take. An ordinary one takes
	// some hundredths of a second.
	openLimit = 5 * time.Second
	// openWait is how long others wait for that: longer, so that two hostile files
	// hold up an ordinary one and do not turn it away.
	openWait  = openLimit + 2*openGrace
	openSlots = 2 // at the same moment: as many cores can be kept busy
	openGrace = time.Second
)

// isOpener reports whether the program was started to open a certificate.
func isOpener(args []string) bool { return len(args) == 1 && args[0] == openCredentialFlag }

// openCredential is what the program does then. It ends by itself shortly after
// the limit, if whoever should kill it was killed first.
func openCredential(in io.Reader, out io.Writer) error {
	time.AfterFunc(openLimit+openGrace, func() { os.Exit(1) })
	request, err := io.ReadAll(io.LimitReader(in, entra.MaxOpenRequest))
	if err != nil {
		return err
	}
	_, err = out.Write(entra.Open(request))
	return err
}

// credentialOpener opens the certificates that people give, each in a process of
// its own with nothing of ours in it: a file of a few hundred bytes can ask for
// hours of work, which only the end of a process ends.
type credentialOpener struct {
	program string          // this one
	closing <-chan struct{} // closed when the portal stops: what is under way is killed
	slots   chan struct{}
}

func newCredentialOpener(closing <-chan struct{}) (*credentialOpener, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the program cannot start itself: %w", err)
	}
	return &credentialOpener{program: program, closing: closing, slots: make(chan struct{}, openSlots)}, nil
}

// open is an entra.Opener.
func (o *credentialOpener) open(ctx context.Context, request []byte) ([]byte, error) {
	wait := time.NewTimer(openWait)
	defer wait.Stop()
	select {
	case o.slots <- struct{}{}:
		defer func() { <-o.slots }()
	case <-wait.C:
		return nil, entra.ErrOpenerBusy
	case <-o.closing:
		return nil, entra.ErrOpenerBusy
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	stopping := errors.New("the portal stops")
	ctx, stop := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-o.closing:
			stop(stopping)
		case <-ctx.Done():
		}
	}()
	defer stop(nil)
	answer := &boundedBuffer{most: entra.MaxOpenAnswer}
	child := exec.CommandContext(ctx, o.program, openCredentialFlag)
	// No secret of the portal's, one core's worth of work, and little memory.
	child.Env = []string{"GOMAXPROCS=1", "GOMEMLIMIT=64MiB"}
	child.Stdin, child.Stdout = bytes.NewReader(request), answer
	child.WaitDelay = openGrace
	err := child.Run()
	switch cause := context.Cause(ctx); {
	case err == nil:
		return answer.Bytes(), nil
	case errors.Is(cause, stopping):
		return nil, entra.ErrOpenerBusy
	case cause != nil:
		return nil, cause
	}
	return nil, err
}

// boundedBuffer refuses to grow beyond most bytes.
type boundedBuffer struct {
	bytes.Buffer
	most int
}

var errTooMuch = errors.New("more output than expected")

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, errTooMuch
	}
	return b.Buffer.Write(p)
}
