package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/clinic"
)

type newClinicOptions struct {
	admin, password string
}

func newNewClinic(g *global) *cobra.Command {
	o := &newClinicOptions{}
	cmd := &cobra.Command{
		Use:   "new-clinic",
		Short: "Write what a new clinic's database begins with",
		Long: `Write, as SQL on standard output, what a new clinic's database begins with: this database's tables, views and routines without
rows, but for those that OpenMRS needs to start (what was done to the schema, its own tasks, roles, privileges and settings) and one
administrator with a password of its own. No patient is in it, and no other password. Load it there into an empty database with
the client mysql or mariadb; then omsync init, omsync join and omsync sync bring everything else.

The administrator is this database's own, here with the password that is asked for. If nobody can be asked, or nothing is typed, one is
made and printed on standard error, once. Keep the file as you keep a password.`,
		Example: `  omsync --home /var/lib/omsync new-clinic > clinic.sql`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runNewClinic(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.admin, "admin", "", "user name or system id of the administrator (default: admin)")
	f.StringVar(&o.password, "password", "", "- reads the password from standard input")
	return cmd
}

func runNewClinic(cmd *cobra.Command, g *global, o *newClinicOptions) error {
	if o.password != "" && o.password != fromInput {
		return failure.Hinted(errors.New("--password on a command line can be seen by others"), "--password - reads it from standard input")
	}
	n, err := g.openAll(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	password, made, err := o.readPassword(cmd)
	if err != nil {
		return err
	}
	written, err := clinic.Write(cmd.Context(), n.DB, cmd.OutOrStdout(), clinic.Options{Profile: n.Journal.Profile, Catalogue: n.Journal.Catalogue,
		First: o.admin, Password: password})
	if err != nil {
		return err
	}
	stderr := cmd.ErrOrStderr()
	fmt.Fprintf(stderr, "omsync: %s, %s, no patient\n", count(int64(written.Tables), "table"), count(written.Rows, "row"))
	for _, l := range written.Left {
		fmt.Fprintf(stderr, "omsync: %s of %s: not in it\n", count(l.Rows, "row"), l.Table)
	}
	if made {
		fmt.Fprintf(stderr, "omsync: the administrator's password at the new clinic, shown only here: %s\n", password)
	}
	return nil
}

// readPassword asks for the administrator's password, or makes one.
func (o *newClinicOptions) readPassword(cmd *cobra.Command) (password string, made bool, err error) {
	if o.password == fromInput {
		if password, err = readSecret(cmd, "password"); err != nil {
			return "", false, err
		}
		return password, false, clinic.CheckPassword(password)
	}
	if in := cmd.InOrStdin(); isTerminal(in) {
		password, err = askTwice(cmd.Context(), cmd.ErrOrStderr(), in.(*os.File), "administrator's password at the new clinic (nothing: one is made): ")
		if err != nil || password != "" {
			return password, false, err
		}
	}
	password, err = clinic.MakePassword()
	return password, true, err
}

// askTwice reads a password twice, until it can be one and both are the same. An empty one is an answer.
func askTwice(ctx context.Context, out io.Writer, in *os.File, question string) (string, error) {
	for {
		first, err := readHidden(ctx, out, in, question)
		if err != nil || first == "" {
			return "", err
		}
		if err := clinic.CheckPassword(first); err != nil {
			fmt.Fprintf(out, "omsync: %v\n", err)
			continue
		}
		switch second, err := readHidden(ctx, out, in, "once more: "); {
		case err != nil:
			return "", err
		case first == second:
			return first, nil
		}
		fmt.Fprintln(out, "omsync: these were not the same")
	}
}

// readHidden reads a line from a terminal that does not show it.
func readHidden(ctx context.Context, out io.Writer, in *os.File, question string) (string, error) {
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(out, question)
	defer fmt.Fprintln(out)
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() { // the read cannot be interrupted
		line, err := term.ReadPassword(fd)
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		term.Restore(fd, before)
		return "", ctx.Err()
	case a := <-got:
		return string(a.line), a.err
	}
}
