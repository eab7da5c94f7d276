package flows

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"azts.internal/portal/internal/entra"
)

// answered is an answer of the token endpoint that was read by hand: of flows
// that the portal itself never does.
type answered struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	DeviceCode   string `json:"device_code"`
	UserCode     string `json:"user_code"`
	Address      string `json:"verification_uri"`
	Interval     int    `json:"interval"`
	ExpiresIn    int    `json:"expires_in"`

	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Suberror      string `json:"suberror"`
	Codes         []int  `json:"error_codes"`
	CorrelationID string `json:"correlation_id"`
	TraceID       string `json:"trace_id"`
	Claims        string `json:"claims"`
}

// parseAnswer reads an answer of a token or device endpoint; a refusal becomes the
// error that sign-in would have for it.
func parseAnswer(status int, body []byte) (answered, error) {
	var a answered
	if err := json.Unmarshal(body, &a); err != nil {
		return a, &Refusal{By: Tenant, Code: fmt.Sprint(status), Text: "The answer is not the JSON that was expected."}
	}
	if a.Error != "" {
		return a, entra.ParseError(entra.ProviderError{OAuthError: a.Error, Description: a.Description, Subcode: a.Suberror, Codes: a.Codes,
			CorrelationID: a.CorrelationID, TraceID: a.TraceID, Claims: a.Claims, Status: status})
	}
	return a, nil
}

// post sends a form to an endpoint of the tenant, such as token.
func (r *labRun) post(ctx context.Context, from Party, endpoint string, form url.Values) (answered, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.box.Origin+"/"+r.box.TenantID+"/oauth2/v2.0/"+endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return answered{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := r.client(from).Do(request)
	if err != nil {
		return answered{}, err
	}
	body, err := readBody(response)
	if err != nil {
		return answered{}, err
	}
	return parseAnswer(response.StatusCode, body)
}

// fetch gets something of the box.
func (r *labRun) fetch(ctx context.Context, from Party, address string, header http.Header) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := r.client(from).Do(request)
	if err != nil {
		return 0, nil, err
	}
	body, err := readBody(response)
	return response.StatusCode, body, err
}

var bearerPart = regexp.MustCompile(`(\w+)="([^"]*)"`)

// call calls an API with a token. A refusal is the API's.
func (r *labRun) call(ctx context.Context, from Party, method, address, token, body string) error {
	var content *strings.Reader
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if body != "" {
		content = strings.NewReader(body)
		request, err = http.NewRequestWithContext(ctx, method, address, content)
	}
	if err != nil {
		return err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := r.client(from).Do(request)
	if err != nil {
		return err
	}
	if _, err := readBody(response); err != nil {
		return err
	}
	if response.StatusCode < 400 {
		return nil
	}
	refusal := &Refusal{By: r.boxParty(request.URL.Path), Code: fmt.Sprint(response.StatusCode), Text: "The API refuses."}
	challenge := map[string]string{}
	for _, part := range bearerPart.FindAllStringSubmatch(response.Header.Get("WWW-Authenticate"), -1) {
		challenge[part[1]] = part[2]
	}
	refusal.Code = cmp.Or(challenge["error"], refusal.Code)
	refusal.Text = cmp.Or(challenge["error_description"], refusal.Text)
	if claims, err := base64.StdEncoding.DecodeString(challenge["claims"]); err == nil && len(claims) > 0 {
		return &challenged{Refusal: refusal, claims: string(claims)}
	}
	return refusal
}

// challenged is a refusal that says what would be enough (entra.md §6.1).
type challenged struct {
	*Refusal
	claims string
}

func (e *challenged) Unwrap() error { return e.Refusal }

// callAzTS asks AzTS for the summary of one subscription.
func (r *labRun) callAzTS(ctx context.Context, from Party, token string) error {
	return r.call(ctx, from, http.MethodPost, r.box.AzTSURL+"/ComplianceSummary/search", token, `{"SubscriptionIDList":["`+r.box.Subscription+`"]}`)
}

// callScan asks AzTS as a service does.
func (r *labRun) callScan(ctx context.Context, token string) error {
	return r.call(ctx, Script, http.MethodPost, r.box.AzTSURL+"/adhocscan/RequestScan?api-version=1.0", token, `{"SubscriptionIDList":["`+r.box.Subscription+`"]}`)
}

// tampered returns a token with one letter changed inside.
func tampered(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return token
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return token
	}
	text := string(payload)
	for _, claim := range []string{`"name":"`, `"jti":"`, `"oid":"`} {
		if i := strings.Index(text, claim); i >= 0 && i+len(claim) < len(text) {
			i += len(claim)
			letter := byte('X')
			if text[i] == letter {
				letter = 'Y'
			}
			text = text[:i] + string(letter) + text[i+1:]
			break
		}
	}
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(text))
	return strings.Join(parts, ".")
}

// formOf builds a form of name and value pairs.
func formOf(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// slowClock says what the clock of a check shows that is behind.
func slowClock(shows time.Time) string {
	return "The portal's clock showed " + shows.UTC().Format("15:04:05") + " UTC in this run, ten minutes slow: for it the token comes from the future."
}

// tenMinutes is how far a clock is off that is to be refused.
const tenMinutes = 10 * time.Minute
