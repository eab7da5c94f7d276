package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"azts.internal/portal/internal/apperr"
)

// identityRetries are those of entra.md §9.1, for what passes by itself: five, none
// at once, with pauses of about 2, 6, 14, 30 and 60 seconds. Five tries with the
// first among them would end after 52 seconds, and an update takes 70; 60 is the
// longest pause that the table allows. Azure's own defaults differ: azidentity tries
// six times with at most 25 seconds between, and outside of virtual machines not at
// all for 404 and 410.
var identityRetries = policy.RetryOptions{
	MaxRetries:    5,
	RetryDelay:    2 * time.Second,
	MaxRetryDelay: time.Minute,
	TryTimeout:    20 * time.Second,
	StatusCodes: []int{
		http.StatusNotFound,        // the endpoint is being updated
		http.StatusRequestTimeout,  //
		http.StatusGone,            // updated, for up to 70 seconds
		http.StatusTooManyRequests, //
		http.StatusInternalServerError, http.StatusNotImplemented, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, http.StatusHTTPVersionNotSupported, http.StatusVariantAlsoNegotiates, http.StatusInsufficientStorage,
		http.StatusLoopDetected, http.StatusNotExtended, http.StatusNetworkAuthenticationRequired,
	},
}

// IdentityLimit is how long [ManagedIdentity.Token] may take: the pauses of the
// table, at most 128 seconds with their spread, and what is asked between them. An
// update of the endpoint takes 70 seconds, so that only the last try may succeed.
const IdentityLimit = 135 * time.Second

// SystemIdentity is the configuration's name of the identity that lives and dies
// with the machine.
const SystemIdentity = "system"

// ManagedIdentity is the identity that Azure gives to the machine that this
// program runs on (entra.md §9). It is the portal's own power: who may use it is
// for its callers to decide. It is safe for concurrent use.
type ManagedIdentity struct {
	clientID  string // "" for the system's
	transport policy.Transporter
	now       func() time.Time

	mu         sync.Mutex
	credential *azidentity.ManagedIdentityCredential
}

// NewManagedIdentity returns the machine's identity: [SystemIdentity] or the
// client id of one that was assigned. transport may be nil. It asks nothing yet.
func NewManagedIdentity(name string, transport policy.Transporter, now func() time.Time) (*ManagedIdentity, error) {
	if name != SystemIdentity && !IsGUID(name) {
		return nil, fmt.Errorf("entra: managed identity %q is neither %q nor a client id", clip(name), SystemIdentity)
	}
	m := &ManagedIdentity{clientID: name, transport: transport, now: now}
	if name == SystemIdentity {
		m.clientID = ""
	}
	return m, nil
}

// ClientID returns which identity it is; "" for the system's.
func (m *ManagedIdentity) ClientID() string { return m.clientID }

var (
	errIdentityUpdating = apperr.New(apperr.Timeout, "identity_updating", "The identity endpoint of this machine is being updated, or has too much to do.").
				WithNext(apperr.MenderPerson, "Wait a minute and try again. An update takes up to 70 seconds.").WithRetry()
	errIdentityAbsent = apperr.New(apperr.Unavailable, "identity_absent", "No identity endpoint answers on this machine.").
				WithNext(apperr.MenderDeveloper, "Whoever runs this portal checks that it runs in Azure and has a managed identity.")
	errIdentityRefused = apperr.New(apperr.BadGateway, "identity_refused", "The identity endpoint of this machine refuses.").
				WithNext(apperr.MenderDeveloper, "Whoever runs this portal checks that the identity is assigned to the machine, and that the API exists in the tenant.")
	errIdentityExpired = apperr.New(apperr.BadGateway, "identity_expired", "The identity endpoint of this machine gave a token that has expired.").
				WithNext(apperr.MenderPerson, "Try again in a minute. If it stays, tell whoever runs this portal: the machine's clock may be wrong.").WithRetry()
)

// Token returns a token of the machine's for a resource, <App ID URI>/.default.
// What passes by itself is tried again as entra.md §9.1 says, no longer than ctx.
// Azure's own library keeps the token until shortly before its end.
func (m *ManagedIdentity) Token(ctx context.Context, scope string) (*TokenSet, error) {
	return m.token(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
}

// FreshToken is Token past what the library keeps, so that the endpoint is asked. It
// may still answer with a token that it keeps itself.
func (m *ManagedIdentity) FreshToken(ctx context.Context, scope string) (*TokenSet, error) {
	// Claims say that a kept token was refused. They are not sent: the endpoint knows
	// none.
	return m.token(ctx, policy.TokenRequestOptions{Scopes: []string{scope}, Claims: "{}"})
}

func (m *ManagedIdentity) token(ctx context.Context, ask policy.TokenRequestOptions) (*TokenSet, error) {
	credential, err := m.open()
	if err != nil {
		return nil, errIdentityAbsent.Because(err)
	}
	token, err := credential.GetToken(ctx, ask)
	switch {
	case ctx.Err() != nil: // the library does not say so
		return nil, errIdentityUpdating.Because(ctx.Err())
	case err != nil:
		return nil, identityError(err)
	}
	now := m.now()
	if !now.Before(token.ExpiresOn) {
		// IMDS keeps tokens itself and may give one that has ended (entra.md §9.1).
		return nil, errIdentityExpired.Becausef("expired at %v", token.ExpiresOn)
	}
	return &TokenSet{AccessToken: token.Token, Scopes: ask.Scopes, ReceivedAt: now, ExpiresAt: token.ExpiresOn}, nil
}

// open makes the credential once it is needed: it looks at the environment for
// which kind of machine this is.
func (m *ManagedIdentity) open() (*azidentity.ManagedIdentityCredential, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.credential != nil {
		return m.credential, nil
	}
	options := &azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: azcore.ClientOptions{Retry: identityRetries, Transport: m.transport, Telemetry: policy.TelemetryOptions{Disabled: true}}}
	if m.clientID != "" {
		options.ID = azidentity.ClientID(m.clientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(options)
	if err != nil {
		return nil, err
	}
	m.credential = credential
	return credential, nil
}

// identityError tells what passes from what stays. The library's error holds the
// endpoint's answer, which has no token in it.
func identityError(err error) *apperr.Error {
	var answer *azidentity.AuthenticationFailedError
	switch {
	case errors.As(err, &answer) && answer.RawResponse != nil:
		for _, status := range identityRetries.StatusCodes {
			if answer.RawResponse.StatusCode == status {
				return errIdentityUpdating.Becausef("status %d", status)
			}
		}
		return errIdentityRefused.Becausef("status %d", answer.RawResponse.StatusCode)
	case strings.Contains(err.Error(), "failed to authenticate a system assigned identity"):
		// The library gives this one no type: a 400 of IMDS.
		return errIdentityRefused.Becausef("status 400, no such identity")
	}
	return errIdentityAbsent.Becausef("%s", clip(err.Error()))
}
