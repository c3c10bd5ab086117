package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/hub"
	nodepage "github.com/omsync/omsync/node/page"
	"github.com/omsync/omsync/node/page/accounts"
)

func newPage(g *global) *cobra.Command {
	o := &config.Page{}
	cmd := &cobra.Command{
		Use:   "page",
		Short: "Show people how it is going, in a browser",
		Long: `Show people how it is going, in a browser: the sites by need, rows that wait, conflicts, and what to do about them. What it does, a
command does too. It needs an account: omsync page user add.

It is at 127.0.0.1, for this computer alone, unless --listen says otherwise. At another address it has TLS: a certificate of its own, which
browsers do not know and warn of, or the one that is configured. Or a reverse proxy on this machine has it (--behind-proxy). All flags can
stand in [page] of omsync.toml. The log goes to stderr; what people did is in page/audit.jsonl of the home folder.`,
		Example: `  omsync --home /var/lib/omsync page
  omsync --home /var/lib/omsync page --listen :8480 --tls-cert hub.pem --tls-key hub.key`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "", "address and port (default "+config.DefaultPageListen+")")
	f.StringVar(&o.URL, "url", "", "the address at which people find the page, where it differs: https://hub.example.org:8480")
	f.BoolVar(&o.BehindProxy, "behind-proxy", false, "no TLS: a reverse proxy on this machine has it")
	f.StringVar(&o.TLSCert, "tls-cert", "", "certificate chain (PEM) in place of an own one")
	f.StringVar(&o.TLSKey, "tls-key", "", "its key (PEM)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runPage(cmd, g, o) }
	cmd.AddCommand(newPageUser(g))
	return cmd
}

// pageSettings puts the flags that were given over the configuration.
func pageSettings(cmd *cobra.Command, o *config.Page, c config.Page) (config.Page, error) {
	for flag, set := range map[string]func(){
		"listen": func() { c.Listen = o.Listen }, "url": func() { c.URL = o.URL }, "behind-proxy": func() { c.BehindProxy = o.BehindProxy },
		"tls-cert": func() { c.TLSCert = o.TLSCert }, "tls-key": func() { c.TLSKey = o.TLSKey },
	} {
		if cmd.Flags().Changed(flag) {
			set()
		}
	}
	return c, c.Check()
}

func runPage(cmd *cobra.Command, g *global, o *config.Page) error {
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	settings, err := pageSettings(cmd, o, n.Page)
	if err != nil {
		return err
	}
	people, err := accounts.Open(n.Home)
	if err != nil {
		return err
	}
	log := newLog(cmd.ErrOrStderr(), "text")
	var c *tls.Config
	if settings.Encrypted() {
		pin := ""
		if c, pin, err = hub.TLS(n.Config, settings.Serve()); err != nil {
			return err
		}
		if pin != "" {
			log.Info("own certificate, of which browsers warn", "pin", pin)
		}
	}
	p, err := nodepage.New(nodepage.Options{
		Accounts: people, Encrypted: settings.Encrypted() || settings.BehindProxy, Proxied: settings.BehindProxy, Log: log,
		Open: func(ctx context.Context) (*node.Node, error) {
			return node.OpenAll(ctx, n.Home, node.Read, listener(cmd.ErrOrStderr()))
		},
		Run: commandsOf(n.Home),
	})
	if err != nil {
		return err
	}
	defer p.Close()
	l, err := nodepage.Listen(settings.Address())
	if err != nil {
		return err
	}
	defer l.Close()
	if all, err := people.List(); err == nil && len(all) == 0 {
		log.Warn("nobody has an account yet: omsync page user add NAME --role operator")
	}
	log.Info("listening", "node", n.Node, "address", l.Addr().String(), "page", settings.Base())
	return p.Serve(cmd.Context(), l, c)
}

// commandsOf returns what has commands done for the page, as if somebody had typed them.
func commandsOf(home string) nodepage.Command {
	return func(ctx context.Context, d nodepage.Doing, args ...string) (string, error) {
		printed := &printed{progress: d.Progress}
		root := newRoot()
		root.SetArgs(append([]string{"--home", home}, args...))
		root.SetOut(printed)
		root.SetErr(printed)
		root.SetIn(strings.NewReader(d.Input))
		err := root.ExecuteContext(ctx)
		if err != nil {
			report(printed, err)
		}
		if code := exitCode(err); code == failure.Conflicts || code == failure.Differs { // it is done, and has something to say
			err = nil
		}
		return printed.String(), err
	}
}

// printed is what a command prints, which may print from several goroutines. Of too much the beginning is kept.
type printed struct {
	progress func(label string, bytes bool, done, total int64) // nil: nobody looks on

	mu sync.Mutex
	b  bytes.Buffer
}

// pageBar is a bar that people see on the page.
type pageBar struct {
	*printed
	label string
	unit  exchange.Unit
}

// Show tells how far it is.
func (b pageBar) Show(done, total int64) { b.progress(b.label, b.unit == exchange.Bytes, done, total) }

// Done leaves the bar as it is, until the next one begins.
func (b pageBar) Done() {}

// maxPrinted is how much is kept, in bytes.
const maxPrinted = 1 << 20

// Write keeps what there is room for.
func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.b.Write(b[:min(len(b), maxPrinted-p.b.Len())])
	return len(b), nil
}

// String returns what was kept.
func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

func newPageUser(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Say who may use the page",
		Long: `Say who may use the page. A viewer sees how it is going, and no patients' data. An operator sees rows that wait and conflicts, which are
patients' data, and acts. What is changed here counts at once, also for who is logged in.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPageUserAdd(g), newPageUserSet(g), newPageUserList(g), pageUser(g, "reset NAME", "Give somebody a new link to choose a password with",
		func(a *accounts.Accounts, name string) (string, error) { return a.Reset(name) }),
		pageUser(g, "remove NAME", "Take an account away", func(a *accounts.Accounts, name string) (string, error) { return "", a.Remove(name) }))
	return cmd
}

// openAccounts opens the accounts of the home folder, and returns where the page is.
func openAccounts(cmd *cobra.Command, g *global) (*accounts.Accounts, string, error) {
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return nil, "", err
	}
	defer n.Close()
	a, err := accounts.Open(n.Home)
	return a, n.Page.Base(), err
}

// printLink prints what somebody is given to log in for the first time.
func printLink(cmd *cobra.Command, base, name, token string) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "give this to %s, and nobody else: it sets a password, once, within %d hours\n%s/first/%s\n", name, int(accounts.LinkValid.Hours()), base, token)
	return err
}

func newPageUserAdd(g *global) *cobra.Command {
	role := ""
	cmd := &cobra.Command{
		Use:   "add NAME --role viewer|operator",
		Short: "Make an account",
		Long:  "Make an account, and print a link by which its owner chooses a password, once, within 48 hours. omsync page user reset makes another one.",
		Args:  oneArg("who?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, base, err := openAccounts(cmd, g)
			if err != nil {
				return err
			}
			token, err := a.Add(args[0], accounts.Role(role))
			if err != nil {
				return failure.Hinted(err, "omsync page user list has those that there are; omsync page user reset NAME gives one a new link")
			}
			return printLink(cmd, base, args[0], token)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "what the account may do: viewer or operator")
	return cmd
}

func newPageUserSet(g *global) *cobra.Command {
	role := ""
	cmd := &cobra.Command{
		Use:   "set NAME --role viewer|operator",
		Short: "Give an account another role",
		Args:  oneArg("who?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, _, err := openAccounts(cmd, g)
			if err != nil {
				return err
			}
			if err := a.SetRole(args[0], accounts.Role(role)); err != nil {
				return failure.Hinted(fmt.Errorf("%s: %w", failure.Printable(args[0]), err), "omsync page user list has those that there are")
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s from now on\n", args[0], role)
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "what the account may do: viewer or operator")
	return cmd
}

func newPageUserList(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the accounts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, _, err := openAccounts(cmd, g)
			if err != nil {
				return err
			}
			all, err := a.List()
			if err != nil {
				return err
			}
			w := newTable(cmd.OutOrStdout())
			for i, x := range all {
				if i == 0 {
					fmt.Fprintln(w, "NAME\tROLE\tPASSWORD")
				}
				password := "set"
				if x.Password == "" {
					password = "not chosen yet"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", failure.Printable(x.Name), x.Role, password)
			}
			return w.Flush()
		},
	}
}

// pageUser returns a command that changes one account, and prints the link that comes of it.
func pageUser(g *global, use, short string, change func(*accounts.Accounts, string) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  oneArg("who?"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, base, err := openAccounts(cmd, g)
			if err != nil {
				return err
			}
			token, err := change(a, args[0])
			switch {
			case err != nil:
				return failure.Hinted(fmt.Errorf("%s: %w", failure.Printable(args[0]), err), "omsync page user list has those that there are")
			case token != "":
				return printLink(cmd, base, args[0], token)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s may not use the page any more\n", args[0])
			return err
		},
	}
}
