package sandbox

import (
	"net"
	"net/http"
	"time"
)

// How often a wrong user code may be entered from one address before the page
// answers no more for a while (RFC 8628 §5.1).
const (
	maxWrongCodes   = 10
	wrongCodeWindow = 15 * time.Minute
	maxGuessers     = 1_000
)

// guesses counts the wrong user codes of one address.
type guesses struct {
	wrong int
	since time.Time
}

// serveDevicePage asks for the user code.
func (t *tenant) serveDevicePage(w http.ResponseWriter, _ *http.Request) {
	t.showDevicePage(w, http.StatusOK, nil)
}

func (t *tenant) showDevicePage(w http.ResponseWriter, status int, failed *protocolError) {
	shown := struct {
		Action, Problem string
		Code, Length    int
	}{Action: DevicePath, Length: userCodeLength + 5}
	if failed != nil {
		shown.Problem, shown.Code = failed.text, failed.code
	}
	t.render(w, status, page{name: "device", title: "Enter code", data: shown})
}

// serveUserCode takes a user code and begins the sign-in for the device that
// waits with it.
func (t *tenant) serveUserCode(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.errorPage(w, r, t.fail(9002313))
		return
	}
	typed := plainUserCode(r.PostForm.Get("otc"))
	if typed == "" {
		t.showDevicePage(w, http.StatusBadRequest, t.fail(90119))
		return
	}
	t.s.mu.Lock()
	device, status, failed := t.deviceByUserCode(typed, addressOf(r))
	t.s.mu.Unlock()
	if failed != nil {
		t.showDevicePage(w, status, failed)
		return
	}
	t.begin(w, r, device.request)
}

// deviceByUserCode finds the device that waits with a user code. s.mu must be
// held.
func (t *tenant) deviceByUserCode(code, address string) (*deviceCode, int, *protocolError) {
	now := t.s.now()
	guessed, there := t.guessers.get(address)
	if !there || now.Sub(guessed.since) > wrongCodeWindow {
		guessed = guesses{since: now}
	}
	if guessed.wrong >= maxWrongCodes {
		failed := t.fail(90024)
		failed.text = "Too many wrong codes were entered here. Wait a quarter of an hour."
		return nil, http.StatusTooManyRequests, failed
	}
	device, known := t.userCodes.get(code)
	switch {
	case !known:
		guessed.wrong++
		t.guessers.put(address, guessed)
		return nil, http.StatusBadRequest, t.fail(70018)
	case device.state != devicePending:
		return nil, http.StatusBadRequest, t.fail(90120)
	case device.expired(now):
		return nil, http.StatusBadRequest, t.fail(70019)
	}
	return device, 0, nil
}

// addressOf is who is held responsible for wrong codes: the caller's address
// without its port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// confirm records that a person, who knows by now which application asks, wants
// to go on.
func (t *tenant) confirm(r *http.Request, in *interaction) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.next(in, t.browser(r)).kind == stepConfirm {
		in.confirmed = true
	}
}

// finishDevice tells a waiting device what the person decided: auth is nil if
// they declined. The first answer counts.
func (t *tenant) finishDevice(w http.ResponseWriter, device *deviceCode, auth *authentication) {
	t.s.mu.Lock()
	var failed *protocolError
	switch {
	case device.state != devicePending:
		failed = t.fail(90120)
	case device.expired(t.s.now()):
		failed = t.fail(70019)
	case auth == nil:
		device.state = deviceDeclined
	default:
		device.state, device.auth = deviceApproved, *auth
	}
	t.s.mu.Unlock()
	if failed != nil {
		t.showDevicePage(w, http.StatusBadRequest, failed)
		return
	}
	shown := struct {
		App      string
		Approved bool
	}{device.request.app.name, auth != nil}
	title := "You did not sign in"
	if shown.Approved {
		title = "You have signed in"
	}
	t.render(w, http.StatusOK, page{name: "devicedone", title: title, data: shown})
}
