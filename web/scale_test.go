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
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"azts.internal/portal/internal/seal"
)

// The figure: 1,000 open live pages take at most 50 MB, and an event reaches
// all of them within a second. They are of as many persons as one may have
// pages each; every person's event is one that all their pages get.
const (
	livePages    = 1_000
	pagesEach    = 50
	livePersons  = livePages / pagesEach
	settleTime   = 3 * time.Second
	eventsWithin = 10 * time.Second
)

// livePage is an open stream.
type livePage struct {
	conn net.Conn
	r    *bufio.Reader
}

func openLivePage(b *testing.B, host, cookie string) *livePage {
	b.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	p := &livePage{conn: conn, r: bufio.NewReaderSize(conn, 512)}
	if _, err := fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nCookie: %s\r\n\r\n", host, cookie); err != nil {
		b.Fatal(err)
	}
	if _, err := p.await("event: hello"); err != nil {
		b.Fatal(err)
	}
	return p
}

// await reads up to a line and returns when it came.
func (p *livePage) await(wanted string) (time.Time, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(eventsWithin)); err != nil {
		return time.Time{}, err
	}
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return time.Time{}, fmt.Errorf("no %q: %w", wanted, err)
		}
		if strings.TrimSpace(line) == wanted {
			return time.Now(), nil
		}
	}
}

// sessionsOfMany puts copies of the one session of a database into it, of other
// persons, and returns the cookies of each.
func sessionsOfMany(tb testing.TB, path string, key []byte, persons, each int) [][]string {
	tb.Helper()
	ring, err := seal.NewKeyRing(key)
	if err != nil {
		tb.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	var id, sealed []byte
	var subject string
	if err := db.QueryRow("SELECT id, sealed, subject FROM sessions LIMIT 1").Scan(&id, &sealed, &subject); err != nil {
		tb.Fatal(err)
	}
	content, err := ring.Open(sealed, "session/"+string(id))
	if err != nil {
		tb.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	all := make([][]string, persons)
	for n := range all {
		who := fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)
		theirs := bytes.ReplaceAll(content, []byte(subject), []byte(who))
		for range each {
			var secret [32]byte
			rand.Read(secret[:])
			sum := sha256.Sum256(secret[:])
			_, err := tx.Exec(`INSERT INTO sessions SELECT ?1, authority, ?4, issuer, hex(?1), hex(?1), ?2, device, created_at, last_seen_at, expires_at, ends_at
				FROM sessions WHERE id = ?3`, sum[:], ring.Seal(theirs, "session/"+string(sum[:])), id, who)
			if err != nil {
				tb.Fatal(err)
			}
			all[n] = append(all[n], "__Host-session="+base64.RawURLEncoding.EncodeToString(secret[:]))
		}
	}
	if err := tx.Commit(); err != nil {
		tb.Fatal(err)
	}
	return all
}

func BenchmarkLivePages(b *testing.B) {
	for b.Loop() {
		key := make([]byte, 32)
		rand.Read(key)
		portal, w := childWorld(b, map[string]string{"PORTAL_SECRET_KEY": encodeKey(key)})
		chrome := w.browser()
		chrome.signInTo("dana@contoso.com", "/account")
		cookies := sessionsOfMany(b, w.db, key, livePersons, pagesEach)
		host := hostOf(b, w.url)
		// The same sessions, asked for once: what they take is another figure.
		for n := range cookies {
			if err := each(host, "/session", cookies[n]); err != nil {
				b.Fatal(err)
			}
		}
		time.Sleep(settleTime) // for the memory to be at rest, before and after
		before := portal.resident()
		pages := make([][]*livePage, livePersons)
		for n := range cookies {
			for _, cookie := range cookies[n] {
				pages[n] = append(pages[n], openLivePage(b, host, cookie))
			}
		}
		most := portal.resident()
		time.Sleep(settleTime)
		open := portal.resident()
		slowest := eventToAll(b, w.url, cookies, pages)
		b.ReportMetric(float64(open-before)/1e6, "MB-added")
		b.ReportMetric(float64(max(most, portal.resident())-before)/1e6, "MB-added-at-most")
		b.ReportMetric(slowest.Seconds(), "s-to-reach-all")
	}
	b.ReportMetric(0, "ns/op")
}

// eventToAll makes every person start a scan at the same moment, and returns how
// long it took until the last of all pages heard of one.
func eventToAll(b *testing.B, base string, cookies [][]string, pages [][]*livePage) time.Duration {
	b.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var last time.Time
	for _, theirs := range pages {
		for _, page := range theirs {
			wg.Go(func() {
				at, err := page.await("event: scan")
				if err != nil {
					b.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if at.After(last) {
					last = at
				}
			})
		}
	}
	client := &http.Client{Timeout: eventsWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	begun := time.Now()
	for n := range cookies {
		wg.Go(func() {
			form := url.Values{"idempotency_key": {fmt.Sprint(n)}, "subscription": {"00000000-0000-0000-0000-000000000001"}}
			r, err := http.NewRequest(http.MethodPost, base+"/scans", strings.NewReader(form.Encode()))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Cookie", cookies[n][0])
			answer, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusSeeOther {
				b.Errorf("starting a scan: %s", answer.Status)
			}
		})
	}
	wg.Wait()
	return last.Sub(begun)
}
