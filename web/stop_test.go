package main

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNothingIsLeft stops a portal that has just been used, with a page open,
// and looks for what it left behind. It runs alone: goroutines have no owner's
// name on them.
func TestNothingIsLeft(t *testing.T) {
	portal := startPortal(t, nil)
	b := portal.browser()
	b.signIn(dana)
	events := b.events()
	b.await(events, "hello", 5*time.Second)
	began := time.Now()
	portal.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %v although nothing was under way but a stream", took)
	}
	for name := range events {
		if name == "session-ended" {
			t.Error("the end of the program is told as the end of the session")
		}
	}
	address := strings.TrimPrefix(portal.listens(), "http://")
	if conn, err := net.DialTimeout("tcp", address, time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			conn.Close()
		}
		t.Errorf("%s still answers: %v", address, err)
	}
	var left []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if left = ourGoroutines(); len(left) == 0 {
			return
		}
	}
	t.Errorf("%d goroutines are left, the first:\n%s", len(left), left[0])
}

// ourGoroutines returns the stacks that run code of the portal or its job queue;
// tests that wait, and the database server of the whole test binary, are not its.
func ourGoroutines() []string {
	buffer := make([]byte, 4<<20)
	var ours []string
	for _, stack := range strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
		ofTests := strings.Contains(stack, "testing.tRunner") || strings.Contains(stack, "/storetest.")
		if strings.Contains(stack, "azts.internal/portal/") && !ofTests || strings.Contains(stack, "riverqueue/river") {
			ours = append(ours, stack)
		}
	}
	return ours
}
