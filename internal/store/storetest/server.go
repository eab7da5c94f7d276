package storetest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// ownServer starts one server for this test binary and returns the URL of its
// own database.
var ownServer = sync.OnceValues(startServer)

// readyWithin bounds the start of a server; initdb alone takes about a second.
const readyWithin = time.Minute

// supervise runs the server below a shell that waits for the end of its input:
// the test binary's end, however it comes, even by a signal that nothing can
// catch. Then the server is stopped by its process id and its files go.
// $1: the folder of the binaries; $2: our folder.
const supervise = `
"$1/initdb" -D "$2/data" -U portal -A trust -E UTF8 --locale=C --no-sync >"$2/initdb.log" 2>&1 || { cat "$2/initdb.log" >&2; exit 1; }
"$1/postgres" -D "$2/data" -c listen_addresses= -c unix_socket_directories="$2" -c max_connections=300 \
	-c fsync=off -c full_page_writes=off </dev/null &
server=$!
exec 3<&0 # a command in the background gets no input of its own
{ cat <&3 >/dev/null; kill -QUIT $server; } 2>/dev/null &
wait $server
cd / && rm -rf "$2"
`

func startServer() (databaseURL string, err error) {
	bin, err := serverBinaries()
	if err != nil {
		return "", err
	}
	// A socket's path has at most 107 bytes; the temporary folder's is short
	// on the systems we test on.
	dir, err := os.MkdirTemp("", "portal-pg-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("/bin/sh", "-c", supervise, "sh", bin, dir)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	if err := asUnprivileged(cmd, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	// Never closed and never collected: its end is our end.
	if stdin, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ready := make(chan error, 1)
	go listen(said, ready)
	select {
	case err = <-ready:
	case <-time.After(readyWithin):
		err = errors.New("the server is not ready after " + readyWithin.String())
	}
	if err != nil {
		return "", errors.Join(err, stdin.Close(), cmd.Wait(), os.RemoveAll(dir))
	}
	query := url.Values{"host": {dir}, "sslmode": {"disable"}}
	return (&url.URL{Scheme: "postgres", User: url.User("portal"), Path: "/postgres", RawQuery: query.Encode()}).String(), nil
}

// stdin is the end of the pipe that keeps the server alive.
var stdin io.WriteCloser

// listen reads what the server says, reports once that it is ready or what it
// said instead, and goes on reading, or the server would block.
func listen(said io.Reader, ready chan<- error) {
	var before bytes.Buffer
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready to accept connections") {
			ready <- nil
			_, _ = io.Copy(io.Discard, said) // ends with the server
			return
		}
		if before.Len() < 4<<10 {
			before.WriteString(lines.Text() + "\n")
		}
	}
	ready <- fmt.Errorf("the server ended at its start:\n%s", before.String())
}

// serverBinaries returns the folder with initdb and postgres: the newest that
// Debian's packages installed, else the one in PATH.
func serverBinaries() (string, error) {
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(installed) > 0 {
		// "9" sorts after "15" as text.
		slices.SortFunc(installed, func(a, b string) int {
			if len(a) != len(b) {
				return len(a) - len(b)
			}
			return strings.Compare(a, b)
		})
		return filepath.Dir(installed[len(installed)-1]), nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("neither PATH nor /usr/lib/postgresql has initdb; install postgresql, or name a server by PORTAL_TEST_POSTGRES_URL")
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return "", err
	}
	return filepath.Dir(initdb), nil
}
