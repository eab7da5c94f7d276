package entra

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Credential is how this portal proves to the token endpoint who it is. It
// never prints what it holds.
type Credential interface {
	// authenticate returns the form members that prove it.
	authenticate(clientID, tokenEndpoint string) (url.Values, error)
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

type secretCredential struct{ secret string }

// SecretCredential is a client secret.
func SecretCredential(secret string) Credential { return secretCredential{secret} }

func (c secretCredential) authenticate(string, string) (url.Values, error) {
	return url.Values{"client_secret": {c.secret}}, nil
}

func (secretCredential) String() string   { return "client secret" }
func (secretCredential) GoString() string { return "client secret" }

type certificateCredential struct {
	signer jose.Signer
	now    func() time.Time
}

// CertificateCredential is a certificate with its private key, in PEM; it signs
// a client assertion (entra.md §4.4, RFC 7523).
func CertificateCredential(pemBytes []byte, now func() time.Time) (Credential, error) {
	var certificate *x509.Certificate
	var key crypto.Signer
	for rest := pemBytes; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			if certificate == nil { // the first is the leaf
				parsed, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					return nil, fmt.Errorf("the certificate cannot be read: %w", err)
				}
				certificate = parsed
			}
		case "PRIVATE KEY", "RSA PRIVATE KEY":
			parsed, err := parsePrivateKey(block)
			if err != nil {
				return nil, err
			}
			key = parsed
		}
	}
	if certificate == nil || key == nil {
		return nil, errors.New("a CERTIFICATE and a PRIVATE KEY block are wanted")
	}
	public, ok := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return nil, errors.New("the private key is not the certificate's")
	}
	return certificateOf(certificate, key, now)
}

// certificateOf returns the credential of a certificate with its key.
func certificateOf(certificate *x509.Certificate, key crypto.Signer, now func() time.Time) (Credential, error) {
	thumbprint := sha256.Sum256(certificate.Raw)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT").
		WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint[:])))
	if err != nil {
		return nil, fmt.Errorf("the key cannot sign: %w", err)
	}
	return &certificateCredential{signer: signer, now: now}, nil
}

func parsePrivateKey(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "RSA PRIVATE KEY" {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the private key cannot be read")
		}
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the private key cannot be read")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key cannot sign")
	}
	return signer, nil
}

func (c *certificateCredential) authenticate(clientID, tokenEndpoint string) (url.Values, error) {
	var id [16]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	now := c.now()
	claims, err := json.Marshal(map[string]any{
		"aud": tokenEndpoint, "iss": clientID, "sub": clientID, "jti": hex.EncodeToString(id[:]),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	if err != nil {
		return nil, err
	}
	jws, err := c.signer.Sign(claims)
	if err != nil {
		return nil, err
	}
	assertion, err := jws.CompactSerialize()
	if err != nil {
		return nil, err
	}
	return url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}}, nil
}

func (*certificateCredential) String() string   { return "certificate" }
func (*certificateCredential) GoString() string { return "certificate" }

type federatedCredential struct{ path string }

// FederatedCredential is a token of another issuer in a file. The file is read
// for every request: whoever writes it replaces it about once an hour
// (entra.md §9.3).
func FederatedCredential(path string) Credential { return federatedCredential{path} }

// maxFederatedToken bounds the file, in bytes.
const maxFederatedToken = 64 << 10

func (c federatedCredential) authenticate(string, string) (url.Values, error) {
	b, err := os.ReadFile(c.path)
	if err != nil {
		return nil, fmt.Errorf("the federated token file: %w", err)
	}
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > maxFederatedToken {
		return nil, fmt.Errorf("the federated token file has %d bytes", len(b))
	}
	return url.Values{"client_assertion_type": {assertionType}, "client_assertion": {string(b)}}, nil
}
