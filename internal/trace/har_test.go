package trace

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// harShape is what HAR 1.2 demands, by path; a "?" marks what may be missing.
// http://www.softwareishard.com/blog/har-12-spec/
var harShape = map[string]map[string]string{
	"":                  {"log": "object"},
	"log":               {"version": "string", "creator": "object", "entries": "array", "comment": "string?"},
	"log.creator":       {"name": "string", "version": "string"},
	"entry":             {"startedDateTime": "string", "time": "number", "request": "object", "response": "object", "cache": "object", "timings": "object", "comment": "string?"},
	"entry.cache":       {},
	"entry.timings":     {"send": "number", "wait": "number", "receive": "number"},
	"entry.request":     {"method": "string", "url": "string", "httpVersion": "string", "cookies": "array", "headers": "array", "queryString": "array", "postData": "object?", "headersSize": "number", "bodySize": "number"},
	"entry.response":    {"status": "number", "statusText": "string", "httpVersion": "string", "cookies": "array", "headers": "array", "content": "object", "redirectURL": "string", "headersSize": "number", "bodySize": "number"},
	"content":           {"size": "number", "mimeType": "string", "text": "string?", "comment": "string?"},
	"postData":          {"mimeType": "string", "text": "string", "comment": "string?"},
	"cookies or fields": {"name": "string", "value": "string"},
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return "something else"
}

// shaped checks object against harShape; members of ours begin with _.
func shaped(t *testing.T, path string, v any) map[string]any {
	t.Helper()
	object, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%s is %T", path, v)
	}
	for name, kind := range harShape[path] {
		kind, optional := strings.CutSuffix(kind, "?")
		if member, found := object[name]; !found && !optional || found && kindOf(member) != kind {
			t.Errorf("%s.%s is %v", path, name, member)
		}
	}
	for name := range object {
		if _, known := harShape[path][name]; !known && !strings.HasPrefix(name, "_") {
			t.Errorf("%s has %q, which HAR does not know", path, name)
		}
	}
	return object
}

func TestHAR(t *testing.T) {
	r := newRecorder()
	r.Add(Exchange{Step: Step{From: "Browser", To: "Portal", Name: "Callback"}, Method: "POST", URL: "https://portal/cb?code=abcdef7&x=%20y#frag",
		Header: http.Header{"Content-Type": {formType}, "Cookie": {"a=cookie-one; b=cookie-two"}}, Body: []byte("code=abcdef7"),
		Status: 303, AnswerHeader: http.Header{"Location": {"/tokens?state=st4te-value"}, "Set-Cookie": {"s=cookie-three; Path=/"}}, AnswerBody: []byte("See other"), Took: 1500 * time.Microsecond})
	r.Add(Exchange{Method: "GET", URL: "https://api.example/", Err: http.ErrServerClosed})
	var out bytes.Buffer
	if err := r.Trace().WriteHAR(&out, "AzTS portal", "1.0"); err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	log := shaped(t, "log", shaped(t, "", v)["log"])
	shaped(t, "log.creator", log["creator"])
	entries := log["entries"].([]any)
	if log["version"] != "1.2" || len(entries) != 2 {
		t.Fatalf("version %v, %d entries", log["version"], len(entries))
	}
	for _, raw := range entries {
		entry := shaped(t, "entry", raw)
		if _, err := time.Parse(time.RFC3339Nano, entry["startedDateTime"].(string)); err != nil {
			t.Error(err)
		}
		timings := shaped(t, "entry.timings", entry["timings"])
		if sum := timings["send"].(float64) + timings["wait"].(float64) + timings["receive"].(float64); sum != entry["time"] {
			t.Errorf("%v is not %v", sum, entry["time"])
		}
		request, response := shaped(t, "entry.request", entry["request"]), shaped(t, "entry.response", entry["response"])
		shaped(t, "entry.cache", entry["cache"])
		shaped(t, "content", response["content"])
		for _, list := range []any{request["cookies"], request["headers"], request["queryString"], response["cookies"], response["headers"]} {
			for _, field := range list.([]any) {
				shaped(t, "cookies or fields", field)
			}
		}
		address := request["url"].(string)
		if u, err := url.Parse(address); err != nil || !u.IsAbs() || strings.ContainsAny(address, " ‹›") {
			t.Errorf("address %q, %v", address, err)
		}
	}
	first := entries[0].(map[string]any)
	request, response := first["request"].(map[string]any), first["response"].(map[string]any)
	shaped(t, "postData", request["postData"])
	query := request["queryString"].([]any)
	if len(query) != 2 || !strings.HasPrefix(query[0].(map[string]any)["value"].(string), "‹code ") || query[1].(map[string]any)["value"] != " y" {
		t.Errorf("query %v", query)
	}
	if cookies := request["cookies"].([]any); len(cookies) != 2 || cookies[1].(map[string]any)["name"] != "b" {
		t.Errorf("cookies %v", cookies)
	}
	if first["time"] != 1.5 || response["status"] != 303.0 || response["statusText"] != "See Other" || !strings.HasPrefix(response["redirectURL"].(string), "/tokens?state=%E2") {
		t.Errorf("%v", first)
	}
	second := entries[1].(map[string]any)["response"].(map[string]any)
	if second["status"] != 0.0 || second["_error"] != "http: Server closed" {
		t.Errorf("%v", second)
	}
	told(t, r.Trace(), "abcdef7", "cookie-one", "cookie-two", "cookie-three", "st4te-value")
}
