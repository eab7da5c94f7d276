package entra

import "encoding/json"

// InspectWord is what the inspector says to a code. {about} in the text stands
// for what the code is about.
type InspectWord struct {
	Tone  string `json:"tone"` // info, success, warning or error
	Title string `json:"title"`
	Text  string `json:"text"`
}

// InspectWords are the inspector's words by code, for the server and for the
// script: first why a token cannot be read, then remarks, then what became of the
// signature.
var InspectWords = map[string]InspectWord{
	"empty":      {"info", "Nothing to decode", "Paste a token into the field."},
	"too_large":  {"error", "Too large", "This has {about} bytes. Tokens have at most a few thousand, and the inspector reads no more than 65,536."},
	"one_part":   {"error", "Not a JWT", "There is no dot in it, and a JWT has two. It may be an opaque token or a refresh token, which only its issuer can read, or a secret. If it is a secret, do not paste it anywhere."},
	"two_parts":  {"error", "A part is missing", "There are two parts, and a JWT has three with two dots between them. The end may have been cut off when it was copied. Entra's refresh tokens have two parts as well: only Entra can read them, and nobody should paste one."},
	"many_parts": {"error", "Not a JWT", "There are {about} parts with dots between them. A signed token has three, an encrypted one five."},
	"encrypted":  {"warning", "Encrypted", "This token is encrypted (JWE): only whom it is for can read it. Its header is below; the rest cannot be shown by anyone else."},
	"nested":     {"warning", "A token within a token", "The header says that another token is inside (cty JWT). It stands below as the content: paste that one to read it."},

	"header_not_base64":  {"error", "Not a JWT", "The first part is not in base64url, so there is no header to read. Something else was copied, or a piece of it is missing."},
	"header_not_utf8":    {"error", "Not a JWT", "The first part does not hold text (it is not valid UTF-8), so there is no header to read."},
	"header_not_json":    {"error", "Not a JWT", "The first part is not JSON, so there is no header to read. Something else was copied, or its beginning is missing."},
	"header_too_deep":    {"error", "Not shown", "The header is nested too deeply to be one of a token."},
	"header_array":       {"error", "Not a JWT", "The header is a JSON list, and it has to be a JSON object."},
	"header_not_object":  {"error", "Not a JWT", "The header is JSON but no object."},
	"payload_not_base64": {"error", "The content is damaged", "The second part is not in base64url. Something was changed or left out when it was copied. The header is below."},
	"payload_not_utf8":   {"error", "The content is not text", "The second part is not valid UTF-8: it is damaged, or compressed. The header is below."},
	"payload_not_json":   {"error", "The content is not JSON", "The second part is no JSON, so there are no claims. It may be a signed text of another kind. The header is below."},
	"payload_too_deep":   {"error", "Not shown", "The content is nested too deeply to be one of a token. The header is below."},
	"payload_array":      {"error", "No claims", "The content is a JSON list. Claims stand in a JSON object, so programs refuse this token. The header is below."},
	"payload_not_object": {"error", "No claims", "The content is JSON but no object, so there are no claims. The header is below."},

	"duplicate":        {"warning", "Twice the same claim", "{about} stands in it more than once. Programs read different ones: do not trust this token."},
	"header_duplicate": {"warning", "Twice the same header", "{about} stands in the header more than once. Programs read different ones: do not trust this token."},
	"milliseconds":     {"warning", "Milliseconds", "{about} is in milliseconds, and the standard wants seconds. Programs that keep to it read a year tens of thousands away. The time shown is the one that was probably meant."},

	"sig_good":           {"success", "Signature: good", "Made by {about} and not changed since. Whether it has expired, and whom it is for, is another question."},
	"sig_wrong":          {"error", "Signature: wrong", "{about} did not sign this. The token was changed, or somebody else made it."},
	"sig_key_unknown":    {"warning", "Signature: key unknown", "The key that is named (kid) is none of the keys that {about} publishes. The token is old, from another cloud, or made up."},
	"sig_key_later":      {"info", "Signature: not looked up now", "Too many keys were asked for that {about} does not have, so its keys rest for a moment. Try again in a minute."},
	"sig_issuer_foreign": {"info", "Signature: not checked", "The issuer {about} is not ours and not on the list of whoever runs this portal. Its keys are not fetched: addresses in a token are never opened."},
	"sig_issuer_missing": {"info", "Signature: not checked", "The token does not say who made it (iss), so there is no key to check it with."},
	"sig_keys_away":      {"warning", "Signature: not checked", "The keys of {about} cannot be fetched at the moment. Try again in a minute."},
	"sig_none":           {"error", "Signature: none", "The token is not signed (alg none): anyone can have written it. Programs must refuse it."},
	"sig_hmac":           {"info", "Signature: cannot be checked by others", "It is signed with a shared secret ({about}). Only who has the secret can check it, and who can check it could have made it."},
	"sig_malformed":      {"error", "Signature: missing or damaged", "The third part is empty or not in base64url, or the header is ambiguous. Programs must refuse this token."},
	"sig_graph":          {"info", "Signature: only Graph can check it", "The token is for Microsoft Graph, which protects its tokens in a way of its own (nonce in the header). It looks wrong to everybody else and is not."},
	"sig_alg":            {"info", "Signature: not checked", "The algorithm {about} is none that can be checked here."},
	"sig_crit":           {"info", "Signature: not checked", "The header demands something that is not understood here (crit)."},
	"sig_unreadable":     {"info", "Signature: not checked", "What cannot be read wholly cannot be checked."},
	"sig_unchecked":      {"info", "Signature: not checked yet", "To check it, the portal is asked for the issuer's public keys. The token stays in this browser."},
	"sig_failed":         {"warning", "Signature: not checked", "The keys could not be fetched from the portal. Try again, or reload the page."},
}

// inspectData is what the script needs to decode as the server does.
type inspectData struct {
	Claims     [][2]string            `json:"claims"` // name and meaning, in the order they are shown
	Headers    [][2]string            `json:"headers"`
	Times      []string               `json:"times"`
	Words      map[string]InspectWord `json:"words"`
	Algorithms []string               `json:"algorithms"`
	Graph      []string               `json:"graph"`
	MaxBytes   int                    `json:"maxBytes"`
	MaxDepth   int                    `json:"maxDepth"`
	MaxNotes   int                    `json:"maxNotes"`
	MaxClaims  int                    `json:"maxClaims"`
	MaxName    int                    `json:"maxName"`
	MaxValue   int                    `json:"maxValue"`
}

// InspectData returns the tables and words of the inspector as JSON, so that the
// script in the browser says what the server says.
var InspectData = func() string {
	rows := func(table []meaning) [][2]string {
		out := make([][2]string, len(table))
		for i, m := range table {
			out[i] = [2]string{m.name, m.text}
		}
		return out
	}
	b, err := json.Marshal(inspectData{Claims: rows(meanings), Headers: rows(headerMeanings), Times: timeClaims, Words: InspectWords,
		Algorithms: verifiable, Graph: graphAudiences, MaxBytes: MaxInspected, MaxDepth: maxNesting, MaxNotes: maxNotes,
		MaxClaims: claimLimit, MaxName: nameLimit, MaxValue: valueLimit})
	if err != nil {
		panic("entra: " + err.Error()) // texts and numbers only
	}
	return string(b)
}()
