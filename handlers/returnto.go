package handlers

import (
	"net/url"
	"strings"

	"azts.internal/portal/session"
)

// localPath returns target if it is a path of ours with its query, else "/". Of
// one that is too long the query goes.
// It is checked when a sign-in starts and again when it ends: an open redirect
// on a sign-in page lends its good name to whoever phishes.
func localPath(target string) string {
	if len(target) > session.MaxReturnTo {
		target, _, _ = strings.Cut(target, "?")
	}
	if len(target) == 0 || len(target) > session.MaxReturnTo || target[0] != '/' {
		return "/"
	}
	for i := range len(target) {
		// Browsers drop control characters and read a backslash as a slash, so
		// that "/\t/evil" and "/\evil" lead elsewhere.
		if c := target[i]; c <= ' ' || c == '\\' || c >= 0x7f {
			return "/"
		}
	}
	if strings.HasPrefix(target, "//") {
		return "/"
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || strings.HasPrefix(u.Path, "//") ||
		strings.ContainsAny(u.Path, "\\\x00\r\n\t") {
		return "/"
	}
	// Going back into a sign-in or sign-out would go in circles.
	if clean := strings.TrimSuffix(u.Path, "/"); clean == "/auth" || strings.HasPrefix(u.Path, "/auth/") ||
		strings.Contains(u.Path, "/../") || strings.Contains(u.Path, "/./") || strings.HasSuffix(u.Path, "/..") {
		return "/"
	}
	u.Fragment, u.RawFragment = "", ""
	local := u.String()
	if len(local) > session.MaxReturnTo { // escaping made it longer
		return "/"
	}
	return local
}
