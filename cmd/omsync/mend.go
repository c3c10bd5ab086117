package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
)

func newMend(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mend",
		Short: "Mend what a broken node has done",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMendStamps(g))
	return cmd
}

type mendOptions struct {
	dryRun, yes bool
	laterThan   string
}

func newMendStamps(g *global) *cobra.Command {
	o := &mendOptions{}
	cmd := &cobra.Command{
		Use:   "stamps",
		Short: "Replace stamps of the far future",
		Long: `Give rows and deletions whose stamps are of the far future a stamp of now. A broken node made such stamps, and an omsync that
knew no limit took them: until the clocks reach them, nobody's later change of these values counts.

What is mended goes to every peer as a change made here, and every peer is asked for the tables. Set this computer's clock first.
All sites that hold such stamps have to be mended, the hub first, each with the same --later-than.`,
		Example: `  omsync --home /var/lib/omsync mend stamps --dry-run`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runMendStamps(cmd, g, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "say what there is, and change nothing")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	f.StringVar(&o.laterThan, "later-than", "", "mend stamps later than this day, as in 2036-11-28 (default: horizon_years from now)")
	return cmd
}

func runMendStamps(cmd *cobra.Command, g *global, o *mendOptions) error {
	ctx := cmd.Context()
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	later, err := o.limit(time.Now(), n.Horizon())
	if err != nil {
		return err
	}
	found, err := n.MendStamps(ctx, later, true)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if len(found.Tables) == 0 && found.Waiting == 0 {
		_, err := fmt.Fprintf(out, "no stamp is later than %s: there is nothing to mend\n", later.Format(time.DateOnly))
		return err
	}
	if o.dryRun || !o.yes {
		printMended(out, found)
	}
	if o.dryRun {
		_, err := fmt.Fprintf(out, "these stamps are later than %s: nothing was changed\n", later.Format(time.DateOnly))
		return err
	}
	if !o.yes {
		switch ok, err := confirm(ctx, cmd, fmt.Sprintf("Stamp these anew, by this computer's clock (%s)?", time.Now().Format("2006-01-02 15:04"))); {
		case errors.Is(err, errNotTerminal):
			return failure.Hinted(err, "add --yes")
		case err != nil:
			return err
		case !ok:
			return errors.New("nothing was changed")
		}
	}
	if found, err = n.MendStamps(ctx, later, false); err != nil {
		return err
	}
	if o.yes {
		printMended(out, found)
	}
	_, err = fmt.Fprintf(out, "stamped anew, and every peer is asked for these tables: at each other site, hubs before their clinics:\n  omsync mend stamps --later-than %s\n",
		later.Format(time.DateOnly))
	return err
}

// limit is the end of a day: all sites have to say the same.
func (o *mendOptions) limit(now time.Time, horizon time.Duration) (time.Time, error) {
	if o.laterThan == "" {
		return now.UTC().Add(horizon).Truncate(24 * time.Hour), nil
	}
	t, err := time.Parse(time.DateOnly, o.laterThan)
	if err != nil {
		return t, fmt.Errorf("--later-than %q: write a day like 2036-11-28", o.laterThan)
	}
	return t, nil
}

// printMended prints a line for each table, and one about the stamps.
func printMended(out io.Writer, m *capture.Mended) {
	for _, t := range m.Tables {
		var what []string
		if t.Default {
			what = append(what, "all rows as they were first loaded")
		}
		if t.Rows > 0 {
			what = append(what, count(t.Rows, "row"))
		}
		if t.Deletions > 0 {
			what = append(what, count(t.Deletions, "deletion"))
		}
		fmt.Fprintf(out, "%s: %s\n", t.Name, strings.Join(what, ", "))
	}
	if m.Waiting > 0 {
		fmt.Fprintf(out, "%s that waited for a clock to reach such stamps: forgotten, they come again\n", count(m.Waiting, "row"))
	}
	if len(m.Tables) == 0 {
		return
	}
	fmt.Fprintf(out, "stamped by %s, up to %s\n", failure.Printable(strings.Join(m.Authors, ", ")), m.Latest.Format(time.DateOnly))
}
