// Package seal owns the encryption of what we hand to browsers or to the
// database and want back unread and unchanged.
//
// A [KeyRing] holds AES-256-GCM keys, newest first. It seals with the newest
// and opens with any, so that a key can be replaced without signing anyone out.
// The invariant its users rely on: what was sealed for one place, named by the
// associated data, opens in no other.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// KeySize is the size of a key in bytes.
const KeySize = 32

// ErrOpen says that the text was not sealed by this ring for this place, or
// was changed since.
var ErrOpen = errors.New("seal: cannot be opened")

const (
	version  = 1
	idSize   = 4
	overhead = 1 + idSize + 12 + 16
)

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// KeyRing seals and opens. It is safe for concurrent use.
type KeyRing struct{ keys []key }

// NewKeyRing returns a ring of keys of [KeySize] bytes, newest first.
func NewKeyRing(secrets ...[]byte) (*KeyRing, error) {
	if len(secrets) == 0 {
		return nil, errors.New("seal: no key")
	}
	ring := &KeyRing{}
	for i, secret := range secrets {
		if len(secret) != KeySize {
			return nil, fmt.Errorf("seal: key %d has %d bytes, want %d", i+1, len(secret), KeySize)
		}
		// The id is derived from the key by a one-way function: it names the
		// key in stored rows and must not weaken it.
		id := derive(secret, "portal key id", idSize)
		block, err := aes.NewCipher(derive(secret, "portal aes-256-gcm", KeySize))
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		ring.keys = append(ring.keys, key{id: [idSize]byte(id), aead: aead})
	}
	return ring, nil
}

func derive(secret []byte, purpose string, size int) []byte {
	out, err := hkdf.Key(sha256.New, secret, nil, purpose, size)
	if err != nil {
		panic(err) // only for sizes beyond 255 hashes
	}
	return out
}

// Seal encrypts plaintext for the place named by the associated data. The
// result is overhead (33 bytes) longer.
func (r *KeyRing) Seal(plaintext []byte, place string) []byte {
	k := &r.keys[0]
	out := make([]byte, 1+idSize+12, len(plaintext)+overhead)
	out[0] = version
	copy(out[1:], k.id[:])
	nonce := out[1+idSize:]
	rand.Read(nonce) // never fails (crypto/rand)
	return k.aead.Seal(out, nonce, plaintext, []byte(place))
}

// Open decrypts what Seal returned for the same place; else [ErrOpen].
func (r *KeyRing) Open(sealed []byte, place string) ([]byte, error) {
	if len(sealed) < overhead || sealed[0] != version {
		return nil, ErrOpen
	}
	id := [idSize]byte(sealed[1 : 1+idSize])
	for i := range r.keys {
		if r.keys[i].id != id {
			continue
		}
		nonce := sealed[1+idSize : 1+idSize+12]
		plaintext, err := r.keys[i].aead.Open(nil, nonce, sealed[1+idSize+12:], []byte(place))
		if err == nil {
			return plaintext, nil
		}
	}
	return nil, ErrOpen
}

// SealText is Seal in base64url, for cookies.
func (r *KeyRing) SealText(plaintext []byte, place string) string {
	return base64.RawURLEncoding.EncodeToString(r.Seal(plaintext, place))
}

// OpenText opens what SealText returned; else [ErrOpen].
func (r *KeyRing) OpenText(sealed, place string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, ErrOpen
	}
	return r.Open(raw, place)
}
