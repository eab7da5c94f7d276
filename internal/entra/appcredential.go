package entra

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"azts.internal/portal/internal/apperr"
)

// Bounds of what a person gives as an application's credential.
const (
	maxAppSecret = 1 << 10   // bytes; Entra's have 40
	maxAppFile   = 128 << 10 // bytes of PEM or PFX
	// maxIterations bounds the work that a PFX file can ask for: its password
	// is stretched so many times. Windows and OpenSSL write 2,000, the most
	// careful programs 600,000.
	maxIterations = 1_000_000
	pfxPatience   = 5 * time.Second
	minRSABits    = 2048
)

// Errors of what a person gave as an application's credential. Their words quote
// nothing of it, and their causes neither.
var (
	errSecretMissing = apperr.New(apperr.Invalid, "secret_missing", "There is no client secret in the form.").
				WithNext(apperr.MenderPerson, "Paste the secret's value. Entra shows it only once, when the secret is made.")
	errSecretLong = apperr.New(apperr.Invalid, "secret_malformed", "This is no client secret: it is too long or has line breaks inside.").
			WithNext(apperr.MenderPerson, "Paste the secret's value alone. For a certificate or an assertion choose that kind of credential.")
	errCertificateMissing = apperr.New(apperr.Invalid, "certificate_missing", "There is no certificate in what you gave.").
				WithNext(apperr.MenderPerson, "Give a PEM text that has a CERTIFICATE part and a PRIVATE KEY part, or a PFX file.")
	errCertificateKeyMissing = apperr.New(apperr.Invalid, "certificate_key_missing", "There is a certificate but no private key with it.").
					WithNext(apperr.MenderPerson, "Add the PRIVATE KEY part to the PEM text, or give the PFX file that was exported with its key.")
	errCertificateKeyLocked = apperr.New(apperr.Invalid, "certificate_key_encrypted", "The private key in the PEM text is encrypted.").
				WithNext(apperr.MenderPerson, "Give a PFX file with its password instead, or the key without encryption.")
	errCertificateKeyOther = apperr.New(apperr.Invalid, "certificate_key_mismatch", "The private key does not belong to the certificate.").
				WithNext(apperr.MenderPerson, "Give the key that the certificate was made with. The application's own certificate has to come first in the text.")
	errCertificateKeyKind = apperr.New(apperr.Invalid, "certificate_key_kind", "The certificate's key is not an RSA key of at least 2,048 bits, and Entra takes no other.").
				WithNext(apperr.MenderPerson, "Use a certificate with an RSA key.")
	errCertificateUnreadable = apperr.New(apperr.Invalid, "certificate_unreadable", "The certificate or its key cannot be read.").
					WithNext(apperr.MenderPerson, "Export it again, as PEM or as PFX.")
	errCertificateExpired = apperr.New(apperr.Expired, "certificate_expired", "The certificate has expired, so Entra would refuse it.").
				WithNext(apperr.MenderAdmin, "The owner of the application registers a new certificate. Use that one then.")
	errCertificateEarly = apperr.New(apperr.Invalid, "certificate_not_yet_valid", "The certificate is not valid yet.").
				WithNext(apperr.MenderPerson, "Wait until its first day, or use another one.")
	errPFXPassword = apperr.New(apperr.Invalid, "pfx_password", "The password does not open the PFX file.").
			WithNext(apperr.MenderPerson, "Type the password that the file was exported with.")
	errPFXUnreadable = apperr.New(apperr.Invalid, "pfx_unreadable", "This is not a PFX file, or one of a kind that cannot be read here.").
				WithNext(apperr.MenderPerson, "Export it again with its key and AES encryption, or give PEM instead.")
	errPFXCostly = apperr.New(apperr.Invalid, "pfx_costly", "Opening this PFX file would take too long.").
			WithNext(apperr.MenderPerson, "Export it again with usual settings, or give PEM instead.")
	errPFXBusy = apperr.New(apperr.Unavailable, "pfx_busy", "Other PFX files are being opened just now.").
			WithNext(apperr.MenderPerson, "Try again in a moment, or give PEM instead.").WithRetry()
	errAppFileLarge = apperr.New(apperr.TooLarge, "certificate_large", "The file is larger than any certificate with its key.").
			WithNext(apperr.MenderPerson, "Give only the application's own certificate and its key.")
	errAssertionMissing = apperr.New(apperr.Invalid, "assertion_missing", "There is no assertion in the form.").
				WithNext(apperr.MenderPerson, "Paste the token that the other issuer made, for example your build pipeline.")
	errAssertionMalformed = apperr.New(apperr.Invalid, "assertion_malformed", "The assertion is not a signed token (JWT) in three parts.").
				WithNext(apperr.MenderPerson, "Paste the whole token, from its first to its last letter. It begins with eyJ.")
	errAssertionExpired = apperr.New(apperr.Expired, "assertion_expired", "The assertion has expired.").
				WithNext(apperr.MenderPerson, "Get a new one from its issuer. They live a few minutes only.")
)

// AppSecretCredential is a client secret that a person gave. Blanks around it
// are no part of it. Its errors are of kind Invalid.
func AppSecretCredential(secret []byte) (Credential, error) {
	secret = bytes.TrimSpace(secret)
	switch {
	case len(secret) == 0:
		return nil, errSecretMissing
	case len(secret) > maxAppSecret || bytes.ContainsAny(secret, "\r\n\x00"):
		return nil, errSecretLong
	}
	return SecretCredential(string(secret)), nil
}

// AppCertificateCredential is a certificate with its key that a person gave, as
// PEM or as a PFX file with its password. Its errors are of kind Invalid,
// Expired, TooLarge or Unavailable.
func AppCertificateCredential(ctx context.Context, file, password []byte, now func() time.Time) (Credential, error) {
	if len(file) > maxAppFile {
		return nil, errAppFileLarge
	}
	var certificate *x509.Certificate
	var key crypto.PrivateKey
	var err error
	if der := bytes.TrimLeft(file, " \r\n\t"); len(der) > 0 && der[0] == 0x30 { // a DER SEQUENCE: PFX is binary
		key, certificate, err = openPFX(ctx, der, password)
	} else {
		certificate, key, err = parsePEM(file)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(*rsa.PrivateKey)
	if !ok || signer.N.BitLen() < minRSABits {
		return nil, errCertificateKeyKind
	}
	if !signer.PublicKey.Equal(certificate.PublicKey) {
		return nil, errCertificateKeyOther
	}
	switch {
	case now().After(certificate.NotAfter):
		return nil, errCertificateExpired
	case now().Before(certificate.NotBefore):
		return nil, errCertificateEarly
	}
	return certificateOf(certificate, signer, now)
}

// parsePEM finds the first certificate and the key in a PEM text.
func parsePEM(text []byte) (certificate *x509.Certificate, key crypto.PrivateKey, err error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			if certificate != nil {
				continue // the first is the leaf
			}
			if certificate, err = x509.ParseCertificate(block.Bytes); err != nil {
				return nil, nil, errCertificateUnreadable.Becausef("certificate: %T", err)
			}
		case "ENCRYPTED PRIVATE KEY":
			return nil, nil, errCertificateKeyLocked
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, nil, errCertificateKeyLocked
			}
			key, err = parseAnyKey(block)
			clear(block.Bytes)
			if err != nil {
				return nil, nil, err
			}
		}
	}
	switch {
	case certificate == nil:
		return nil, nil, errCertificateMissing
	case key == nil:
		return nil, nil, errCertificateKeyMissing
	}
	return certificate, key, nil
}

func parseAnyKey(block *pem.Block) (crypto.PrivateKey, error) {
	if block.Type == "EC PRIVATE KEY" {
		return nil, errCertificateKeyKind
	}
	key, err := parsePrivateKey(block)
	if err != nil {
		return nil, errCertificateUnreadable.Becausef("key: %T", err)
	}
	return key, nil
}

// pfxSlot lets one PFX file be opened at a time in this process. A count of
// iterations that is itself encrypted cannot be seen before the work begins;
// whoever hides one there holds up this slot, and nothing else.
var pfxSlot = make(chan struct{}, 1)

// openPFX opens a PFX file (RFC 7292) within pfxPatience.
func openPFX(ctx context.Context, der, password []byte) (crypto.PrivateKey, *x509.Certificate, error) {
	if costly(der, 0) {
		return nil, nil, errPFXCostly
	}
	ctx, cancel := context.WithTimeout(ctx, pfxPatience)
	defer cancel()
	select {
	case pfxSlot <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, errPFXBusy
	}
	type opened struct {
		key         crypto.PrivateKey
		certificate *x509.Certificate
		err         error
	}
	done := make(chan opened, 1)
	go func() {
		defer func() { <-pfxSlot }()
		var o opened
		defer func() { done <- o }()
		defer func() {
			// The parser reads what strangers wrote.
			if p := recover(); p != nil {
				o.err = fmt.Errorf("panic: %T", p)
			}
		}()
		o.key, o.certificate, _, o.err = pkcs12.DecodeChain(der, string(password))
	}()
	select {
	case o := <-done:
		return o.key, o.certificate, pfxError(o.err)
	case <-ctx.Done():
		return nil, nil, errPFXCostly
	}
}

func pfxError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return errPFXPassword
	case strings.Contains(err.Error(), "private key missing"):
		return errCertificateKeyMissing
	case strings.Contains(err.Error(), "certificate missing"):
		return errCertificateMissing
	}
	return errPFXUnreadable.Becausef("%T", err)
}

const maxDepth = 24 // of DER within DER

// costly reports whether DER asks anywhere for more iterations than are allowed:
// wherever a number follows a salt (RFC 7292 §4, RFC 8018 appendix A), also
// within octet strings that hold DER.
func costly(der []byte, depth int) bool {
	if depth > maxDepth {
		return true
	}
	afterSalt := false
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return false // no DER: the parser will not read it as such either
		}
		der = rest
		if afterSalt && v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger {
			var n int64
			if _, err := asn1.Unmarshal(v.FullBytes, &n); err != nil || n > maxIterations {
				return true
			}
		}
		afterSalt = v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOctetString
		if (v.IsCompound || afterSalt) && costly(v.Bytes, depth+1) {
			return true
		}
	}
	return false
}

type assertionCredential struct{ assertion string }

func (c assertionCredential) authenticate(string, string) (url.Values, error) {
	return url.Values{"client_assertion_type": {assertionType}, "client_assertion": {c.assertion}}, nil
}

func (assertionCredential) String() string   { return "federated assertion" }
func (assertionCredential) GoString() string { return "federated assertion" }

// AppAssertionCredential is a token of another issuer that a person gave, for a
// federated credential (entra.md §4.4). Only what needs no trust is looked at
// here: its form and its end. Its errors are of kind Invalid and Expired.
func AppAssertionCredential(assertion []byte, now func() time.Time) (Credential, error) {
	text := strings.Join(strings.Fields(string(assertion)), "") // terminals break long lines
	if text == "" {
		return nil, errAssertionMissing
	}
	parts := strings.SplitN(text, ".", 4)
	if len(text) > maxFederatedToken || len(parts) != 3 || parts[2] == "" {
		return nil, errAssertionMalformed
	}
	for _, part := range parts[:2] {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || !json.Valid(b) {
			return nil, errAssertionMalformed
		}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, errAssertionMalformed
	}
	var claims struct {
		Expiry unixTime `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, errAssertionMalformed
	}
	if !claims.Expiry.IsZero() && !now().Before(claims.Expiry.Add(skew)) {
		return nil, errAssertionExpired
	}
	return assertionCredential{text}, nil
}
