package entra

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"time"
)

// Bounds of a certificate's file, which are looked at before it is opened.
const (
	// maxIterations bounds the work that a PFX file can ask for: its password
	// is stretched so many times. Windows and OpenSSL write 2,000, the most
	// careful programs 600,000.
	maxIterations = 1_000_000
	maxKeyBits    = 8192 // of any number in a key: the work grows with their cube
	minRSABits    = 2048
	maxPEMBlocks  = 20
	maxDepth      = 24 // of DER within DER
)

// AppCertificateCredential is a certificate with its key that a person gave, as
// PEM or as a PFX file with its password. open opens it. Its errors are of kind
// Invalid, Expired, TooLarge or Unavailable.
func AppCertificateCredential(ctx context.Context, open Opener, file, password []byte, now func() time.Time) (Credential, error) {
	switch {
	case len(file) > maxAppFile:
		return nil, errAppFileLarge
	case len(password) > maxAppPassword:
		return nil, errPFXPassword
	}
	if err := refuseCostly(file); err != nil {
		return nil, err
	}
	certificate, key, err := open.open(ctx, file, password)
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

// asPFX returns the file if it is one: PFX is binary and begins with a DER
// SEQUENCE.
func asPFX(file []byte) (der []byte, ok bool) {
	der = bytes.TrimLeft(file, " \r\n\t")
	return der, len(der) > 0 && der[0] == 0x30
}

// refuseCostly refuses what is seen to be expensive without any work on it. What
// is encrypted it cannot see: that is why an [Opener] has a limit of its own.
func refuseCostly(file []byte) error {
	if der, ok := asPFX(file); ok {
		if costly(der, 0) {
			return errCertificateCostly
		}
		return nil
	}
	keys := 0
	rest := file
	for range maxPEMBlocks {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil
		}
		if costly(block.Bytes, 0) {
			return errCertificateCostly
		}
		switch block.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
			if keys++; keys > 1 {
				return errCertificateKeys
			}
			if withoutCRT(block) {
				return errCertificateUnreadable.Becausef("an RSA key without the values of the Chinese remainder theorem")
			}
		}
	}
	return errCertificateUnreadable.Becausef("more than %d parts of PEM", maxPEMBlocks)
}

// costly reports whether DER asks anywhere for more than is allowed: a number of
// too many bits, or more iterations where numbers follow a salt (RFC 7292 §4, RFC
// 8018 appendix A), also within octet strings that hold DER.
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
		universal := v.Class == asn1.ClassUniversal
		if universal && v.Tag == asn1.TagInteger {
			if len(v.Bytes) > maxKeyBits/8+1 { // a zero may stand before it
				return true
			}
			var n int64
			if afterSalt {
				if _, err := asn1.Unmarshal(v.FullBytes, &n); err != nil || n > maxIterations {
					return true
				}
			}
		}
		afterSalt = universal && v.Tag == asn1.TagOctetString
		if (v.IsCompound || afterSalt) && costly(v.Bytes, depth+1) {
			return true
		}
	}
	return false
}

var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

// withoutCRT reports whether an RSA key lacks its last three numbers, which
// every program writes (RFC 8017 appendix A.1.2): Go would work them out, with
// effort that whoever made the key can drive up.
func withoutCRT(block *pem.Block) bool {
	der := block.Bytes
	if block.Type == "PRIVATE KEY" {
		var wrapped struct {
			Version   int
			Algorithm pkix.AlgorithmIdentifier
			Key       []byte
		}
		if _, err := asn1.Unmarshal(der, &wrapped); err != nil || !wrapped.Algorithm.Algorithm.Equal(oidRSA) {
			return false
		}
		der = wrapped.Key
	} else if block.Type != "RSA PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return false
	}
	var sequence asn1.RawValue
	if _, err := asn1.Unmarshal(der, &sequence); err != nil {
		return false
	}
	numbers := 0
	for rest := sequence.Bytes; len(rest) > 0; numbers++ {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil || v.Class != asn1.ClassUniversal || v.Tag != asn1.TagInteger {
			break
		}
	}
	return numbers < 9
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
			if key, err = parseAnyKey(block); err != nil {
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
