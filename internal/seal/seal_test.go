package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"azts.internal/portal/internal/seal"
)

func ring(t *testing.T, keys ...byte) *seal.KeyRing {
	t.Helper()
	var secrets [][]byte
	for _, k := range keys {
		secrets = append(secrets, bytes.Repeat([]byte{k}, seal.KeySize))
	}
	r, err := seal.NewKeyRing(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeyRotationKeepsOldTextsReadable(t *testing.T) {
	old := ring(t, 1).SealText([]byte("content"), "session/a")
	got, err := ring(t, 2, 1).OpenText(old, "session/a")
	if err != nil || string(got) != "content" {
		t.Fatalf("after rotation: %q, %v", got, err)
	}
	if _, err := ring(t, 2).OpenText(old, "session/a"); !errors.Is(err, seal.ErrOpen) {
		t.Fatalf("a dropped key still opens: %v", err)
	}
	if _, err := ring(t, 1).OpenText(ring(t, 2, 1).SealText([]byte("x"), "p"), "p"); !errors.Is(err, seal.ErrOpen) {
		t.Fatal("the ring seals with an old key")
	}
}

func TestSealedTextMovedToAnotherRowDoesNotOpen(t *testing.T) {
	r := ring(t, 1)
	sealed := r.Seal([]byte("victim"), "session/a")
	if _, err := r.Open(sealed, "session/b"); !errors.Is(err, seal.ErrOpen) {
		t.Fatalf("opened in a foreign place: %v", err)
	}
}

func TestEveryChangedByteIsRefused(t *testing.T) {
	r := ring(t, 1)
	sealed := r.Seal([]byte("content"), "p")
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := r.Open(bad, "p"); !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("byte %d changed and still opened", i)
		}
		if _, err := r.Open(sealed[:i], "p"); !errors.Is(err, seal.ErrOpen) {
			t.Fatalf("cut at %d and still opened", i)
		}
	}
}

func TestKeyRingRefusesBadKeys(t *testing.T) {
	for _, secrets := range [][][]byte{nil, {{}}, {make([]byte, 16)}, {make([]byte, 32), make([]byte, 33)}} {
		if _, err := seal.NewKeyRing(secrets...); err == nil {
			t.Errorf("accepted %d keys of wrong size", len(secrets))
		}
	}
}

func FuzzOpenText(f *testing.F) {
	r, _ := seal.NewKeyRing(bytes.Repeat([]byte{1}, seal.KeySize))
	f.Add(r.SealText([]byte("content"), "p"))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		if plain, err := r.OpenText(text, "other"); err == nil {
			t.Fatalf("opened %q as %q", text, plain)
		}
	})
}
