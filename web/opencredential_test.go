package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"azts.internal/portal/internal/entra"
)

// The object identifiers of a PFX file (RFC 7292, RFC 8018).
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidShroudedKey   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidPBES2         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256    = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// der is a value of ASN.1: with a tag of the context when it is not negative.
func der(t *testing.T, tag int, of ...any) asn1.RawValue {
	t.Helper()
	var content []byte
	for _, one := range of {
		b, err := asn1.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, b...)
	}
	v := asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content}
	if tag >= 0 {
		v.Class, v.Tag = asn1.ClassContextSpecific, tag
	}
	full, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return asn1.RawValue{FullBytes: full}
}

// bombPFX is a PFX file of a few hundred bytes, for an empty password, whose key
// asks for hours of iterations; the number itself is encrypted, so that nobody
// sees it beforehand.
func bombPFX(t *testing.T) []byte {
	salt, iv := []byte("saltsalt"), make([]byte, aes.BlockSize)
	scheme := func(iterations int) asn1.RawValue {
		kdf := der(t, -1, salt, iterations, pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue})
		return der(t, -1, oidPBES2, der(t, -1, der(t, -1, oidPBKDF2, kdf), der(t, -1, oidAES256CBC, iv)))
	}
	key := der(t, -1, scheme(math.MaxInt32), make([]byte, 32))
	bags := der(t, -1, der(t, -1, oidShroudedKey, der(t, 0, key))).FullBytes
	fill := aes.BlockSize - len(bags)%aes.BlockSize
	bags = append(bags, bytes.Repeat([]byte{byte(fill)}, fill)...)
	password, err := pbkdf2.Key(sha256.New, "", salt, 2048, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(password)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(bags, bags)
	encrypted := der(t, -1, 0, der(t, -1, oidData, scheme(2048), asn1.RawValue{Class: asn1.ClassContextSpecific, Bytes: bags}))
	safe := der(t, -1, der(t, -1, oidEncryptedData, der(t, 0, encrypted))).FullBytes
	return der(t, -1, 3, der(t, -1, oidData, der(t, 0, safe))).FullBytes
}

// openers returns the processes that this one has started to open certificates.
func openers(t *testing.T) (running []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		line, err := os.ReadFile(dir + "/cmdline")
		if err != nil || !strings.HasSuffix(string(line), "\x00"+openCredentialFlag+"\x00") {
			continue
		}
		status, err := os.ReadFile(dir + "/status")
		if err == nil && strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", os.Getpid())) {
			running = append(running, filepath.Base(dir))
		}
	}
	return running
}

// awaitOpeners waits until there are that many.
func awaitOpeners(t *testing.T, what string, enough func(int) bool) {
	t.Helper()
	for deadline := time.Now().Add(openLimit); ; time.Sleep(5 * time.Millisecond) {
		running := openers(t)
		if enough(len(running)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d processes: %v", what, len(running), running)
		}
	}
}

// TestAttackCostlyPFX: whoever brings a file that takes hours to open is told so
// within seconds; its work ends, somebody else's file opens meanwhile and after,
// and the portal stops when it is asked to.
func TestAttackCostlyPFX(t *testing.T) {
	w := startWorld(t, setup{})
	key, certificate := certificateIn(t, w.tenant.plainText(t, "/sandbox/certificate.pem"))
	ordinary, err := pkcs12.Modern.Encode(key, certificate, nil, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	bomb := scanBot("kind", "certificate", "file", string(bombPFX(t)))
	b, other := w.browser(), w.browser()
	b.signIn(dana)
	other.signIn(appOther)
	began := time.Now()
	answers := make(chan *page, openSlots)
	for range openSlots {
		go func() { answers <- b.askApp(bomb) }()
	}
	awaitOpeners(t, "opening began", func(n int) bool { return n == openSlots })
	p := other.askApp(scanBot("kind", "certificate", "file", string(ordinary), "password", "open sesame")).want(http.StatusOK, "App tokens")
	if p.sel("[data-token]").Length() != 1 {
		t.Errorf("somebody else's file, meanwhile: %s", p.text(".panel"))
	}
	for range openSlots {
		if p := (<-answers).want(http.StatusBadRequest, "App tokens"); p.evidence("Code") != "certificate_costly" {
			t.Errorf("the answer: %s", p.text(".panel"))
		}
	}
	if took := time.Since(began); took > 2*openLimit {
		t.Errorf("the answers took %v", took)
	}
	awaitOpeners(t, "the work goes on", func(n int) bool { return n == 0 })
	began = time.Now()
	p = other.askApp(scanBot("kind", "certificate", "file", string(ordinary), "password", "open sesame")).want(http.StatusOK, "App tokens")
	if took := time.Since(began); p.sel("[data-token]").Length() != 1 || took > openLimit {
		t.Errorf("somebody else's file, afterwards: %s, after %v", p.text(".panel"), took)
	}

	go func() { answers <- b.askApp(bomb) }()
	awaitOpeners(t, "opening began again", func(n int) bool { return n == 1 })
	began = time.Now()
	w.stop()
	if took := time.Since(began); took > openLimit/2 {
		t.Errorf("stopping took %v", took)
	}
	(<-answers).want(http.StatusServiceUnavailable, "App tokens")
	awaitOpeners(t, "the work outlives the portal", func(n int) bool { return n == 0 })
}

// TestAttackCostlyPEM: a key of 9 KB that would keep a core busy for an hour.
func TestAttackCostlyPEM(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	number := bytes.Repeat([]byte{0xa5}, 20480/8)
	numbers := make([]any, 8)
	for i := range numbers {
		numbers[i] = asn1.RawValue{Tag: asn1.TagInteger, Bytes: append([]byte{0}, number...)}
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der(t, -1, append([]any{0}, numbers...)...).FullBytes}))
	began := time.Now()
	p := b.askApp(scanBot("kind", "certificate", "pem", text)).want(http.StatusBadRequest, "App tokens")
	if took := time.Since(began); p.evidence("Code") != "certificate_costly" || took > openLimit {
		t.Errorf("after %v: %s", took, p.text(".panel"))
	}
}

// TestAttackCostlyTries: opening is counted, whatever comes of it.
func TestAttackCostlyTries(t *testing.T) {
	t.Parallel()
	w := startWorld(t, setup{})
	b := w.browser()
	b.signIn(dana)
	for range 20 {
		b.askApp(scanBot("kind", "certificate", "pem", "none")).want(http.StatusBadRequest, "App tokens")
	}
	b.askApp(scanBot("kind", "certificate", "pem", "none")).want(http.StatusTooManyRequests, "App tokens")
}

// TestOpenerInItsProcess: what an opener answers when nobody asks anything of it,
// when it is full, and when who asked has gone.
func TestOpenerInItsProcess(t *testing.T) {
	t.Parallel()
	closing := make(chan struct{})
	o, err := newCredentialOpener(closing)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := o.open(t.Context(), []byte("{}"))
	if err != nil || !slices.Equal(answer, entra.Open([]byte("{}"))) {
		t.Errorf("%s, %v", answer, err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := o.open(gone, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("who asked has gone: %v", err)
	}
	for range openSlots {
		o.slots <- struct{}{}
	}
	began := time.Now()
	if _, err := o.open(t.Context(), nil); !errors.Is(err, entra.ErrOpenerBusy) || time.Since(began) > 2*openWait {
		t.Errorf("a third one, after %v: %v", time.Since(began), err)
	}
	close(closing)
	if _, err := o.open(t.Context(), nil); !errors.Is(err, entra.ErrOpenerBusy) {
		t.Errorf("while the portal stops: %v", err)
	}
}

// TestOpenerHasNoSecrets: the process of a stranger's file gets nothing of the
// portal's configuration, and no more output than there is room for.
func TestOpenerHasNoSecrets(t *testing.T) {
	t.Setenv("PORTAL_SECRET_KEY", "a secret of the portal's")
	dir := t.TempDir()
	program := filepath.Join(dir, "env")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n/usr/bin/env; echo \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o := &credentialOpener{program: program, closing: make(chan struct{}), slots: make(chan struct{}, 1)}
	answer, err := o.open(t.Context(), []byte("what was typed"))
	if text := string(answer); err != nil || strings.Contains(text, "PORTAL") || strings.Contains(text, "typed") || !strings.Contains(text, "GOMEMLIMIT") {
		t.Errorf("%v: %s", err, text)
	}
	endless := filepath.Join(dir, "yes")
	if err := os.WriteFile(endless, []byte("#!/bin/sh\nexec /usr/bin/yes\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o.program = endless
	if answer, err := o.open(t.Context(), nil); err == nil || len(answer) != 0 {
		t.Errorf("endless output: %d bytes, %v", len(answer), err)
	}
}
