package entra

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

	number float64 // of a claim that is a time, whatever its unit
	raw    string  // JSON
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

// meanings are entra.md §3.1 and §3.3, OpenID Connect Core §2 and RFC 7519 §4.1 in
// words, in the order they are shown. They fit tokens of either version, of people
// and of applications, read by whoever they are about or by somebody else.
var meanings = []meaning{
	{"iss", "Who made the token: the company sign-in and, in Entra, the tenant."},
	{"aud", "Whom the token is for: an API or application, by its address or its client id. Everyone else must refuse it."},
	{"azp", "The application that asked for the token."},
	{"appid", "The application that asked for the token."},
	{"app_displayname", "The name of that application, for display."},
	{"azpacr", "How that application proved itself: 0 not at all, 1 with a secret, 2 with a certificate or assertion."},
	{"appidacr", "How that application proved itself: 0 not at all, 1 with a secret, 2 with a certificate or assertion."},
	{"client_id", "The application that asked for the token."},
	{"scp", "What the application may do in the person's name."},
	{"scope", "What the token allows."},
	{"roles", "Roles that an administrator gave to the person or application, in the application the token is for."},
	{"idtyp", "Whom the token speaks for: app is an application on its own, user a person."},
	{"sub", "The person or application, under an id that only the application the token is for knows."},
	{"oid", "The person or application, under the id that the whole organization knows."},
	{"tid", "The tenant: the organization in Entra."},
	{"name", "The person's name, for display. It can change and proves nothing."},
	{"given_name", "The person's first name, for display."},
	{"family_name", "The person's last name, for display."},
	{"nickname", "What the person likes to be called, for display."},
	{"picture", "The address of a picture of the person."},
	{"preferred_username", "The person's account name, for display. It can change and proves nothing."},
	{"upn", "The person's account name, for display. It can change and proves nothing."},
	{"unique_name", "The person's account name, for display. It can change and proves nothing."},
	{"email", "The person's mail address, for display. It can change and proves nothing."},
	{"email_verified", "Whether the sign-in checked that the mail address is the person's."},
	{"verified_primary_email", "Mail addresses of the person in domains that the tenant has proved to be its own."},
	{"verified_secondary_email", "Further mail addresses of the person in domains that the tenant has proved to be its own."},
	{"iat", "When the token was made."},
	{"nbf", "The token is not valid before this time."},
	{"exp", "The token is not valid after this time."},
	{"auth_time", "When the person last signed in with their own hands."},
	{"nonce", "Binds the token to one sign-in, so that it cannot be used in another."},
	{"c_hash", "Binds the token to the code that came with it."},
	{"at_hash", "Binds the token to the access token that came with it."},
	{"s_hash", "Binds the token to the state of the request."},
	{"sid", "The session at the company sign-in. Signing out there names it."},
	{"login_hint", "Helps the company sign-in to pick the account at sign-out."},
	{"amr", "How the person proved who they are: pwd is a password, mfa a second factor."},
	{"acr", "How strong the sign-in was: 0 is weaker than the organization's standard asks for, 1 fits it."},
	{"acrs", "Which extra proofs of Conditional Access were given."},
	{"groups", "Groups that the person or application is a member of."},
	{"hasgroups", "There are more groups than fit into a token."},
	{"_claim_names", "Names what did not fit into the token, such as groups, and has to be asked for elsewhere."},
	{"_claim_sources", "Where that could be asked for. The address is an old one that must not be called: Graph answers it."},
	{"wids", "Directory roles held in the tenant, by their template ids."},
	{"acct", "Whether the person is a member (0) or a guest (1) of the tenant."},
	{"idp", "Where the person signed in, if it was not in this tenant."},
	{"home_oid", "The person under the id of their own tenant, where that is another one."},
	{"ipaddr", "The network address of the sign-in."},
	{"in_corp", "Whether the sign-in came from the company's network."},
	{"fwd", "The network address that was forwarded by a proxy."},
	{"onprem_sid", "The person's id in the company's own directory (Active Directory)."},
	{"puid", "The person's number in older services of Microsoft."},
	{"altsecid", "The person's number at another sign-in service."},
	{"platf", "The kind of device of the sign-in."},
	{"deviceid", "The device of the sign-in, where it is registered."},
	{"ctry", "The person's country, as the directory has it."},
	{"tenant_ctry", "The country of the tenant."},
	{"tenant_region_scope", "The region of the tenant."},
	{"signin_state", "How the sign-in came about: kmsi is keep me signed in, dvc_mngd a managed device, inknownntwk a known network."},
	{"xms_cc", "What the application can do with challenges: cp1 means it can be asked for more proof."},
	{"xms_ssm", "Whether the token is bound to the session of the device."},
	{"xms_edov", "Whether the domain of the mail address is verified."},
	{"xms_pl", "The person's preferred language."},
	{"xms_tpl", "The tenant's preferred language."},
	{"xms_tcdt", "When the tenant was made."},
	{"xms_tdbr", "The region of the tenant's data."},
	{"xms_idrel", "How the person belongs to the tenant. Used by Entra itself."},
	{"xms_mirid", "The Azure resource that this managed identity belongs to."},
	{"xms_az_rid", "The Azure resource that this managed identity belongs to."},
	{"pwd_exp", "Seconds until the password expires."},
	{"pwd_url", "Where the password can be changed."},
	{"ver", "The form of the token: 1.0 or 2.0. Which one an API gets is the API's own setting."},
	{"uti", "The token's number, for the sign-in logs."},
	{"jti", "The token's number."},
	{"cnf", "Binds the token to a key: only who has it can use the token."},
	{"act", "The application that acts for the person."},
	{"aio", "Used by Entra itself. It means nothing to others."},
	{"rh", "Used by Entra itself. It means nothing to others."},
	{"xms_ftd", "Used by Entra itself. It means nothing to others."},
}

// headerMeanings are RFC 7515 §4.1, RFC 7516 §4.1 and RFC 7519 §5 in words.
var headerMeanings = []meaning{
	{"alg", "How the token was signed, or its key encrypted."},
	{"enc", "How the content was encrypted."},
	{"typ", "The kind of the token."},
	{"cty", "The kind of its content: JWT means that another token is inside."},
	{"kid", "Which of the issuer's keys signed it."},
	{"x5t", "The thumbprint of the certificate that signed it."},
	{"x5t#S256", "The thumbprint of the certificate that signed it."},
	{"x5c", "Certificates that came with the token. Whoever checks it must not trust them."},
	{"x5u", "An address of certificates. Whoever checks the token must not go there."},
	{"jku", "An address of keys. Whoever checks the token must not go there."},
	{"jwk", "A key that came with the token. Whoever checks it must not trust it."},
	{"nonce", "Microsoft Graph's own protection: only Graph can check the signature of its tokens."},
	{"crit", "What a reader must understand, or else refuse the token."},
	{"zip", "How the content was compressed."},
	{"b64", "Whether the content is in base64."},
	{"iat", "When the token was made."},
}

var timeClaims = []string{"iat", "nbf", "exp", "auth_time", "xms_tcdt"}

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

// Member is a member of a token's header or payload that was taken out of it
// already.
type Member struct {
	Name string
	JSON string // its value; what is no JSON is shown as it came
}

// DescribeMembers says what the members of a token's payload, or of its header, are:
// those with a meaning first.
func DescribeMembers(members []Member, header bool) []Claim {
	if header {
		return claimsOf(members, headerOf)
	}
	return claimsOf(members, meaningOf)
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
	var members []Member
	object.ForEach(func(name, value gjson.Result) bool {
		members = append(members, Member{name.String(), value.Raw})
		return true
	})
	return claimsOf(members, meaningOf), nil
}

// claimsOf lists the members of a token's header or payload: those with a
// meaning in the order of their table, then the others by name. What stands there
// twice is listed twice.
func claimsOf(members []Member, known map[string]place) []Claim {
	var claims []Claim
	others := 0
	for _, m := range members {
		at, there := known[m.Name]
		if !there {
			if others++; others > claimLimit {
				continue
			}
		}
		if len(claims) > 2*claimLimit {
			break
		}
		c := Claim{Name: shorten(m.Name, nameLimit), Value: display(m.JSON), Meaning: at.text, raw: m.JSON}
		if slices.Contains(timeClaims, m.Name) {
			c.number = numberOf(m.JSON)
			c.Time = secondsTime(c.number)
		}
		claims = append(claims, c)
	}
	slices.SortStableFunc(claims, func(a, b Claim) int { return byPlace(a.Name, b.Name, known) })
	return claims
}

// byPlace orders claims: those of a table as they stand there, then the others by
// name.
func byPlace(a, b string, table map[string]place) int {
	x, known1 := table[a]
	y, known2 := table[b]
	switch {
	case known1 && known2:
		return x.index - y.index
	case known1:
		return -1
	case known2:
		return 1
	}
	return strings.Compare(a, b)
}

// place is where a claim stands in its table, and what it means.
type place struct {
	index int
	text  string
}

func places(table []meaning) map[string]place {
	m := make(map[string]place, len(table))
	for i, one := range table {
		m[one.name] = place{i, one.text}
	}
	return m
}

var meaningOf, headerOf = places(meanings), places(headerMeanings)

// display shows text as it is, a list with commas, the rest as the JSON it is.
func display(raw string) string {
	if !gjson.Valid(raw) {
		return shorten(raw, valueLimit)
	}
	text := raw
	switch raw[0] {
	case '"':
		text = unquote(raw)
	case '[':
		var items []string
		gjson.Parse(raw).ForEach(func(_, item gjson.Result) bool {
			if item.Type == gjson.String {
				items = append(items, unquote(item.Raw))
			} else {
				items = append(items, item.Raw)
			}
			return true
		})
		text = strings.Join(items, ", ")
	}
	return shorten(text, valueLimit)
}

// plainNumber is a number, or a text of one, that can be a time.
var plainNumber = regexp.MustCompile(`^"?(\d{1,20}(\.\d+)?([eE]\+?\d{1,2})?)"?$`)

// numberOf returns the number of a claim that is a time, 0 for none.
func numberOf(raw string) float64 {
	found := plainNumber.FindStringSubmatch(raw)
	if found == nil {
		return 0
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return 0
	}
	return n
}

// secondsTime returns the time of a NumericDate (RFC 7519 §2), zero for what can
// be none.
func secondsTime(n float64) time.Time {
	if n <= 0 || n > 1<<36 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

// timeOf returns the time of a claim, zero for a claim that is none.
func timeOf(name string, value gjson.Result) time.Time {
	if !slices.Contains(timeClaims, name) {
		return time.Time{}
	}
	return secondsTime(numberOf(value.Raw))
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
