package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/azts"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/internal/graph"
)

const (
	onDemandFlag  = "FeatureManagement__OnDemandScanAPI"
	clientSetting = "AADClientAppDetails__ClientId"
	webAPIName    = "AzSK-AzTS-WebApi-…"
	webAPIPlace   = "Azure portal › App Services › " + webAPIName + " › Settings › Environment variables"

	// nowhere is a subscription that nobody has: AzTS leaves it out of its answer.
	nowhere = "00000000-0000-0000-0000-000000000000"
)

// probe opens an address without any token and returns the status of the answer.
func (d *Doctor) probe(ctx context.Context, method, address, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/json")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can serve again
	return resp.StatusCode, nil
}

// whyUnreachable says in words why there was no answer.
func whyUnreachable(err error) string {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		return "its name cannot be looked up (DNS)"
	case errors.As(err, &certificate):
		return "its TLS certificate is not trusted here"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "it does not answer in time"
	}
	return "no connection can be opened"
}

// azts looks at the AzTS Web API: its address, then its feature with the person's token.
func (x *examination) azts(ctx context.Context) []Check {
	if x.cfg.AzTSURL == "" {
		return []Check{Check{ID: "azts_address", Group: AzTS, Title: "Address of the Web API", Place: "PORTAL_AZTS_URL"}.unknown("No AzTS is configured.")}
	}
	address := x.aztsAddress(ctx)
	if x.visit.Source == nil || x.cfg.AzTS == nil {
		return []Check{address}
	}
	return []Check{address, x.aztsFeature(ctx)}
}

func (x *examination) aztsAddress(ctx context.Context) Check {
	c := Check{ID: "azts_address", Group: AzTS, Title: "Address of the Web API", Place: "PORTAL_AZTS_URL"}
	status, err := x.probe(ctx, http.MethodPost, x.cfg.AzTSURL+"/ComplianceSummary/search", "{}")
	at := x.cfg.AzTSURL
	const compare = "Compare the address with the one of the App Service " + webAPIName + "."
	switch {
	case err != nil:
		return c.bad(at+" cannot be reached: "+whyUnreachable(err)+".", apperr.MenderDeveloper, compare+" Then check that the portal may open connections to it.")
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return c.good(at + " answers, and asks for a token, as it should.")
	case status == http.StatusNotFound:
		return c.warn(at+" answers 404: there is no AzTS Web API, or its REST API is off.", apperr.MenderAdmin, compare+" Then look at the feature flag "+onDemandFlag+".")
	case status/100 == 3:
		return c.warn(at+" sends its visitors to another address.", apperr.MenderAdmin, compare+" If the App Service asks for a sign-in of its own (Authentication), it has to let requests with a token through.")
	case status == http.StatusTooManyRequests:
		return c.warn(at+" answers that it has too much to do.", apperr.MenderAdmin, "Look again in a minute.")
	case status >= 500:
		return c.warn(fmt.Sprintf("%s answers with the error %d.", at, status), apperr.MenderAdmin, "Look at the log of the App Service "+webAPIName+".")
	}
	return c.warn(fmt.Sprintf("%s answers %d to somebody without a token; AzTS answers 401.", at, status), apperr.MenderAdmin, compare)
}

func (x *examination) aztsFeature(ctx context.Context) Check {
	c := Check{ID: "azts_feature", Group: AzTS, Title: "REST API switched on", Place: webAPIPlace}
	_, err := x.cfg.AzTS.Summaries(ctx, x.visit.Source, []string{nowhere}, nil)
	var need *entra.InteractionRequired
	var challenge *azts.ChallengeError
	switch {
	case err == nil:
		return c.good("AzTS answers a call with your token: the feature is on, and your token is for the right API.")
	case errors.As(err, &need), errors.As(err, &challenge):
		c.Next, c.Mender = "Ask for a token of AzTS on the page Tokens; then check again.", apperr.MenderPerson
		return c.unknown("The company sign-in wants to see you before it gives you a token for AzTS.")
	case apperr.HasCode(err, "azts_off"):
		return c.bad("AzTS answers 404 to a good token: its REST API is off.", apperr.MenderAdmin, "Set "+onDemandFlag+" to true and restart the App Service.")
	case apperr.HasCode(err, "token_refused"):
		return c.bad("AzTS does not accept a token for "+x.cfg.AzTSScope+".", apperr.MenderAdmin,
			"Compare the client id in that scope with the setting "+clientSetting+" of the App Service. Then look whether this machine's clock is right.")
	case apperr.IsKind(err, apperr.Forbidden):
		return c.good("AzTS answers: the feature is on. It sees no role of yours, which is no fault of the set-up.")
	case apperr.HasCode(err, "azts_bad_request"):
		return c.good("AzTS answers: the feature is on.")
	case apperr.IsKind(err, apperr.TooMany):
		c.Next, c.Mender = "Look again in a minute.", apperr.MenderPerson
		return c.unknown("AzTS has too much to do at the moment.")
	case apperr.IsKind(err, apperr.Unavailable), apperr.IsKind(err, apperr.Timeout), apperr.IsKind(err, apperr.BadGateway):
		return c.bad(words(err), apperr.MenderAdmin, "Look at the log of the App Service "+webAPIName+".")
	}
	return c.unknown(words(err))
}

// services looks whether Azure Resource Manager and Microsoft Graph can be reached.
func (x *examination) services(ctx context.Context) []Check {
	type service struct{ id, name, address, path, setting string }
	var asked []service
	if x.cfg.ARMURL != "" {
		asked = append(asked, service{"arm", "Azure Resource Manager", x.cfg.ARMURL, "/subscriptions?api-version=2022-12-01", "PORTAL_ARM_URL or PORTAL_CLOUD"})
	}
	if x.cfg.GraphURL != "" {
		asked = append(asked, service{"graph", "Microsoft Graph", x.cfg.GraphURL, "/me", "PORTAL_GRAPH_URL or PORTAL_CLOUD"})
	}
	checks := make([]Check, len(asked))
	done := make(chan struct{}, len(asked))
	for i, s := range asked {
		go func() {
			defer func() { done <- struct{}{} }()
			c := Check{ID: s.id, Group: Services, Title: s.name, Place: s.setting}
			status, err := x.probe(ctx, http.MethodGet, s.address+s.path, "")
			switch {
			case err != nil:
				checks[i] = c.bad(s.address+" cannot be reached: "+whyUnreachable(err)+".", apperr.MenderDeveloper, "Check that the portal may open connections to it.")
			case status == http.StatusUnauthorized || status == http.StatusForbidden:
				checks[i] = c.good(s.address + " answers, and asks for a token, as it should.")
			case status == http.StatusTooManyRequests, status >= 500:
				checks[i] = c.warn(fmt.Sprintf("%s answers with the error %d.", s.address, status), apperr.MenderPerson, "Look again in a minute.")
			default:
				checks[i] = c.warn(fmt.Sprintf("%s answers %d to somebody without a token; 401 was expected.", s.address, status), apperr.MenderDeveloper, "Check the setting: something else seems to answer there.")
			}
		}()
	}
	for range asked {
		<-done
	}
	return checks
}

// directoryProblem says why Graph did not tell.
func directoryProblem(c Check, err error) Check {
	var need *entra.InteractionRequired
	var challenge *graph.ChallengeError
	switch {
	case errors.As(err, &need), errors.As(err, &challenge):
		c.Allow = true
		c.Next, c.Mender = "Allow it, and come back to this page.", apperr.MenderPerson
		return c.unknown("You have not let this portal read the directory in your name.")
	case apperr.HasCode(err, graph.CodeDenied):
		c.Next, c.Mender = "Somebody with a directory role such as Global Reader or Application Administrator can look.", apperr.MenderAdmin
		return c.unknown("Your account may not read this in the directory: Microsoft Graph refuses.")
	case apperr.IsKind(err, apperr.NotFound):
		c.Next, c.Mender = "Ask the owner of the registration.", apperr.MenderAdmin
		return c.unknown("It is registered in another organization, which alone can see the registration.")
	}
	return c.unknown(words(err))
}
