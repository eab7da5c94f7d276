package sandbox

import (
	"crypto/rand"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The device authorization grant (RFC 8628; entra.md §4.6).
const (
	// DeviceCodeLifetime is how long a person has to enter a user code.
	DeviceCodeLifetime = 15 * time.Minute
	// DeviceInterval is how long a device is to wait between two polls.
	DeviceInterval = 5 * time.Second
	// DevicePath is where a person enters a user code, below the origin. There
	// is no link that fills the code in: a stranger could send it (RFC 8628 §5.4).
	DevicePath = "/devicelogin"

	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
	deviceGrantV1 = "device_code" // v1 names the device code "code"

	maxDeviceCodes = 1_000
)

// userCodeLetters are what user codes are made of: no vowels, so that no words
// come out, and nothing that looks like something else (RFC 8628 §6.1). Nine of
// them make some 10^13 codes.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ2345679"
	userCodeLength  = 9
)

var _ = declare("Device code",
	faultSpec{name: "device.pending", does: "Polls are told to wait although the person has answered."},
	faultSpec{name: "device.slow_down", does: "Polls are told to slow down."},
	faultSpec{name: "device.declined", does: "Polls are told that the person declined."},
	faultSpec{name: "device.expired", does: "Polls are told that the code has expired."},
)

// deviceState is how far a device sign-in has come.
type deviceState uint8

const (
	devicePending deviceState = iota
	deviceApproved
	deviceDeclined
	deviceRedeemed
)

// deviceCode is one device that waits for a person. What changes is guarded by
// s.mu.
type deviceCode struct {
	userCode string
	request  *authorizeRequest
	issued   time.Time
	state    deviceState
	auth     authentication // once approved
	revoked  bool           // the person's sessions ended before it was redeemed
}

func (d *deviceCode) expired(now time.Time) bool { return now.Sub(d.issued) > DeviceCodeLifetime }

// deviceRoutes mounts the endpoint for devices and the pages for people.
func (t *tenant) deviceRoutes(own, mux *http.ServeMux, form func(http.HandlerFunc) http.Handler) {
	own.HandleFunc("/{tenant}/oauth2/devicecode", t.serveDeviceCode(1))
	own.HandleFunc("/{tenant}/oauth2/v2.0/devicecode", t.serveDeviceCode(2))
	mux.HandleFunc("GET "+DevicePath, t.serveDevicePage)
	mux.Handle("POST "+DevicePath, form(t.serveUserCode))
}

// serveDeviceCode gives a device its two codes (RFC 8628 §3.2). The client
// proves itself only when it polls.
func (t *tenant) serveDeviceCode(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.writeError(w, r, t.fail(900561))
			return
		}
		request, failed := t.readDeviceRequest(w, r, version)
		if failed != nil {
			t.writeError(w, r, failed)
			return
		}
		device := &deviceCode{request: request, issued: t.s.now()}
		request.device = device
		secret := randomText(200)
		t.s.mu.Lock()
		for device.userCode == "" || t.userCodeTaken(device.userCode) { // of 10^13 a thousand are taken at most
			device.userCode = newUserCode()
		}
		t.devices.put(secret, device)
		t.userCodes.put(device.userCode, device)
		t.s.mu.Unlock()
		t.writeDeviceCode(w, version, secret, device.userCode)
	}
}

// userCodeTaken says whether somebody waits with a user code. s.mu must be held.
func (t *tenant) userCodeTaken(code string) bool {
	_, taken := t.userCodes.get(code)
	return taken
}

func (t *tenant) writeDeviceCode(w http.ResponseWriter, version int, secret, userCode string) {
	page := t.s.options.Origin + DevicePath
	lifetime, interval := int(DeviceCodeLifetime/time.Second), int(DeviceInterval/time.Second)
	document := map[string]any{"user_code": userCode, "device_code": secret,
		"message": "To sign in, use a web browser to open the page " + page + " and enter the code " + userCode + " to authenticate."}
	if version == 1 {
		document["verification_url"] = page
		document["expires_in"], document["interval"] = strconv.Itoa(lifetime), strconv.Itoa(interval)
	} else {
		document["verification_uri"] = page
		document["expires_in"], document["interval"] = lifetime, interval
	}
	writeJSON(w, http.StatusOK, document)
}

// readDeviceRequest reads what a device asks for.
func (t *tenant) readDeviceRequest(w http.ResponseWriter, r *http.Request, version int) (*authorizeRequest, *protocolError) {
	at, known := authorityOf(r.PathValue("tenant"))
	if !known {
		return nil, t.fail(90002, r.PathValue("tenant"))
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/x-www-form-urlencoded" {
		return nil, t.fail(900144, "client_id") // nothing that could be read
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		return nil, t.fail(9002313)
	}
	form, failed := t.singleValues(r.PostForm.Encode())
	if failed != nil {
		return nil, failed
	}
	clientID := form.Get("client_id")
	app := t.app(clientID)
	switch {
	case clientID == "":
		return nil, t.fail(900144, "client_id")
	case app == nil || !app.multiTenant && !at.multi() && at.tid != TenantID:
		return nil, t.fail(700016, clientID)
	case app.disabled:
		return nil, t.fail(7000112, clientID)
	case at.multi() && !app.multiTenant:
		return nil, t.fail(50194, clientID)
	}
	// Whoever enters the code says who they are, whoever is signed in there: a
	// session must not answer for a device that somebody else may hold.
	request := &authorizeRequest{version: version, at: at, app: app, prompt: "select_account"}
	if failed := t.checkScopes(request, form); failed != nil {
		return nil, failed
	}
	demand, ok := parseClaims(form.Get("claims"))
	if !ok {
		return nil, t.fail(90023, "the claims parameter is not JSON of the right shape")
	}
	request.demand = demand
	return request, nil
}

// redeemDeviceCode answers a poll (RFC 8628 §3.5).
func (t *tenant) redeemDeviceCode(request *tokenRequest) (*tokenResponse, *protocolError) {
	name := "device_code"
	if request.form.Get("grant_type") == deviceGrantV1 {
		name = "code"
	}
	sent := request.form.Get(name)
	if sent == "" {
		return nil, t.fail(900144, name)
	}
	if failed := t.spoilPoll(); failed != nil {
		return nil, failed
	}
	device, failed := t.takeDevice(request, sent)
	if failed != nil {
		return nil, failed
	}
	return t.issueAll(request, device.request.asked, device.auth, device.request.demand.capable)
}

// spoilPoll does what the faults demand.
func (t *tenant) spoilPoll() *protocolError {
	on := func(name string) bool { _, on := t.s.faults.take("device." + name); return on }
	switch {
	case on("pending"):
		return t.fail(70016)
	case on("slow_down"):
		return unnumbered("slow_down", "The device polls too often.")
	case on("declined"):
		return deviceRefusal()
	case on("expired"):
		return t.fail(70020)
	}
	return nil
}

// deviceRefusal is what a device learns when the person said no.
func deviceRefusal() *protocolError {
	return unnumbered("authorization_declined", "The person declined on the other device.")
}

// unnumbered is an answer to a poll for which entra.md §4.6 names no number: a
// program tells it by its error alone.
func unnumbered(name, text string) *protocolError {
	return &protocolError{err: name, text: text, status: http.StatusBadRequest}
}

// takeDevice checks a poll and uses the device code up if the person has agreed.
// A client learns nothing of another client's code.
func (t *tenant) takeDevice(request *tokenRequest, sent string) (deviceCode, *protocolError) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	device, there := t.devices.get(sent)
	switch {
	case !there || device.request.app != request.app:
		return deviceCode{}, t.fail(70018)
	case device.request.at != request.at:
		return deviceCode{}, t.fail(700005)
	case device.state == deviceRedeemed:
		return deviceCode{}, t.fail(54005)
	case device.expired(t.s.now()):
		return deviceCode{}, t.fail(70020)
	case device.state == deviceDeclined:
		return deviceCode{}, deviceRefusal()
	case device.state == devicePending:
		return deviceCode{}, t.fail(70016)
	case device.revoked:
		return deviceCode{}, t.fail(50173)
	}
	device.state = deviceRedeemed
	return *device, nil
}

// issueAll mints everything that a grant without an authorization code gives:
// the access token for the first resource asked for, an ID token for openid, a
// refresh token for offline_access.
func (t *tenant) issueAll(request *tokenRequest, before scopeRequest, auth authentication, capable bool) (*tokenResponse, *protocolError) {
	asked, failed := t.askedAtToken(request, before)
	if failed != nil {
		return nil, failed
	}
	if len(asked.targets) > 1 && request.form.Has("scope") {
		return nil, t.fail(700022, request.form.Get("scope"))
	}
	response, failed := t.issue(request, asked, auth, capable)
	if failed != nil {
		return nil, failed
	}
	if asked.wants("openid") {
		response.idToken = t.mintIDToken(idToken{app: request.app, auth: auth, scopes: asked.openID, version: request.version})
	}
	if asked.wants("offline_access") {
		response.refreshToken = t.putRefreshToken(request.app, asked, auth)
	}
	return response, nil
}

// newUserCode returns a random user code.
func newUserCode() string {
	const fair = 256 / len(userCodeLetters) * len(userCodeLetters) // above it some letters would come more often
	code := make([]byte, 0, userCodeLength)
	var raw [1]byte
	for len(code) < userCodeLength {
		_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
		if int(raw[0]) < fair {
			code = append(code, userCodeLetters[int(raw[0])%len(userCodeLetters)])
		}
	}
	return string(code)
}

// plainUserCode brings what a person typed into the form in which codes are
// kept: case, blanks and dashes do not matter (RFC 8628 §6.1).
func plainUserCode(typed string) string {
	return strings.Map(func(c rune) rune {
		if c == '-' || c == ' ' || c == '\t' {
			return -1
		}
		return c
	}, strings.ToUpper(typed))
}
