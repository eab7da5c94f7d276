package entra

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

var credentialNow = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

func atCredentialNow() time.Time { return credentialNow }

// leaf makes a certificate of a key that is good from one time to another.
func leaf(t *testing.T, key crypto.Signer, from, until time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "scan-bot"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(t *testing.T, key crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// openHere opens what is harmless, or what is refused before it is opened.
func openHere(_ context.Context, request []byte) ([]byte, error) { return Open(request), nil }

func TestAppCertificateCredential(t *testing.T) {
	key, other := testKeys()[0], testKeys()[1]
	year := 365 * 24 * time.Hour
	good := leaf(t, key, credentialNow.Add(-time.Hour), credentialNow.Add(year))
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	pfx, err := pkcs12.Modern.Encode(key, good, nil, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := pkcs12.LegacyRC2.Encode(key, good, nil, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	bare, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{good}, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	locked := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte{1}})
	for name, c := range map[string]struct {
		file           []byte
		password, code string
	}{
		"PEM":                                 {slices.Concat(certificatePEM(good), keyPEM(t, key)), "", ""},
		"PEM, key first":                      {slices.Concat(keyPEM(t, key), certificatePEM(good)), "", ""},
		"PEM with a chain":                    {slices.Concat(certificatePEM(good), certificatePEM(leaf(t, other, credentialNow, credentialNow.Add(year))), keyPEM(t, key)), "", ""},
		"PKCS 1":                              {slices.Concat(certificatePEM(good), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})), "", ""},
		"PFX":                                 {pfx, "open sesame", ""},
		"PFX of old Windows":                  {legacy, "open sesame", ""},
		"PFX with a wrong password":           {pfx, "sesame open", "pfx_password"},
		"PFX without a password":              {pfx, "", "pfx_password"},
		"PFX cut off":                         {pfx[:len(pfx)/2], "open sesame", "pfx_unreadable"},
		"PFX without a key":                   {bare, "open sesame", "certificate_key_missing"},
		"DER that is no PFX":                  {good.Raw, "", "pfx_unreadable"},
		"nothing":                             {nil, "", "certificate_missing"},
		"no PEM":                              {[]byte("my certificate"), "", "certificate_missing"},
		"PEM without a key":                   {certificatePEM(good), "", "certificate_key_missing"},
		"PEM without a certificate":           {keyPEM(t, key), "", "certificate_missing"},
		"key of another certificate":          {slices.Concat(certificatePEM(good), keyPEM(t, other)), "", "certificate_key_mismatch"},
		"encrypted key":                       {slices.Concat(certificatePEM(good), pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}})), "", "certificate_key_encrypted"},
		"encrypted key of the old kind":       {slices.Concat(certificatePEM(good), locked), "", "certificate_key_encrypted"},
		"broken certificate":                  {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("?")}), "", "certificate_unreadable"},
		"broken key":                          {slices.Concat(certificatePEM(good), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("?")})), "", "certificate_unreadable"},
		"two keys":                            {slices.Concat(certificatePEM(good), keyPEM(t, other), keyPEM(t, key)), "", "certificate_keys"},
		"many parts":                          {slices.Concat(bytes.Repeat(certificatePEM(good), maxPEMBlocks), keyPEM(t, key)), "", "certificate_unreadable"},
		"a long password":                     {pfx, strings.Repeat("x", maxAppPassword+1), "pfx_password"},
		"elliptic curve":                      {slices.Concat(certificatePEM(leaf(t, curve, credentialNow, credentialNow.Add(year))), keyPEM(t, curve)), "", "certificate_key_kind"},
		"short key":                           {slices.Concat(certificatePEM(leaf(t, small, credentialNow, credentialNow.Add(year))), keyPEM(t, small)), "", "certificate_key_kind"},
		"expired":                             {slices.Concat(certificatePEM(leaf(t, key, credentialNow.Add(-year), credentialNow.Add(-time.Hour))), keyPEM(t, key)), "", "certificate_expired"},
		"not valid yet":                       {slices.Concat(certificatePEM(leaf(t, key, credentialNow.Add(time.Hour), credentialNow.Add(year))), keyPEM(t, key)), "", "certificate_not_yet_valid"},
		"too large":                           {make([]byte, maxAppFile+1), "", "certificate_large"},
		"PFX that wants a billion iterations": {costlyPFX(t, 1_000_000_000), "x", "certificate_costly"},
		"PFX with more than a number holds":   {costlyPFX(t, 1<<62), "x", "certificate_costly"},
	} {
		t.Run(name, func(t *testing.T) {
			credential, err := AppCertificateCredential(t.Context(), openHere, c.file, []byte(c.password), atCredentialNow)
			if codeOf(err) != c.code || c.code == "" && err != nil {
				t.Fatalf("%v, want %q", err, c.code)
			}
			if c.code != "" {
				return
			}
			form, err := credential.authenticate(testClient, "https://login.example/token")
			if err != nil || strings.Count(form.Get("client_assertion"), ".") != 2 {
				t.Errorf("%v, %v", form, err)
			}
			if text := fmt.Sprintf("%v %#v %+v", credential, credential, credential); strings.Contains(text, "BEGIN") || len(text) > 100 {
				t.Errorf("it prints %q", text)
			}
		})
	}
}

// bombPEM is an RSA key that Go works on for seconds to hours to find it wrong:
// its time grows with the cube of the numbers' length. With crt it says all that a
// key says.
func bombPEM(t *testing.T, bits int, crt, wrapped bool) []byte {
	t.Helper()
	b := make([]byte, bits/8)
	rand.Read(b)
	b[0] |= 0x80
	b[len(b)-1] |= 1
	p := new(big.Int).SetBytes(b)
	numbers := []any{0, new(big.Int).Add(p, big.NewInt(2)), 65537, big.NewInt(3), p, big.NewInt(5)}
	if crt {
		numbers = append(numbers, big.NewInt(7), big.NewInt(7), big.NewInt(7))
	}
	der := sequence(t, numbers...)
	kind := "RSA PRIVATE KEY"
	if wrapped {
		kind = "PRIVATE KEY"
		der = sequence(t, 0, pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}, der)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// sequence is DER of a SEQUENCE of what it is given.
func sequence(t *testing.T, of ...any) []byte {
	t.Helper()
	var content []byte
	for _, one := range of {
		der, err := asn1.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, der...)
	}
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: content})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestAttackCostlyKeys: what is seen to be expensive never gets to the opener.
func TestAttackCostlyKeys(t *testing.T) {
	good := certificatePEM(leaf(t, testKeys()[0], credentialNow.Add(-time.Hour), credentialNow.Add(time.Hour)))
	never := func(context.Context, []byte) ([]byte, error) {
		t.Error("it was opened")
		return nil, errors.New("opened")
	}
	for name, c := range map[string]struct {
		file []byte
		code string
	}{
		"large numbers":                {bombPEM(t, 20480, true, false), "certificate_costly"},
		"large numbers in PKCS 8":      {bombPEM(t, 20480, true, true), "certificate_costly"},
		"no CRT values":                {bombPEM(t, 4096, false, false), "certificate_unreadable"},
		"no CRT values in PKCS 8":      {bombPEM(t, 4096, false, true), "certificate_unreadable"},
		"two keys":                     {slices.Concat(bombPEM(t, 4096, true, false), bombPEM(t, 4096, true, true)), "certificate_keys"},
		"many iterations":              {costlyPFX(t, maxIterations+1), "certificate_costly"},
		"large numbers in a bare PFX":  {sequence(t, 3, sequence(t, new(big.Int).Lsh(big.NewInt(1), 20480))), "certificate_costly"},
		"more than a certificate says": {make([]byte, maxAppFile+1), "certificate_large"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := AppCertificateCredential(t.Context(), never, slices.Concat(c.file, good), nil, atCredentialNow); codeOf(err) != c.code {
				t.Errorf("%v, want %s", err, c.code)
			}
		})
	}
	allowed := 0
	count := func(_ context.Context, request []byte) ([]byte, error) { allowed++; return nil, errors.New("opened") }
	for _, file := range [][]byte{bombPEM(t, maxKeyBits, true, false), bombPEM(t, 4096, true, true), costlyPFX(t, maxIterations)} {
		if _, err := AppCertificateCredential(t.Context(), count, file, nil, atCredentialNow); codeOf(err) != "certificate_unreadable" {
			t.Errorf("what may be opened: %v", err)
		}
	}
	if allowed != 3 {
		t.Errorf("%d of 3 files were opened that are within the bounds", allowed)
	}
}

// TestOpenerFails: whatever happens to who opens a certificate, its owner is told
// in a sentence.
func TestOpenerFails(t *testing.T) {
	for code, open := range map[string]Opener{
		"certificate_busy":       func(context.Context, []byte) ([]byte, error) { return nil, ErrOpenerBusy },
		"certificate_costly":     func(context.Context, []byte) ([]byte, error) { return nil, context.DeadlineExceeded },
		"certificate_unreadable": func(context.Context, []byte) ([]byte, error) { return nil, errors.New("exit status 2") },
		"pfx_password":           func(context.Context, []byte) ([]byte, error) { return []byte(`{"code":"pfx_password"}`), nil },
	} {
		if _, err := AppCertificateCredential(t.Context(), open, []byte("x"), nil, atCredentialNow); codeOf(err) != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
	for _, answer := range []string{"", "{", "{}", `{"code":"unheard of"}`, `{"certificate":"AA==","key":"AA=="}`} {
		open := func(context.Context, []byte) ([]byte, error) { return []byte(answer), nil }
		if _, err := AppCertificateCredential(t.Context(), open, []byte("x"), nil, atCredentialNow); codeOf(err) != "certificate_unreadable" {
			t.Errorf("answer %q: %v", answer, err)
		}
	}
	for _, request := range []string{"", "{", "{}", `{"file":"AA=="}`} {
		if answer := string(Open([]byte(request))); !strings.Contains(answer, `"code"`) {
			t.Errorf("request %q is answered with %s", request, answer)
		}
	}
}

// costlyPFX is a PFX file as far as its MAC goes, which wants so many iterations
// (RFC 7292 §4).
func costlyPFX(t *testing.T, iterations int64) []byte {
	t.Helper()
	type mac struct {
		Digest     struct{ Digest []byte }
		Salt       []byte
		Iterations int64
	}
	der, err := asn1.Marshal(struct {
		Version int
		Mac     mac
	}{3, mac{Salt: make([]byte, 8), Iterations: iterations}})
	if err != nil {
		t.Fatal(err)
	}
	// As deep as the parameters of a shrouded key lie: within octet strings.
	for range 4 {
		if der, err = asn1.Marshal(struct{ Content []byte }{der}); err != nil {
			t.Fatal(err)
		}
	}
	return der
}

func TestAppSecretAndAssertion(t *testing.T) {
	for value, code := range map[string]string{
		" s3cret~value \n": "", "": "secret_missing", "  ": "secret_missing", "two\nlines": "secret_malformed", strings.Repeat("x", maxAppSecret+1): "secret_malformed",
	} {
		credential, err := AppSecretCredential([]byte(value))
		if codeOf(err) != code {
			t.Errorf("secret of %d bytes: %v, want %q", len(value), err, code)
		}
		if code == "" {
			form, _ := credential.authenticate("", "")
			if form.Get("client_secret") != "s3cret~value" {
				t.Errorf("sends %q", form.Get("client_secret"))
			}
			if text := fmt.Sprintf("%v %#v", credential, credential); strings.Contains(text, "s3cret") {
				t.Errorf("it prints %q", text)
			}
		}
	}
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	jwt := func(exp time.Time) string {
		return part(`{"alg":"RS256"}`) + "." + part(fmt.Sprintf(`{"iss":"x","exp":%d}`, exp.Unix())) + ".c2ln"
	}
	good := jwt(credentialNow.Add(time.Minute))
	for value, code := range map[string]string{
		good: "", "\n" + good[:20] + "\n" + good[20:] + "\n": "",
		"": "assertion_missing", "not a token": "assertion_malformed", "a.b": "assertion_malformed", good + ".x": "assertion_malformed",
		strings.TrimSuffix(good, "c2ln"): "assertion_malformed", "%." + part("{}") + ".x": "assertion_malformed", part("{}") + "." + part("{") + ".x": "assertion_malformed",
		part("{}") + "." + part(`{"exp":"soon"}`) + ".x": "assertion_malformed", strings.Repeat("a", maxFederatedToken+1): "assertion_malformed",
		jwt(credentialNow.Add(-time.Hour)): "assertion_expired",
	} {
		credential, err := AppAssertionCredential([]byte(value), atCredentialNow)
		if codeOf(err) != code {
			t.Errorf("assertion %.40q: %v, want %q", value, err, code)
		}
		if code == "" {
			form, _ := credential.authenticate("", "")
			if form.Get("client_assertion") != good || form.Get("client_assertion_type") != assertionType {
				t.Errorf("sends %v", form)
			}
			if text := fmt.Sprintf("%v %#v", credential, credential); strings.Contains(text, "eyJ") {
				t.Errorf("it prints %q", text)
			}
		}
	}
}

// TestAppScope: whatever people copy becomes the one scope that an application
// can ask for, and what is mended is said.
func TestAppScope(t *testing.T) {
	catalogue := NewCatalogue("api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84/user_impersonation", Clouds["public"].Resources(),
		[]string{"api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84/inner", "https://contoso.com/api/v1"})
	azts := "api://b1d04c77-6a2e-4d39-8f52-3e9ac0175d84"
	for typed, want := range map[string]struct {
		scope  string
		mended bool
		code   string
	}{
		azts + "/.default":                       {azts + "/.default", false, ""},
		" " + azts + "/.default\n":               {azts + "/.default", false, ""},
		azts + "/user_impersonation/.default":    {azts + "/.default", true, ""},
		azts + "/user_impersonation":             {azts + "/.default", true, ""},
		azts:                                     {azts + "/.default", true, ""},
		azts + "/":                               {azts + "/.default", true, ""},
		strings.ToUpper(azts) + "/.default":      {azts + "/.default", false, ""},
		azts + "/inner/.default":                 {azts + "/inner/.default", false, ""},
		azts + "/inner/Read.All":                 {azts + "/inner/.default", true, ""},
		"https://contoso.com/api/v1/.default":    {"https://contoso.com/api/v1/.default", false, ""},
		"https://management.azure.com//.default": {"https://management.azure.com/.default", false, ""},
		"https://graph.microsoft.com/User.Read https://graph.microsoft.com/Mail.Read": {"https://graph.microsoft.com/.default", true, ""},
		azts + "/.default https://graph.microsoft.com/.default":                       {"", false, "two_resources"},
		"":                                    {"", false, "scope_missing"},
		"User.Read":                           {"", false, "scope_malformed"},
		azts + "/a b/.default":                {"", false, "scope_malformed"},
		azts + "/x/y/.default":                {"", false, "scope_malformed"},
		azts + "/<script>":                    {"", false, "scope_malformed"},
		"api://somebody-else/.default":        {"", false, "resource_unknown"},
		azts + "x/.default":                   {"", false, "resource_unknown"},
		"https://contoso.com/.default":        {"", false, "resource_unknown"},
		strings.Repeat(azts+" ", 21):          {"", false, "scope_many"},
		azts + "/" + strings.Repeat("a", 600): {"", false, "scope_malformed"},
	} {
		resource, scope, mended, err := catalogue.AppScope(typed)
		if scope != want.scope || mended != want.mended || codeOf(err) != want.code {
			t.Errorf("%.80q becomes %q, mended %t, %v; want %+v", typed, scope, mended, err, want)
		}
		if err == nil && resource.Scope(DefaultScope) != scope {
			t.Errorf("%q is a scope of %q", scope, resource.AppIDURI)
		}
	}
}
