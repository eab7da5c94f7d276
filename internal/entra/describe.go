package entra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Claim is one claim of a token, for people to read.
type Claim struct {
	Name    string
	Value   string // text as it stands, everything else as JSON
	Meaning string // one sentence; "" for a claim we do not know
	Time    time.Time
}

// Decoded is a token taken apart for people to read. Nothing in it was
// verified: it is never to decide anything.
type Decoded struct {
	Header  string // indented JSON
	Payload string // indented JSON
	Claims  []Claim
}

// claimLimit bounds how many claims are listed, and valueLimit how many bytes
// of one are shown: tokens of strangers are decoded too.
const (
	claimLimit = 200
	valueLimit = 4 << 10
)

type meaning struct{ name, text string }

// meanings are entra.md §3.1 and §3.3 in words, in the order they are shown.
var meanings = []meaning{
	{"iss", "Who made the token: the company sign-in and, in Entra, the tenant."},
	{"aud", "Whom the token is for. Everyone else must refuse it."},
	{"azp", "The application that asked for the token."},
	{"appid", "The application that asked for the token."},
	{"azpacr", "How that application proved itself: 0 not at all, 1 with a secret, 2 with a certificate."},
	{"appidacr", "How that application proved itself: 0 not at all, 1 with a secret, 2 with a certificate."},
	{"scp", "What the application may do in your name."},
	{"roles", "Roles that an administrator gave, in the application the token is for."},
	{"idtyp", "Whether the token speaks for a person or for an application on its own."},
	{"sub", "You, under an id that only this application knows."},
	{"oid", "You, under the id that all of your organization's applications know."},
	{"tid", "Your organization's tenant."},
	{"name", "Your name, for display. It can change and proves nothing."},
	{"given_name", "Your first name, for display."},
	{"family_name", "Your last name, for display."},
	{"preferred_username", "Your account name, for display. It can change and proves nothing."},
	{"upn", "Your account name, for display. It can change and proves nothing."},
	{"unique_name", "Your account name, for display. It can change and proves nothing."},
	{"email", "Your mail address, for display. It can change and proves nothing."},
	{"email_verified", "Whether the sign-in checked that the mail address is yours."},
	{"iat", "When the token was made."},
	{"nbf", "The token is not valid before this time."},
	{"exp", "The token is not valid after this time."},
	{"auth_time", "When you last proved who you are."},
	{"amr", "How you proved who you are."},
	{"acr", "How strong that proof was, in the sign-in's own scale."},
	{"acrs", "The extra proof that was asked for and given."},
	{"nonce", "Ties the token to one sign-in in one browser, so that it cannot be used for another."},
	{"sid", "The session at the company sign-in. When it ends, so does the one here."},
	{"login_hint", "Names the account at the next sign-in or sign-out, so that nobody has to choose it again."},
	{"c_hash", "Ties the token to the code that came with it."},
	{"at_hash", "Ties the token to the access token that came with it."},
	{"groups", "Groups you are a member of."},
	{"hasgroups", "You are in more groups than fit into a token."},
	{"wids", "Directory roles you hold in the tenant."},
	{"acct", "Whether you are a member (0) or a guest (1) of the tenant."},
	{"idp", "Where you signed in, if it was not in this tenant."},
	{"ipaddr", "The network address you signed in from."},
	{"in_corp", "Whether you signed in from the company's network."},
	{"ctry", "Your country, as the directory has it."},
	{"tenant_ctry", "The country of the tenant."},
	{"xms_cc", "What the application can do with challenges: cp1 means it can be asked for more proof."},
	{"xms_edov", "Whether the domain of the mail address is verified."},
	{"pwd_exp", "Seconds until your password expires."},
	{"pwd_url", "Where you can change your password."},
	{"ver", "The form of the token: 1.0 or 2.0. Which one an API gets is the API's own setting."},
	{"uti", "The token's number, for the sign-in logs."},
	{"jti", "The token's number."},
	{"aio", "Used by Entra itself. It means nothing to others."},
	{"rh", "Used by Entra itself. It means nothing to others."},
}

var timeClaims = []string{"iat", "nbf", "exp", "auth_time"}

// DescribeIDToken lists the claims of an ID token, those with a meaning first.
func DescribeIDToken(raw string) []Claim {
	parts := strings.SplitN(raw, ".", 4)
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	claims, err := describe(payload)
	if err != nil {
		return nil
	}
	return claims
}

// Decode takes a token apart for display, without believing it. It fails for
// what is not a signed token in compact form with JSON inside.
func Decode(raw string) (*Decoded, error) {
	parts := strings.SplitN(raw, ".", 4)
	if len(raw) > maxIDToken || len(parts) != 3 {
		return nil, errors.New("entra: not a signed token in three parts")
	}
	header, err := indented(parts[0])
	if err != nil {
		return nil, fmt.Errorf("entra: token header: %w", err)
	}
	payload, err := indented(parts[1])
	if err != nil {
		return nil, fmt.Errorf("entra: token payload: %w", err)
	}
	claims, err := describe([]byte(payload))
	if err != nil {
		return nil, fmt.Errorf("entra: token payload: %w", err)
	}
	return &Decoded{Header: header, Payload: payload, Claims: claims}, nil
}

func indented(part string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return "", err
	}
	return out.String(), nil
}

func describe(payload []byte) ([]Claim, error) {
	if !gjson.ValidBytes(payload) {
		return nil, errors.New("not JSON")
	}
	object := gjson.ParseBytes(payload)
	if !object.IsObject() {
		return nil, errors.New("not a JSON object")
	}
	known := make([]Claim, len(meanings))
	var unknown []Claim
	object.ForEach(func(name, value gjson.Result) bool {
		c := Claim{Name: clip(name.String()), Value: display(value)}
		i, there := meaningOf[c.Name]
		switch {
		case there:
			c.Meaning, c.Time = meanings[i].text, timeOf(c.Name, value)
			known[i] = c
		case len(unknown) < claimLimit:
			unknown = append(unknown, c)
		}
		return true
	})
	known = slices.DeleteFunc(known, func(c Claim) bool { return c.Name == "" })
	slices.SortFunc(unknown, func(a, b Claim) int { return strings.Compare(a.Name, b.Name) })
	return append(known, unknown...), nil
}

// meaningOf finds a claim's place in meanings.
var meaningOf = func() map[string]int {
	m := make(map[string]int, len(meanings))
	for i := range meanings {
		m[meanings[i].name] = i
	}
	return m
}()

// display shows text as it is, a list of texts with commas, the rest as JSON.
func display(value gjson.Result) string {
	text := value.Raw
	switch {
	case value.Type == gjson.String:
		text = value.String()
	case value.IsArray():
		items := value.Array()
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = item.String()
		}
		text = strings.Join(texts, ", ")
	}
	if len(text) > valueLimit {
		text = strings.ToValidUTF8(text[:valueLimit], "") + "…"
	}
	return text
}

func timeOf(name string, value gjson.Result) time.Time {
	if !slices.Contains(timeClaims, name) {
		return time.Time{}
	}
	seconds := value.Float() // of a number or of its text
	if seconds <= 0 || seconds > 1<<36 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// methods are the values of amr in words (entra.md §3.1, RFC 8176).
var methods = map[string]string{
	"pwd": "password", "mfa": "a second factor", "rsa": "certificate or device key", "otp": "one-time code",
	"fed": "the sign-in of another organization", "wia": "Windows sign-in", "ngcmfa": "Windows Hello, renewed as a second factor",
	"wiaormfa": "Windows sign-in or a second factor", "hwk": "hardware key", "swk": "software key", "pin": "PIN", "fpt": "fingerprint",
	"face": "face", "sms": "text message", "tel": "telephone call", "kba": "security question", "fido": "passkey",
}

// DescribeMethods returns the authentication methods in words; one we do not
// know as it stands.
func DescribeMethods(amr []string) []string {
	out := make([]string, len(amr))
	for i, method := range amr {
		if out[i] = methods[method]; out[i] == "" {
			out[i] = method
		}
	}
	return out
}
