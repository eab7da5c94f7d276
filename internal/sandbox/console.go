package sandbox

import (
	"net/http"
	"strconv"
)

// consoleArea is the faults of one area.
type consoleArea struct {
	Name   string
	Faults []Fault
}

// consoleApp is one registered application.
type consoleApp struct {
	Name, ID, Logout string
	Redirects        []string
}

// consoleSession is one account that is signed in somewhere.
type consoleSession struct {
	Name, SID, Since string
	Apps             []string
}

// maxConsoleSessions bounds how many sessions the page lists, newest first.
const maxConsoleSessions = 100

// serveConsole shows the sandbox's own page: what there is, and what may be
// broken.
func (t *tenant) serveConsole(w http.ResponseWriter, _ *http.Request) {
	shown := struct {
		TenantID, Portal, Key string
		Secret, Expired       string // of scan-bot
		APISecret             string // of the AzTS API
		Device, Password      string
		On                    int
		Areas                 []consoleArea
		People                []Person
		Apps                  []consoleApp
		Sessions              []consoleSession
	}{TenantID: TenantID, Portal: t.s.options.PortalURL + "/", Key: t.keys.signing().kid,
		APISecret: AzTSClientSecret, Device: DevicePath, Password: SamplePassword,
		Secret: ScriptClientSecret, Expired: ScriptExpiredSecret, People: t.s.People(), Sessions: t.liveSessions()}
	for _, fault := range t.s.faults.List() {
		if fault.On {
			shown.On++
		}
		if n := len(shown.Areas); n == 0 || shown.Areas[n-1].Name != fault.Area {
			shown.Areas = append(shown.Areas, consoleArea{Name: fault.Area})
		}
		last := &shown.Areas[len(shown.Areas)-1]
		last.Faults = append(last.Faults, fault)
	}
	for _, app := range t.apps {
		shown.Apps = append(shown.Apps, consoleApp{app.name, app.appID, app.logoutURL, app.redirectURIs})
	}
	t.render(w, http.StatusOK, page{name: "console", title: "Faults, people and applications", wide: true, data: shown})
}

func (t *tenant) liveSessions() []consoleSession {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	var list []consoleSession
	keys := t.sessions.keys()
	for i := len(keys) - 1; i >= 0 && len(list) < maxConsoleSessions; i-- {
		session, _ := t.sessions.get(keys[i])
		if t.s.now().Sub(session.created) > sessionLifetime {
			continue
		}
		for _, account := range session.accounts {
			entry := consoleSession{Name: account.person.name, SID: account.sid, Since: account.at.UTC().Format("2 Jan 2006, 15:04 UTC")}
			for _, taken := range account.apps {
				entry.Apps = append(entry.Apps, taken.app.name)
			}
			list = append(list, entry)
		}
	}
	return list
}

// serveFaultSwitch switches one fault on or off, or all off.
func (t *tenant) serveFaultSwitch(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form could not be read.", http.StatusBadRequest)
		return
	}
	name := r.PostForm.Get("name")
	_, known := declaredFaults[name]
	times, err := strconv.Atoi(r.PostForm.Get("times"))
	switch {
	case r.PostForm.Get("clear") == "all":
		t.s.faults.Clear()
	case !known:
		http.Error(w, "No fault is called that.", http.StatusBadRequest)
		return
	case r.PostForm.Get("clear") == "one":
		t.s.faults.Clear(name)
	case err != nil:
		http.Error(w, "How often is not a number.", http.StatusBadRequest)
		return
	default:
		t.s.faults.Set(name, r.PostForm.Get("value"), times)
	}
	http.Redirect(w, r, "/sandbox#faults", http.StatusSeeOther)
}

// serveRotate makes the tenant sign with a new key.
func (t *tenant) serveRotate(w http.ResponseWriter, r *http.Request) {
	t.s.RotateKeys()
	http.Redirect(w, r, "/sandbox#keys", http.StatusSeeOther)
}
