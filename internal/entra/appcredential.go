package entra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"azts.internal/portal/internal/apperr"
)

// Bounds of what a person gives as an application's credential.
const (
	maxAppSecret   = 1 << 10   // bytes; Entra's have 40
	maxAppFile     = 128 << 10 // bytes of PEM or PFX
	maxAppPassword = 1 << 10   // bytes
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
	errCertificateKeys = apperr.New(apperr.Invalid, "certificate_keys", "There is more than one private key in the PEM text.").
				WithNext(apperr.MenderPerson, "Give only the key that belongs to the application's certificate.")
	errCertificateCostly = apperr.New(apperr.Invalid, "certificate_costly", "Opening this certificate or its key would take too long.").
				WithNext(apperr.MenderPerson, "Use an RSA key of 2,048 to 4,096 bits, exported with usual settings.")
	errCertificateBusy = apperr.New(apperr.Unavailable, "certificate_busy", "Other certificates are being opened just now.").
				WithNext(apperr.MenderPerson, "Try again in a moment.").WithRetry()
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
