package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"azts.internal/portal/internal/config"
	"azts.internal/portal/internal/entra"
)

// check is portal -check: the configuration was loaded, now the provider's
// metadata is asked for.
func check(ctx context.Context, c *config.Config, stdout io.Writer, log *slog.Logger) error {
	fmt.Fprintln(stdout, "configuration: in order")
	if c.Sandbox {
		fmt.Fprintln(stdout, "provider: the sandbox, which runs inside the portal")
		return nil
	}
	up, err := realUpstream(c, time.Now)
	if err != nil {
		return err
	}
	provider, err := entra.NewProvider(up.provider(c.BaseURL, newClient(), time.Now, log))
	if err != nil {
		return err
	}
	if err := provider.Ready(ctx); err != nil {
		return fmt.Errorf("provider %s: %w", up.metadataURL, err)
	}
	fmt.Fprintf(stdout, "provider: %s answers\n", up.issuer)
	fmt.Fprintf(stdout, "register these at the provider:\n  redirect URI              %s/auth/callback\n  redirect URI              %s/auth/signed-out\n  redirect URI              %s/auth/admin-consent\n  front-channel logout URL  %s/auth/frontchannel-logout\n",
		c.BaseURL, c.BaseURL, c.BaseURL, c.BaseURL)
	return nil
}

// askHealth is portal -health, for the health check of a container that has no
// shell and no curl.
func askHealth(ctx context.Context, c *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the portal answers %s", resp.Status)
	}
	return nil
}
