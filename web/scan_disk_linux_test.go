package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"azts.internal/portal/internal/sandbox"
)

// onSmallDisk names the folder on which the portal mounts a small disk of its own
// before it starts.
const onSmallDisk = "PORTAL_TEST_SMALL_DISK"

const smallDisk = 16 << 20

func init() {
	beforeProgram = func() {
		if dir := os.Getenv(onSmallDisk); dir != "" {
			if err := syscall.Mount("small", dir, "tmpfs", 0, "size="+strconv.Itoa(smallDisk)); err != nil {
				panic(err)
			}
		}
	}
}

// diskOf is the small disk of a running portal, which only the portal sees: it has
// a namespace of its own, so that no privilege is needed to mount it. Where a
// machine allows no namespaces, its files are kept from growing instead.
type diskOf struct {
	t   *testing.T
	dir string // as the test reaches it
	pid int    // of the portal whose files are kept from growing; 0: it has a disk
}

// newSmallDisk makes the database of a portal lie on a small disk.
func newSmallDisk(t *testing.T, o sandbox.Options) (*killable, *diskOf) {
	t.Helper()
	dir := t.TempDir()
	k := newKillable(t, "sqlite:"+filepath.Join(dir, "portal.db"), o)
	namespaced := func(c *exec.Cmd) {
		self := func(id int) []syscall.SysProcIDMap {
			return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
		}
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: self(os.Getuid()), GidMappings: self(os.Getgid())}
	}
	try := exec.Command("/proc/self/exe", "-test.run=^$")
	if namespaced(try); try.Run() != nil {
		t.Log("no namespaces here: files are kept from growing instead")
		k.start()
		return k, &diskOf{t: t, pid: k.process.Process.Pid}
	}
	k.env, k.prepare = append(k.env, onSmallDisk+"="+dir), namespaced
	k.start()
	disk := &diskOf{t: t, dir: filepath.Join("/proc", strconv.Itoa(k.process.Process.Pid), "root", dir)}
	// SQLite follows links by their text, which leads nowhere out here. What a
	// process that stands still has on disk is what a crash would leave.
	copies := t.TempDir()
	k.copied = func() string {
		t.Helper()
		if err := k.process.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"portal.db", "portal.db-wal"} {
			data, err := os.ReadFile(filepath.Join(disk.dir, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(copies, name), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.RemoveAll(filepath.Join(copies, "portal.db-shm")), k.process.Process.Signal(syscall.SIGCONT)); err != nil {
			t.Fatal(err)
		}
		return "sqlite:" + filepath.Join(copies, "portal.db")
	}
	return k, disk
}

// fill takes all room that is left, to the last byte.
func (d *diskOf) fill() {
	d.t.Helper()
	if d.pid != 0 {
		d.limit(64 << 10) // the database is beyond that
		return
	}
	f, err := os.Create(filepath.Join(d.dir, "filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	written := 0
	for n := 0; err == nil; written += n {
		n, err = f.Write(block)
	}
	if err := errors.Join(f.Close()); err != nil {
		d.t.Error(err)
	}
	if !errors.Is(err, syscall.ENOSPC) || written == 0 || written > smallDisk {
		d.t.Fatalf("%d bytes of a disk of %d: %v", written, smallDisk, err)
	}
}

func (d *diskOf) free() {
	d.t.Helper()
	if d.pid != 0 {
		d.limit(^uint64(0))
		return
	}
	if err := os.Remove(filepath.Join(d.dir, "filler")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Error(err)
	}
}

// limit sets how far the portal's files may reach.
func (d *diskOf) limit(bytes uint64) {
	d.t.Helper()
	const fileSize = 1 // RLIMIT_FSIZE
	limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(d.pid), fileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); errno != 0 {
		d.t.Fatal(errno)
	}
}

// wantFull says that an answer is a whole page, and says what is the matter.
func wantFull(t *testing.T, what string, p *page) {
	t.Helper()
	if p.status != http.StatusServiceUnavailable || !strings.Contains(p.text("main"), "no room") || !strings.Contains(p.body, "</html>") {
		t.Errorf("%s: %d %s", what, p.status, p.text("main"))
	}
}

// TestDiskFull fills the disk below SQLite while a scan runs. People go on reading,
// whatever would have to be stored is refused in words and not done, and once
// there is room the scan goes on by itself: it is asked for once, and each result
// is there once.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	const perSubscription = 3000
	k, disk := newSmallDisk(t, sandbox.Options{ScanDuration: time.Second, ResultsPerSubscription: perSubscription})
	b := k.portal.browser()
	b.signIn(dana)
	var further atomic.Int32 // pages after the first
	inTheMiddle, full := make(chan struct{}), make(chan struct{})
	k.tenant.answerWith(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("skipToken") && further.Add(1) == 5 {
			close(inTheMiddle)
			<-full
		}
		return false
	})
	scan := startScan(b, "Contoso Prod", "Payments – Staging").url.String()
	select {
	case <-inTheMiddle:
	case <-time.After(killLimit):
		t.Fatal("nobody reads results")
	}
	form := url.Values{"idempotency_key": {rand.Text()}, "subscription": {"3b5e9f72-a140-4c8d-8e67-f902d1b4c6a3"}}
	disk.fill()
	close(full)

	other := k.portal.browser()
	wantFull(t, "a scan", b.post("/scans", form))
	wantFull(t, "a sign-in", other.through(other.get("/auth/login"), "ada@contoso.com"))
	b.get("/account").want(http.StatusOK, "Account")
	b.get(scan).want(http.StatusOK, "Scan of 2 subscriptions")
	if p := b.get("/readyz"); p.status != http.StatusServiceUnavailable || !strings.Contains(p.body, "is full") {
		t.Errorf("/readyz: %d %s", p.status, p.body)
	}
	if p := b.get("/healthz"); p.status != http.StatusOK {
		t.Errorf("/healthz: %d", p.status)
	}
	for deadline := time.Now().Add(killLimit); len(k.portal.log.lines("results cannot be kept")) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the reader does not meet the full disk")
		}
	}
	if n := k.tenant.count(requestPath); n != 1 {
		t.Errorf("AzTS was asked %d times to scan", n)
	}

	disk.free()
	k.awaitRead(2 * perSubscription)
	if p := b.get("/readyz"); p.status != http.StatusOK {
		t.Errorf("with room again, /readyz: %d %s", p.status, p.body)
	}
	if p := b.post("/scans", form); p.status != http.StatusOK {
		t.Errorf("the same form with room again: %d %s", p.status, p.text("main"))
	}
	k.portal.browser().signIn("ada@contoso.com")
	if n := k.tenant.count(requestPath); n != 2 {
		t.Errorf("AzTS was asked %d times to scan twice", n)
	}
}
