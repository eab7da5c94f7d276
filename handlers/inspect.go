package handlers

import (
	"net/http"
	"strings"

	"azts.internal/portal/internal/entra"
	"azts.internal/portal/session"
	"azts.internal/portal/templates"
)

// inspect is the area of the token inspector. What is pasted there is a token of
// somebody's: it is neither logged nor stored nor put back into the page.
type inspect struct {
	*frame
	inspector *entra.Inspector
}

// show is GET /tokens/inspect.
func (i *inspect) show(w http.ResponseWriter, r *http.Request, _ *session.Session) error {
	return i.render(w, r, http.StatusOK, templates.Inspect(i.inspectPage(r)))
}

func (i *inspect) inspectPage(r *http.Request) templates.InspectPage {
	page := templates.InspectPage{Page: i.page(r, "Token inspector", templates.TokensURL), Tabs: templates.TokenTabs(templates.InspectURL), Data: entra.InspectData}
	page.Path = templates.InspectURL
	return page
}

// decode is POST /tokens/inspect (token, second): the way without a script.
func (i *inspect) decode(w http.ResponseWriter, r *http.Request, _ *session.Session) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	ctx, cancel := timeout(r)
	defer cancel()
	page := i.inspectPage(r)
	first := entra.Inspect(r.PostForm.Get("token"))
	name := "Token"
	if pasted := r.PostForm.Get("second"); strings.TrimSpace(pasted) != "" {
		second := entra.Inspect(pasted)
		name = "First token"
		if len(first.Claims) > 0 && len(second.Claims) > 0 {
			for _, row := range entra.Compare(first, second) {
				page.Comparison = append(page.Comparison, templates.ComparedClaim{Name: row.Name, First: row.First, Second: row.Second,
					Difference: templates.Difference(row.Difference)})
			}
		}
		page.Tokens = append(page.Tokens, inspected("Second token", second, i.inspector.Check(ctx, second)))
	}
	page.Tokens = append([]templates.InspectedToken{inspected(name, first, i.inspector.Check(ctx, first))}, page.Tokens...)
	return i.render(w, r, http.StatusOK, templates.Inspect(page))
}

func inspected(name string, in *entra.Inspection, signature entra.Note) templates.InspectedToken {
	t := templates.InspectedToken{Name: name, Expires: in.Expires, HeaderText: in.HeaderText, PayloadText: in.PayloadText,
		Header: claims(in.Header), Claims: claims(in.Claims), Problem: inspectorWords(in.Problem)}
	if in.Problem.Code == "" {
		t.Signature = inspectorWords(signature)
	}
	for _, note := range in.Notes {
		t.Notes = append(t.Notes, *inspectorWords(note))
	}
	return t
}

func claims(list []entra.Claim) []templates.Claim {
	out := make([]templates.Claim, len(list))
	for i, c := range list {
		out[i] = templates.Claim{Name: c.Name, Value: c.Value, Meaning: c.Meaning, Time: c.Time}
	}
	return out
}

// inspectorWords returns what the inspector says to a note, nil to none.
func inspectorWords(note entra.Note) *templates.InspectWords {
	if note.Code == "" {
		return nil
	}
	word := entra.InspectWords[note.Code]
	return &templates.InspectWords{Tone: templates.Tone(word.Tone), Title: word.Title, Text: strings.ReplaceAll(word.Text, "{about}", note.About)}
}

// keys is GET /tokens/inspect/keys (issuer, tenant, kid): public keys for the
// script, which checks a signature without sending the token. Keys come from
// issuers that we chose; the parameters open no address.
func (i *inspect) keys(w http.ResponseWriter, r *http.Request, _ *session.Session) error {
	ctx, cancel := timeout(r)
	defer cancel()
	q := r.URL.Query()
	found, note := i.inspector.Keys(ctx, q.Get("issuer"), q.Get("tenant"), q.Get("kid"))
	answer := struct {
		Code string `json:"code"` // "" when there are keys
		Keys []any  `json:"keys"`
	}{Code: note.Code, Keys: []any{}}
	for _, key := range found {
		answer.Keys = append(answer.Keys, key.Public())
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}
