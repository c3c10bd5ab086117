package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/doctor"
)

func newDoctor(g *global) *cobra.Command {
	asJSON, deep := false, false
	o := &fixOptions{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong here, and say what to do",
		Long: `Look for what is wrong at this site, or will be: the server and its settings, rights, triggers and whether they note what is written,
disk space, clocks, keys, the backup of the home folder, tables and references that nobody declared, rows that cannot go to others, names by
which two people log in, order numbers and identifiers that two rows have, peers, links, and what waits. One line for each check: ok, warn or
fail, and what to do. Rows are named by their uuids. With a fail the exit code is 1.

Nothing is changed: to see whether triggers work, one row of each table is written to itself and rolled back. Of large tables the
first rows are looked at; --deep looks at all, which takes as long as reading the database.

With --fix uuids, rows without a uuid get a random one, so that they and what refers to them go to other sites. The application can go
on. Do this at the hub, and before clinics are made from copies of its database. A clinic that was made from such a copy before holds
the same rows: there, name the hub's list (uuids.jsonl in its home folder) with --from before it imports anything, or each such row
becomes two.`,
		Example: `  omsync --home /var/lib/omsync doctor
  omsync --home /var/lib/omsync doctor --fix uuids --dry-run
  omsync --home /var/lib/omsync doctor --fix uuids --from hub-uuids.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.asked(cmd) {
				return runFix(cmd, g, o, asJSON)
			}
			return runDoctor(cmd, g, asJSON, deep)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&deep, "deep", false, "look at all rows, however many there are")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func runDoctor(cmd *cobra.Command, g *global, asJSON, deep bool) error {
	name, found, err := examine(cmd, g, deep)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		err = printJSON(out, struct {
			Node     string           `json:"node"`
			Findings []doctor.Finding `json:"findings"`
		}{name, found})
	} else {
		err = printFindings(out, found)
	}
	if err != nil {
		return err
	}
	var fails int64
	for _, f := range found {
		if f.Level == doctor.Fail {
			fails++
		}
	}
	if fails > 0 {
		return fmt.Errorf("failed: %s", count(fails, "check"))
	}
	return nil
}

// examine runs the checks. Where the keys or the database cannot be used, that is a finding too.
func examine(cmd *cobra.Command, g *global, deep bool) (name string, found []doctor.Finding, err error) {
	ctx := cmd.Context()
	n, bad := g.openAll(cmd, node.Read)
	o := doctor.Options{Deep: deep}
	if bad != nil {
		if n, err = g.open(cmd, node.Read); err != nil || ctx.Err() != nil {
			return "", nil, errors.Join(err, ctx.Err())
		}
		if o.KeysError = n.LoadKeys(); o.KeysError != nil {
			bad = n.Load(ctx, listener(cmd.ErrOrStderr()))
		}
	}
	defer n.Close()
	switch {
	case bad == nil:
		found, err = doctor.Examine(ctx, n, o)
		return n.Node, found, err
	case o.KeysError != nil:
		found = append(found, doctor.Broken("keys and passwords", o.KeysError))
	}
	return n.Node, append(found, doctor.Broken("database", bad)), ctx.Err()
}

// printFindings prints a line for each.
func printFindings(out io.Writer, found []doctor.Finding) error {
	for _, f := range found {
		line := f.What
		if f.Do != "" {
			line += " -> " + f.Do
		}
		if _, err := fmt.Fprintf(out, "%-4s  %s: %s\n", f.Level, f.Check, failure.Printable(strings.ReplaceAll(line, "\n", " "))); err != nil {
			return err
		}
	}
	return nil
}
