package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pgweir/config"
)

// newHealthCmd is `pgweir health`: what probes of containers and load balancers run.
func newHealthCmd() *cobra.Command {
	var h healthCheck
	access := &h.httpAccess
	cmd := &cobra.Command{
		Use:   "health [pgbouncer.ini]",
		Short: "Say by the exit code whether the running pgweir can serve clients",
		Long: `Ends with 0 if the running pgweir can serve clients, and with 1 and the reason if not.

It is asked for /readyz at --url, else at http_listen of the configuration, else at
` + usualHTTP + `. Where the configuration has no http_listen, the console is asked
over its Unix socket, which lets in the user of the operating system that pgweir runs
as. Where that cannot be, its socket or port must answer, and what is printed says that
PostgreSQL was not asked about. --live asks only whether the process lives.

With --url no configuration is read: a mistake in a file that a running pgweir has
refused is no reason for a probe to end it.`,
		Args:          cobra.MaximumNArgs(1),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := configPath(cmd, access.config, args)
			if err != nil {
				return err
			}
			access.config = path
			access.configGiven = len(args) > 0 || cmd.Flags().Changed("config")
			ctx, cancel := context.WithTimeout(cmd.Context(), h.within)
			defer cancel()
			seen, err := h.ask(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ok: %s\n", seen)
			return nil
		},
	}
	flags := cmd.Flags()
	access.flags(cmd)
	flags.BoolVar(&h.live, "live", false, "ask only whether the process lives (/healthz)")
	flags.DurationVar(&h.within, "timeout", 4*time.Second, "how long the answer may take")
	return cmd
}

// maxReason bounds what is read of an answer.
const maxReason = 4 << 10

// healthCheck is one question of `pgweir health`.
type healthCheck struct {
	httpAccess
	live   bool          // only whether the process lives
	within time.Duration // the answer has to come
}

// ask says what has shown that all is well.
func (h *healthCheck) ask(ctx context.Context) (seen string, err error) {
	err = h.find()
	if errors.Is(err, config.ErrNoHTTP) {
		return h.askWithoutHTTP(ctx)
	}
	if err != nil {
		return "", err
	}
	if h.live {
		return "it lives", h.askPath(ctx, "healthz")
	}
	return "clients can be served", h.askPath(ctx, "readyz")
}

// silent is the error of an address where nobody answers as pgweir does.
func (h *healthCheck) silent(address string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no pgweir answers at %s within %v", address, h.within)
	}
	return fmt.Errorf("no pgweir answers at %s: %w", address, err)
}

// askPath wants a 200.
func (h *healthCheck) askPath(ctx context.Context, path string) error {
	u, err := url.Parse(h.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--url %q is not an address like %s", h.url, usualHTTP)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(path).String(), nil)
	if err != nil {
		return err
	}
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	// No proxy of the environment's: the answer is to be that pgweir's own.
	client := http.Client{
		Transport:     &http.Transport{TLSClientConfig: h.tls, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return h.silent(u.Redacted(), err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	if err != nil {
		return h.silent(u.Redacted(), err)
	}
	if resp.StatusCode != http.StatusOK {
		line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		return fmt.Errorf("%s (HTTP %d of %s)", printable(line), resp.StatusCode, u.Redacted())
	}
	return nil
}
