package handlers

import (
	"context"
	"net/http"
	"time"

	"azts.internal/portal/internal/apperr"
	"azts.internal/portal/internal/entra"
)

// health is the area that machines ask.
type health struct {
	database interface{ Ping(context.Context) error }
	provider *entra.Provider
}

// alive is GET /healthz: the process answers.
func (h *health) alive(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// ready is GET /readyz: people can sign in and what they do is kept.
func (h *health) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	answer := map[string]string{"status": "ready", "database": "ok", "provider": "ok"}
	status := http.StatusOK
	if err := h.database.Ping(ctx); err != nil {
		answer["database"] = "does not answer"
		if apperr.HasCode(err, "storage_full") {
			answer["database"] = "is full"
		}
		status = http.StatusServiceUnavailable
	}
	if err := h.provider.Ready(ctx); err != nil {
		answer["provider"] = "metadata not available"
		status = http.StatusServiceUnavailable
	}
	if status != http.StatusOK {
		answer["status"] = "not ready"
	}
	writeJSON(w, status, answer)
	return nil
}
