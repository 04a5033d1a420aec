package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pgweir/status"
)

// watchEvery is the pace of --watch.
const watchEvery = 2 * time.Second

// newCensusCmd is `pgweir census`.
func newCensusCmd() *cobra.Command {
	var o censusOptions
	cmd := &cobra.Command{
		Use:   "census",
		Short: "Show each process of a PostgreSQL server: what it is, does and costs",
		Long: `Shows each process of a PostgreSQL server as a tree: what it is, what it does
and since when, the CPU time and the memory that it has taken for itself, and
for backends who uses them. Below stands what is wrong, and what to do about it.

Without --dsn, the running pgweir is asked for its last census: at --url, else at
http_listen of the configuration (-c, or config.toml if there is one), else at
http://127.0.0.1:9127. The configuration also tells its certificate and, as far as
they can be read, its tokens; beside --url that is what --ca-file and --token-file
are for.

With --dsn, the server is read directly, whether or not a pgweir runs. It is read
twice, a second apart, since some of what is wrong shows only in what does not
change. The role should be a member of pg_monitor; else the server hides from it
what others do. Memory can be read where the server's processes are this
machine's, by root or the user that they run as. "-" stands for nothing, or for
what is not known.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.access.configGiven = cmd.Flags().Changed("config")
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.run(ctx, os.Stdout)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dsn, "dsn", "", `read this server directly: "host=db user=postgres dbname=postgres" or a URL`)
	o.access.flags(cmd)
	flags.StringVar(&o.server, "server", "", "which server, as host:port, if pgweir has several")
	flags.BoolVar(&o.watch, "watch", false, "go on, every 2 seconds, until Ctrl-C")
	flags.BoolVar(&o.json, "json", false, "print JSON, as /census does")
	for _, flag := range []string{"url", "config", "server", "token-file", "ca-file", "cert-file", "key-file"} {
		cmd.MarkFlagsMutuallyExclusive("dsn", flag)
	}
	return cmd
}

type censusOptions struct {
	dsn, server string
	access      httpAccess
	watch, json bool
}

// censusSource takes censuses, one after the other.
type censusSource interface {
	// take gives a census and its JSON. With an error there may be one all the
	// same: what could be seen without the server's help.
	take(context.Context) (*status.Census, []byte, error)
	close()
}

func (o *censusOptions) run(ctx context.Context, out *os.File) error {
	source, err := o.source()
	if err != nil {
		return err
	}
	defer source.close()
	screen := newScreen(out)
	if !o.watch {
		return o.once(ctx, source, out, screen)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		c, text, err := source.take(ctx)
		switch {
		case ctx.Err() != nil:
			return nil // Ctrl-C is how it ends
		case o.json && c != nil:
			_, err = out.Write(text)
		default:
			err = screen.redraw(c, err)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (o *censusOptions) once(ctx context.Context, source censusSource, out io.Writer, screen *screen) error {
	c, text, err := source.take(ctx)
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if c == nil {
		return err
	}
	if !o.json {
		text = []byte(drawCensus(c, screen.shape()))
	}
	if _, writeErr := out.Write(text); writeErr != nil {
		return writeErr
	}
	return err
}

func (o *censusOptions) source() (censusSource, error) {
	if o.dsn != "" {
		return newDirectCensus(o.dsn)
	}
	if err := o.access.find(); err != nil {
		return nil, fmt.Errorf("%w (--dsn reads a server without a pgweir)", err)
	}
	return newServedCensus(&o.access, o.server)
}

// renderCensus is the JSON of /census.
func renderCensus(c *status.Census) ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("rendering the census: %w", err)
	}
	return append(text, '\n'), nil
}
