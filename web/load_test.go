package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"azts.internal/portal/internal/seal"
)

// buildPortal builds the program once for all benchmarks of a run.
var buildPortal = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "portal-bench-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "portal")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return binary, nil
})

// process is a program under load, stopped by its process id.
type process struct {
	*exec.Cmd
	tb testing.TB
}

// startProcess starts a program with an environment and nothing else.
func startProcess(tb testing.TB, env map[string]string, stdout *os.File, name string, args ...string) *process {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdout = stdout
	for key, value := range env {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		done := make(chan struct{})
		go func() { defer close(done); _ = cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(stopTime):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	return &process{cmd, tb}
}

// stat returns a field of /proc/PID/stat, counted as in proc(5).
func (p *process) stat(field int) int64 {
	p.tb.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		p.tb.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), ") ") // the name may hold blanks
	n, err := strconv.ParseInt(strings.Fields(after)[field-3], 10, 64)
	if err != nil {
		p.tb.Fatal(err)
	}
	return n
}

// cpu returns the time the process has used, in steps of 10 ms.
func (p *process) cpu() time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux we run on
	return time.Duration(p.stat(14)+p.stat(15)) * tick
}

// resident returns the resident memory in bytes.
func (p *process) resident() int64 { return p.stat(24) * int64(os.Getpagesize()) }

// awaitOK asks until the answer is 200.
func awaitOK(tb testing.TB, address, path string) {
	tb.Helper()
	deadline := time.Now().Add(startLimit)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			status := ""
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, address); err == nil {
				status, _ = bufio.NewReader(conn).ReadString('\n')
			}
			_ = conn.Close()
			if strings.Contains(status, " 200 ") {
				return
			}
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%s%s does not answer 200", address, path)
		}
		time.Sleep(time.Millisecond) // there is no event to wait for: another process starts
	}
}

// load asks for a path over a number of connections for a while and returns the
// answers a second. Any answer but 200 fails the test. The client does as little
// as it can, since it shares the processors with the server.
func load(tb testing.TB, address, path string, cookie func(conn int) string, connections int, d time.Duration) float64 {
	tb.Helper()
	var answers atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	end := start.Add(d)
	for i := range connections {
		wg.Go(func() {
			n, err := ask(address, path, cookie(i), end)
			answers.Add(n)
			if err != nil {
				tb.Error(err)
			}
		})
	}
	wg.Wait()
	return float64(answers.Load()) / time.Since(start).Seconds()
}

func ask(address, path, cookie string, end time.Time) (n int64, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nCookie: " + cookie + "\r\n\r\n")
	reader := bufio.NewReaderSize(conn, 32<<10)
	for ; time.Now().Before(end); n++ {
		if _, err := conn.Write(request); err != nil {
			return n, err
		}
		if err := readAnswer(reader); err != nil {
			return n, err
		}
	}
	return n, nil
}

func readAnswer(r *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		switch name, value, _ := bytes.Cut(line, []byte(": ")); {
		case err != nil:
			return err
		case first && !bytes.Contains(line, []byte(" 200 ")):
			return fmt.Errorf("the answer is %q", line)
		case len(line) <= 2:
			_, err := r.Discard(length)
			return err
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func encodeKey(key []byte) string { return base64.StdEncoding.EncodeToString(key) }

// copySessions puts copies of the one session of a database under ids of their
// own into it, and returns their cookies. It writes past the portal, which is
// harmless for rows that the portal has not heard of.
func copySessions(tb testing.TB, path string, key []byte, n int) []string {
	tb.Helper()
	ring, err := seal.NewKeyRing(key)
	if err != nil {
		tb.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)&_txlock=immediate")
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	var id, sealed []byte
	if err := db.QueryRow("SELECT id, sealed FROM sessions LIMIT 1").Scan(&id, &sealed); err != nil {
		tb.Fatal(err)
	}
	content, err := ring.Open(sealed, "session/"+string(id))
	if err != nil {
		tb.Fatal(err)
	}
	cookies := make([]string, 0, n)
	for len(cookies) < n {
		tx, err := db.Begin()
		if err != nil {
			tb.Fatal(err)
		}
		for range min(5_000, n-len(cookies)) {
			var secret [32]byte
			rand.Read(secret[:])
			sum := sha256.Sum256(secret[:])
			_, err := tx.Exec(`INSERT INTO sessions SELECT ?1, authority, subject, issuer, hex(?1), hex(?1), ?2, device, created_at, last_seen_at, expires_at, ends_at
				FROM sessions WHERE id = ?3`, sum[:], ring.Seal(content, "session/"+string(sum[:])), id)
			if err != nil {
				tb.Fatal(err)
			}
			cookies = append(cookies, "__Host-session="+base64.RawURLEncoding.EncodeToString(secret[:]))
		}
		if err := tx.Commit(); err != nil {
			tb.Fatal(err)
		}
	}
	return cookies
}
