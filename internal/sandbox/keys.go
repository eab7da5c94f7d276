package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t is a SHA-1 thumbprint by definition (RFC 7517 §4.8)
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// publishedKeys is how many keys the JWKS holds. Entra always publishes
// several, in no meaningful order (entra.md §1.4).
const publishedKeys = 2

// signingKey is one key of the authority. Its fields may be read once ready is
// closed.
type signingKey struct {
	ready   chan struct{}
	private *rsa.PrivateKey
	kid     string // also the x5t thumbprint, as at Entra
	cert    []byte // DER, self-signed
	err     error
}

// generateKey starts making a key and returns at once: RSA keys take longer
// than a sandbox may take to start. The goroutine ends with the key.
func generateKey(now time.Time) *signingKey {
	key := &signingKey{ready: make(chan struct{})}
	go func() {
		defer close(key.ready)
		key.private, key.err = rsa.GenerateKey(rand.Reader, 2048)
		if key.err != nil {
			return
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(now.UnixNano()),
			Subject:      pkix.Name{CommonName: "sandbox.invalid"},
			NotBefore:    now.Add(-time.Hour),
			NotAfter:     now.AddDate(5, 0, 0),
		}
		key.cert, key.err = x509.CreateCertificate(rand.Reader, template, template, key.private.Public(), key.private)
		thumbprint := sha1.Sum(key.cert) //nolint:gosec // see the import
		key.kid = base64.RawURLEncoding.EncodeToString(thumbprint[:])
	}()
	return key
}

// wait returns the key when it is made. It panics if the machine cannot make
// keys, which leaves nothing to do.
func (k *signingKey) wait() *signingKey {
	<-k.ready
	if k.err != nil {
		panic(fmt.Sprintf("sandbox: make a signing key: %v", k.err))
	}
	return k
}

// keyring is the authority's signing keys: one that signs, others that are
// published beside it, and those that are withdrawn.
type keyring struct {
	mu      sync.Mutex
	keys    []*signingKey // the first signs; the first publishedKeys are published
	created func() time.Time
}

func newKeyring(now func() time.Time) *keyring {
	ring := &keyring{created: now}
	for range publishedKeys {
		ring.keys = append(ring.keys, generateKey(now()))
	}
	return ring
}

// signing returns the key that signs now.
func (k *keyring) signing() *signingKey {
	k.mu.Lock()
	key := k.keys[0]
	k.mu.Unlock()
	return key.wait()
}

// published returns the keys of the JWKS.
func (k *keyring) published() []*signingKey {
	k.mu.Lock()
	keys := slices.Clone(k.keys[:publishedKeys])
	k.mu.Unlock()
	for _, key := range keys {
		key.wait()
	}
	return keys
}

// byID finds a key by kid, also one that is no longer published: the APIs of
// the sandbox go on taking tokens that were signed before a rotation.
func (k *keyring) byID(kid string) *rsa.PublicKey {
	k.mu.Lock()
	keys := slices.Clone(k.keys)
	k.mu.Unlock()
	for _, key := range keys {
		if key.wait().kid == kid {
			return &key.private.PublicKey
		}
	}
	return nil
}

// maxRetiredKeys bounds how many withdrawn keys are remembered.
const maxRetiredKeys = 8

// rotate makes a new key sign at once. The one that signed stays published, the
// other one is withdrawn.
func (k *keyring) rotate() {
	fresh := generateKey(k.created()).wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = slices.Insert(k.keys, 0, fresh)
	if len(k.keys) > publishedKeys+maxRetiredKeys {
		k.keys = k.keys[:publishedKeys+maxRetiredKeys]
	}
}

// RotateKeys makes the tenant sign with a new key at once, one that nobody can
// have cached. The key that signed until now stays published; older ones are
// withdrawn.
func (s *Sandbox) RotateKeys() { s.tenant.keys.rotate() }

// jwkEntry is one key as Entra publishes it (entra.md §1.4). There is no alg
// member: the algorithm comes from policy.
type jwkEntry struct {
	KeyType    string   `json:"kty"`
	Use        string   `json:"use"`
	KeyID      string   `json:"kid"`
	Thumbprint string   `json:"x5t"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	Chain      []string `json:"x5c"`
	Issuer     string   `json:"issuer,omitempty"` // v2 documents only
}

// serveKeys answers with the JWKS of v1 or v2.
func (t *tenant) serveKeys(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if value, on := t.s.faults.take("jwks.slow"); on {
			t.dawdle(r, value, 5*time.Second)
		}
		if _, on := t.s.faults.take("jwks.500"); on {
			http.Error(w, "The service is unavailable.", http.StatusInternalServerError)
			return
		}
		var document struct {
			Keys []jwkEntry `json:"keys"`
		}
		for _, key := range t.keys.published() {
			entry := jwkEntry{KeyType: "RSA", Use: "sig", KeyID: key.kid, Thumbprint: key.kid,
				N:     base64.RawURLEncoding.EncodeToString(key.private.N.Bytes()),
				E:     base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.private.E)).Bytes()),
				Chain: []string{base64.StdEncoding.EncodeToString(key.cert)}}
			if version == 2 {
				entry.Issuer = t.issuer(2, tenantPlaceholder)
			}
			document.Keys = append(document.Keys, entry)
		}
		slices.Reverse(document.Keys) // so that nobody learns to take the first
		writeMetadata(w, document)
	}
}

// dawdle waits for a duration that a fault names, at most a minute, or until
// the caller gives up.
func (t *tenant) dawdle(r *http.Request, value string, byDefault time.Duration) {
	pause, err := time.ParseDuration(value)
	if err != nil || pause < 0 {
		pause = byDefault
	}
	timer := time.NewTimer(min(pause, time.Minute))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// sign returns the claims as a JWT in compact form, signed with RS256 by the
// key that signs now. v1 tokens also name the key by x5t.
func (t *tenant) sign(claims map[string]any, version int) string {
	key := t.keys.signing()
	return signWith(claims, version, key.kid, jose.RS256, key.private)
}

func signWith(claims map[string]any, version int, kid string, algorithm jose.SignatureAlgorithm, key any) string {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid)
	if version == 1 {
		options = options.WithHeader("x5t", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		panic(fmt.Sprintf("sandbox: make a signer: %v", err)) // the algorithms and keys are constants of ours
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(fmt.Sprintf("sandbox: encode claims: %v", err)) // strings, numbers and lists only
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(fmt.Sprintf("sandbox: sign: %v", err))
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		panic(fmt.Sprintf("sandbox: serialise: %v", err))
	}
	return compact
}
