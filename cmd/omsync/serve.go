package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/hub"
)

func newServe(g *global) *cobra.Command {
	o := &config.Serve{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Be the server that other nodes send to and fetch from",
		Long: `Be the server to which other nodes send files and from which they fetch theirs. Nodes sign their requests with their keys;
each sees only its own mail; what arrives is checked before it is kept, and goes into the inbox.

With --import it is applied at once, and the answer brings the acknowledgement and what the node lacks. Without, the inbox is
emptied by "omsync import", and "omsync export" fills the outbox, from cron.

The server uses a certificate of its own, made at the first start: invitations tell nodes which. Or the one that is
configured; or none behind a reverse proxy (--behind-proxy), which then has one. All flags can stand in [serve] of
omsync.toml, where "omsync invite" reads them too. The log goes to stderr, for systemd's journal.`,
		Example: `  omsync --home /var/lib/omsync serve --listen :8443 --import`,
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "", "address and port (default "+config.DefaultListen+")")
	f.StringVar(&o.URL, "url", "", "the address at which nodes find this server, where it differs: https://hub.example.org/omsync")
	f.BoolVar(&o.Import, "import", false, "apply what arrives at once, and export to a node when it asks")
	f.BoolVar(&o.AutoRegister, "auto-register", false, "let every node join, without an invitation: for trials only")
	f.BoolVar(&o.BehindProxy, "behind-proxy", false, "no TLS: a reverse proxy on this machine has it")
	f.StringVar(&o.TLSCert, "tls-cert", "", "certificate chain (PEM) in place of an own one")
	f.StringVar(&o.TLSKey, "tls-key", "", "its key (PEM)")
	f.StringVar(&o.Metrics, "metrics", "", "address for Prometheus metrics, such as 127.0.0.1:9464 (default: none)")
	f.StringVar(&o.MaxFile, "max-file", "", "largest file that is taken (default 64GiB)")
	f.StringVar(&o.LogFormat, "log-format", "", "text or json (default text)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runServe(cmd, g, o) }
	return cmd
}

func runServe(cmd *cobra.Command, g *global, o *config.Serve) error {
	n, err := g.openAll(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	settings, err := serveSettings(cmd, o, n.Serve)
	if err != nil {
		return err
	}
	return hub.Serve(cmd.Context(), hub.Options{
		Node: n, Config: settings, Version: version(), Log: newLog(cmd.ErrOrStderr(), settings.LogFormat),
		Open: func(ctx context.Context) (*node.Node, error) {
			return node.OpenAll(ctx, n.Home, node.Read, listener(cmd.ErrOrStderr()))
		},
	})
}

// serveSettings puts the flags that were given over the configuration.
func serveSettings(cmd *cobra.Command, o *config.Serve, c config.Serve) (config.Serve, error) {
	for flag, set := range map[string]func(){
		"listen": func() { c.Listen = o.Listen }, "url": func() { c.URL = o.URL }, "import": func() { c.Import = o.Import },
		"auto-register": func() { c.AutoRegister = o.AutoRegister }, "behind-proxy": func() { c.BehindProxy = o.BehindProxy },
		"tls-cert": func() { c.TLSCert = o.TLSCert }, "tls-key": func() { c.TLSKey = o.TLSKey }, "metrics": func() { c.Metrics = o.Metrics },
		"max-file": func() { c.MaxFile = o.MaxFile }, "log-format": func() { c.LogFormat = o.LogFormat },
	} {
		if cmd.Flags().Changed(flag) {
			set()
		}
	}
	if c.Listen == "" {
		c.Listen = config.DefaultListen
	}
	return c, c.Check()
}

func newLog(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}
