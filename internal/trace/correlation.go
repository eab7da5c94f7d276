package trace

import "strings"

const maxCorrelations = 200

// correlationFields are the headers by which Entra, Graph and ARM name a request
// (entra.md §4, §7.5, §8). The portal's own client-request-id is one as well.
var correlationFields = []string{"client-request-id", "x-ms-client-request-id", "x-ms-request-id", "x-ms-correlation-request-id", "request-id"}

// correlationTexts stand before such ids in answers: as members of errors, and in
// their descriptions.
var correlationTexts = []struct{ text, name string }{
	{"trace_id", "Trace ID"}, {"correlation_id", "Correlation ID"}, {"trace id", "Trace ID"}, {"correlation id", "Correlation ID"},
	{"request-id", "request-id"}, {"client-request-id", "client-request-id"}, {"correlationid", "Correlation ID"},
}

// correlations collects the ids of redacted messages: each once.
func correlations(messages []Message) []Correlation {
	var out []Correlation
	known := map[string]bool{}
	add := func(name, value string, message int) {
		value = strings.TrimSpace(value)
		if !isGUID([]byte(value)) || known[value] || len(out) == maxCorrelations {
			return
		}
		known[value] = true
		out = append(out, Correlation{name, value, message})
	}
	for i, m := range messages {
		texts := []string{m.Request.URL, m.Request.Body.Text}
		fields := m.Request.Header
		if m.Answer != nil {
			texts = append(texts, m.Answer.Body.Text)
			fields = append(append([]Field{}, fields...), m.Answer.Header...)
		}
		for _, name := range correlationFields {
			for _, f := range fields {
				if strings.EqualFold(f.Name, name) {
					add(name, f.Value, i)
				}
			}
		}
		for _, f := range fields {
			if strings.EqualFold(f.Name, "Location") {
				texts = append(texts, f.Value)
			}
		}
		for _, text := range texts {
			lower := strings.ToLower(text)
			for _, c := range correlationTexts {
				for at := 0; ; {
					next := strings.Index(lower[at:], c.text)
					if next < 0 {
						break
					}
					at += next + len(c.text)
					for from := at; from <= at+12 && from+36 <= len(lower); from++ {
						if isGUID([]byte(lower[from : from+36])) {
							add(c.name, lower[from:from+36], i)
							break
						}
					}
				}
			}
		}
	}
	return out
}
