package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/doctor"
)

func newDoctor(g *global) *cobra.Command {
	asJSON := false
	o := &fixOptions{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong here, and say what to do",
		Long: `Look for what is wrong in this database, or will be: rights that omsync lacks, triggers that are not as they should be, rows that
cannot go to others, names by which two people log in, and order numbers and identifiers that two rows have. One line for each check:
ok, warn or fail, and what to do. Rows are named by their uuids. With a fail the exit code is 1. Nothing is changed.

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
			return runDoctor(cmd, g, asJSON)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func runDoctor(cmd *cobra.Command, g *global, asJSON bool) error {
	n, err := g.openAll(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	found, err := doctor.Examine(cmd.Context(), n)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		err = printJSON(out, struct {
			Node     string           `json:"node"`
			Findings []doctor.Finding `json:"findings"`
		}{n.Node, found})
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
