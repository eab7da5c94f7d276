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
	"azts.internal/portal/internal/doctor"
	"azts.internal/portal/internal/entra"
	"azts.internal/portal/templates"
)

// check is portal -check: the configuration was loaded, now the setup doctor looks at
// all that needs no person. What is wrong is an error; the rest is not.
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
	doc, err := doctor.New(up.examined(c, c.BaseURL, provider, time.Now))
	if err != nil {
		return err
	}
	report := doc.Examine(ctx, doctor.Visit{})
	for _, one := range report.Checks {
		fmt.Fprintf(stdout, "%-12s %s: %s\n", one.State.String(), one.Title, one.Finding)
		if one.Next != "" {
			fmt.Fprintf(stdout, "%-12s what to do: %s (%s)\n", "", one.Next, one.Place)
		}
	}
	fmt.Fprintln(stdout, "register these at the provider:")
	for _, one := range doc.Addresses() {
		fmt.Fprintf(stdout, "  %-24s  %s\n", one.Name, one.URL)
	}
	fmt.Fprintln(stdout, "whether they are registered, and all that needs a person's rights, is told by "+c.BaseURL+templates.FlowHealthURL)
	if bad := report.Count(doctor.Bad); bad > 0 {
		return fmt.Errorf("wrong: %d of %d checks", bad, len(report.Checks))
	}
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
