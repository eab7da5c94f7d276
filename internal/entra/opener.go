package entra

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"azts.internal/portal/internal/apperr"
)

// Opener passes a request to [Open] and returns its answer, at most
// [MaxOpenAnswer] bytes. The work that a stranger's certificate can cause has no
// bound that is known beforehand, and nothing within a process can stop it: the
// opener of a server is a process of its own, which is killed.
//
// Its errors: [ErrOpenerBusy] when it took no more work, context.DeadlineExceeded
// when the time was over; all others mean that the file broke whoever read it.
type Opener func(ctx context.Context, request []byte) (answer []byte, err error)

// ErrOpenerBusy says that an [Opener] did not begin.
var ErrOpenerBusy = errors.New("entra: the opener of certificates is busy")

// Bounds of what goes to [Open] and comes from it, in bytes.
const (
	MaxOpenRequest = 2 * (maxAppFile + maxAppPassword) // in base64
	MaxOpenAnswer  = 256 << 10
)

type openRequest struct {
	File     []byte `json:"file"`
	Password []byte `json:"password"`
}

// openAnswer holds either the code of an error or both of the others, in DER: a
// certificate and, as PKCS #8 whatever it was before, its key.
type openAnswer struct {
	Code        string `json:"code,omitempty"`
	Certificate []byte `json:"certificate,omitempty"`
	Key         []byte `json:"key,omitempty"`
}

// openErrors are the errors that [Open] answers with, by their codes.
var openErrors = func() map[string]*apperr.Error {
	all := map[string]*apperr.Error{}
	for _, e := range []*apperr.Error{errCertificateMissing, errCertificateKeyMissing, errCertificateKeyLocked, errCertificateKeyKind,
		errCertificateUnreadable, errPFXPassword, errPFXUnreadable} {
		all[e.Code] = e
	}
	return all
}()

// open has a file opened.
func (o Opener) open(ctx context.Context, file, password []byte) (*x509.Certificate, crypto.PrivateKey, error) {
	request, err := json.Marshal(openRequest{file, password})
	if err != nil {
		return nil, nil, err
	}
	answer, err := o(ctx, request)
	clear(request)
	defer clear(answer)
	switch {
	case errors.Is(err, ErrOpenerBusy):
		return nil, nil, errCertificateBusy.Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, nil, errCertificateCostly.Because(err)
	case err != nil:
		return nil, nil, errCertificateUnreadable.Because(err)
	}
	var opened openAnswer
	if err := json.Unmarshal(answer, &opened); err != nil {
		return nil, nil, errCertificateUnreadable.Becausef("answer of %d bytes: %T", len(answer), err)
	}
	defer clear(opened.Key)
	if e := openErrors[opened.Code]; e != nil {
		return nil, nil, e
	}
	// Both were parsed once within the limit, and the key has all its numbers now.
	certificate, err := x509.ParseCertificate(opened.Certificate)
	if err != nil {
		return nil, nil, errCertificateUnreadable.Becausef("certificate: %T", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(opened.Key)
	if err != nil {
		return nil, nil, errCertificateUnreadable.Becausef("key: %T", err)
	}
	return certificate, key, nil
}

// Open opens a certificate with its key as an [Opener]'s request says. It can
// take for ever, all memory, or panic: for strangers' files it belongs into a
// process that is watched.
func Open(request []byte) (answer []byte) {
	var opened openAnswer
	certificate, key, err := openFile(request)
	if err == nil {
		opened.Certificate = certificate.Raw
		opened.Key, err = x509.MarshalPKCS8PrivateKey(key)
	}
	if err != nil {
		opened = openAnswer{Code: errCertificateUnreadable.Code}
		if e := apperr.From(err); openErrors[e.Code] != nil {
			opened.Code = e.Code
		}
	}
	answer, err = json.Marshal(opened)
	if err != nil {
		panic("entra: " + err.Error()) // texts and bytes only
	}
	return answer
}

func openFile(request []byte) (*x509.Certificate, *rsa.PrivateKey, error) {
	var r openRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return nil, nil, err
	}
	var certificate *x509.Certificate
	var key crypto.PrivateKey
	var err error
	if der, ok := asPFX(r.File); ok {
		key, certificate, _, err = pkcs12.DecodeChain(der, string(r.Password))
		err = pfxError(err)
	} else {
		certificate, key, err = parsePEM(r.File)
	}
	if err != nil {
		return nil, nil, err
	}
	if rsaKey, ok := key.(*rsa.PrivateKey); ok {
		return certificate, rsaKey, nil
	}
	return nil, nil, errCertificateKeyKind
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
	return errPFXUnreadable
}
