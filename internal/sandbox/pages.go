package sandbox

import (
	"bytes"
	"embed"
	"html/template"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed pages
var pageFiles embed.FS

// templates returns the parsed pages, each with the layout around it. They are
// parsed when the first page is shown, so that a sandbox starts at once.
var templates = sync.OnceValue(func() map[string]*template.Template {
	parsed := map[string]*template.Template{}
	layout := template.Must(template.ParseFS(pageFiles, "pages/layout.html"))
	names := []string{"picker", "approve", "consent", "needadmin", "error", "formpost", "signout", "signoutpicker", "signedout", "expenses", "console",
		"device", "deviceconfirm", "devicedone"}
	for _, name := range names {
		clone := template.Must(layout.Clone())
		parsed[name] = template.Must(clone.ParseFS(pageFiles, "pages/"+name+".html"))
	}
	return parsed
})

// page is one page of the sandbox.
type page struct {
	name       string // template
	title      string
	refresh    string   // where a browser without scripts goes on to by itself
	script     string   // file under /sandbox/assets; empty: none
	formTarget string   // origin that a form may lead to, beside our own
	frames     []string // origins that may be framed
	wide       bool     // for tables
	data       any
}

// render sends a page. It is rendered as a whole before the first byte goes
// out.
func (t *tenant) render(w http.ResponseWriter, status int, p page) {
	var body bytes.Buffer
	err := templates()[p.name].ExecuteTemplate(&body, "layout", struct {
		Title, Refresh, Script string
		Wide                   bool
		Data                   any
	}{p.title, p.refresh, p.script, p.wide, p.data})
	if err != nil {
		t.s.log.Error("sandbox: render a page", "page", p.name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	frames := "'none'"
	if len(p.frames) > 0 {
		frames = strings.Join(p.frames, " ")
	}
	h := w.Header()
	// The answer to a form may redirect to the application, and browsers hold
	// form-action against redirects too.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; "+
		"frame-ancestors 'none'; frame-src "+frames+"; form-action "+strings.TrimSpace("'self' "+p.formTarget))
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // the reader is gone if this fails
}

// serveAsset answers with a style sheet, a script or the icon.
func (t *tenant) serveAsset(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	kind := mime.TypeByExtension(path.Ext(file))
	if ext := path.Ext(file); ext != ".css" && ext != ".js" && ext != ".svg" {
		http.NotFound(w, r)
		return
	}
	content, err := pageFiles.ReadFile("pages/" + file)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "max-age=300")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(content)
}

// errorData is the tenant's own error page.
type errorData struct {
	Code        int
	Text        string
	Correlation string
	Stamp       string
}

// errorPage shows an error to the person; the application learns nothing of it
// (entra.md §2.5).
func (t *tenant) errorPage(w http.ResponseWriter, r *http.Request, failed *protocolError) {
	tr := t.trailOf(r)
	t.render(w, http.StatusBadRequest, page{name: "error", title: "Sign-in stopped",
		data: errorData{Code: failed.code, Text: failed.text, Correlation: tr.correlation, Stamp: tr.stamp()}})
}

// serveErrorPage explains an error by its number: error_uri leads here.
func (t *tenant) serveErrorPage(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.URL.Query().Get("code"))
	entry, known := aadstsTable[code]
	if err != nil || !known {
		http.NotFound(w, r)
		return
	}
	t.render(w, http.StatusOK, page{name: "error", title: "Error " + strconv.Itoa(code),
		data: errorData{Code: code, Text: strings.ReplaceAll(strings.ReplaceAll(entry.text, "'%s'", "…"), "%s", "…")}})
}

// accountData is one account of the picker.
type accountData struct{ ID, Name, Account, Description string }

func accountsOf(people []*person) []accountData {
	list := make([]accountData, 0, len(people))
	for _, p := range people {
		list = append(list, accountData{p.id, p.name, p.upn, p.description})
	}
	return list
}

// scopeData is one permission of the consent page.
type scopeData struct {
	API, Name, Description, Value string
	AdminOnly                     bool
}

func scopesOf(list []wanted) []scopeData {
	var scopes []scopeData
	for _, entry := range list {
		for _, scope := range entry.scopes {
			scopes = append(scopes, scopeData{entry.resource.name, scope.userName, scope.userDescription, scope.value, scope.adminOnly})
		}
	}
	return scopes
}

// interactionData is what the pages on the way of a request show.
type interactionData struct {
	Interaction string
	App         string
	Publisher   string
	Person      accountData
	SignedIn    []accountData
	Others      []accountData
	Hinted      bool
	Scopes      []scopeData
	MayForAll   bool // the person may consent for everybody
	ForAll      bool // the request is for everybody
}

// show carries a step out.
func (t *tenant) show(w http.ResponseWriter, r *http.Request, in *interaction, next step) {
	request := in.request
	data := interactionData{Interaction: in.id, App: request.app.name, Publisher: request.app.publisher}
	if p := next.person; p != nil {
		data.Person = accountData{p.id, p.name, p.upn, p.description}
		data.MayForAll = p.mayConsentForAll()
	}
	data.Scopes = scopesOf(next.wanted)
	data.ForAll = request.consent != consentForSelf
	shown := page{data: &data, formTarget: originOf(request.redirect)}
	switch next.kind {
	case stepPicker:
		shown.name, shown.title = "picker", "Choose an account"
		data.SignedIn, data.Others = accountsOf(next.signedIn), accountsOf(next.others)
		data.Hinted = len(next.signedIn)+len(next.others) == 1
	case stepApprove:
		shown.name, shown.title = "approve", "Approve the sign-in"
	case stepConfirm:
		shown.name, shown.title = "deviceconfirm", "Confirm the sign-in"
	case stepConsent:
		shown.name, shown.title = "consent", "Permissions requested"
	case stepNeedAdmin:
		shown.name, shown.title = "needadmin", "An administrator must approve"
	case stepRefuse:
		t.respondError(w, r, request, next.failed, next.subCode)
		return
	case stepPage:
		t.errorPage(w, r, next.failed)
		return
	case stepDone:
		if request.consent == consentOnly {
			t.respondAdminConsent(w, r, request, next.auth)
			return
		}
		if request.device != nil {
			t.finishDevice(w, request.device, &next.auth)
			return
		}
		t.respond(w, r, request, next.auth)
		return
	}
	t.render(w, http.StatusOK, shown)
}
