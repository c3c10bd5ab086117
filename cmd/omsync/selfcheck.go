package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node/selfcheck"
)

func newSelfCheck(g *global) *cobra.Command {
	earlier := ""
	cmd := &cobra.Command{
		Use:   "self-check [--earlier PROGRAM]",
		Short: "Say whether this program can go on with this node, and whether one can go back",
		Long: `Say, after an update and before anything is changed, whether this program can read what the node has: its configuration, its keys,
omsync's tables in the database, the files that wait. And whether one can go back to the earlier program: --earlier asks it, where it is
still there. Nothing is changed, and nothing is upgraded. The exit code is 1 if this program cannot go on.`,
		Example: `  omsync --home /var/lib/omsync self-check
  omsync --home /var/lib/omsync self-check --earlier /usr/local/bin/omsync.before`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSelfCheck(cmd, g, earlier) },
	}
	cmd.Flags().StringVar(&earlier, "earlier", "", "the earlier program, which is asked for its version")
	return cmd
}

func runSelfCheck(cmd *cobra.Command, g *global, earlier string) error {
	dir, err := g.dir()
	if err != nil {
		return err
	}
	known, asked := 0, ""
	if earlier != "" {
		if asked, known, err = askEarlier(cmd.Context(), earlier); err != nil {
			return err
		}
	}
	r, err := selfcheck.Check(cmd.Context(), dir)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "this program: version %s, journal format %d\n", version(), journal.Format)
	printChecked(out, dir, r)
	_, back := selfcheck.Back(r.Format, known)
	if asked != "" {
		back = fmt.Sprintf("%s (%s): %s", earlier, failure.Printable(asked), back)
	}
	fmt.Fprintf(out, "going back: %s\n", back)
	if len(r.Wrong) > 0 {
		return failure.List(r.Wrong)
	}
	_, err = fmt.Fprintln(out, "this program can go on with this node")
	return err
}

func printChecked(out io.Writer, dir string, r *selfcheck.Report) {
	fmt.Fprintf(out, "home folder %s: node %s", dir, r.Node)
	if r.Fingerprint != "" {
		fmt.Fprintf(out, ", fingerprint %s", r.Fingerprint)
	}
	fmt.Fprintln(out)
	switch {
	case r.Database == "":
		fmt.Fprintln(out, "database: not reached")
	case r.Format == 0:
		fmt.Fprintf(out, "database %s: no tables of omsync\n", r.Database)
	case r.Format == journal.Format:
		fmt.Fprintf(out, "database %s: tables of format %d, this program's\n", r.Database, r.Format)
	case journal.HalfUpgraded(r.Format):
		fmt.Fprintf(out, "database %s: tables whose upgrade was begun and not finished\n", r.Database)
	default:
		fmt.Fprintf(out, "database %s: tables of format %d\n", r.Database, r.Format)
	}
	for _, f := range r.Folders {
		if f.Readable+len(f.TooNew)+len(f.Others) == 0 {
			continue
		}
		fmt.Fprintf(out, "%s: %s can be read", f.Path, count(int64(f.Readable), "file"))
		if n := len(f.TooNew); n > 0 {
			fmt.Fprintf(out, ", %s of a newer omsync kept for it (%s)", count(int64(n), "file"), failure.Printable(f.TooNew[0]))
		}
		if n := len(f.Others); n > 0 {
			fmt.Fprintf(out, ", %s damaged or no batch (%s)", count(int64(n), "file"), failure.Printable(f.Others[0]))
		}
		fmt.Fprintln(out)
	}
}

// askEarlier asks another omsync for its version, and which formats of the tables it knows.
func askEarlier(ctx context.Context, program string) (said string, format int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, program, "version").Output()
	if err != nil {
		return "", 0, fmt.Errorf("ask %s for its version: %w", program, err)
	}
	said, _, _ = strings.Cut(string(text), "\n")
	if format = selfcheck.FormatOf(said); format == 0 {
		return "", 0, fmt.Errorf("%s does not say which journal format it knows: is it omsync?", program)
	}
	return said, format, nil
}
