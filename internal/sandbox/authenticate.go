package sandbox

import "net/http"

// authenticate is in the making.
func (s *Sandbox) authenticate(w http.ResponseWriter, r *http.Request, audiences ...string) (caller, bool) {
	w.WriteHeader(http.StatusUnauthorized)
	return caller{}, false
}
