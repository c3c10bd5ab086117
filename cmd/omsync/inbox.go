package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
)

func newInbox(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "List, retry and drop files that came and are not applied",
		Long: `A file that cannot be applied is tried again after 1 minute, 5 minutes, 30 minutes and 2 hours. If it fails a fifth time, or
the program ends each time, it is set aside: nothing tries it until a person says so. Nobody else's files wait for it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newInboxList(g),
		newInboxChange(g, "retry [FILE...]", "Try files at the next import", `Have files tried at the next import, whatever came of them
before: those named, or all that failed. Without a name, files
that failed in other folders and on links are looked at again, too.`, "is tried at the next import", exchange.Retry, nil),
		newInboxChange(g, "drop FILE...", "Throw files away", `Throw files away. Nothing is lost with them: their sender sends what they hold again, in another file, for it is not
acknowledged. The same file is not fetched again.`, "is thrown away", exchange.Drop, cobra.MinimumNArgs(1)))
	return cmd
}

func newInboxList(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the files that came and are not applied",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := g.open(cmd, node.Read)
			if err != nil {
				return err
			}
			defer n.Close()
			held, err := exchange.ListHeld(cmd.Context(), n.Home, time.Now())
			if err != nil {
				return err
			}
			return printHeld(cmd.OutOrStdout(), held, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

// printHeld prints a table, or an object for each file.
func printHeld(out io.Writer, held []exchange.Held, asJSON bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(held) > 0 && !asJSON {
		fmt.Fprintln(w, "FILE\tFROM\tBYTES\tSTATE\tFAILED\tWHY")
	}
	for _, h := range held {
		state := "waits"
		switch {
		case h.Aside:
			state = "set aside"
		case h.Deletions != nil:
			state = "waits for a person"
		case !h.Next.IsZero():
			state = "tried again at " + h.Next.Local().Format("2006-01-02 15:04")
		}
		var err error
		if asJSON {
			err = printJSON(out, heldObject(h))
		} else {
			_, err = fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\n", failure.Printable(h.Name), failure.Printable(h.Sender), h.Bytes, state, h.Failed, failure.Printable(h.Why))
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

// heldJSON is the JSON object of a file that came and is not applied.
type heldJSON struct {
	File   string     `json:"file"`
	Sender string     `json:"sender,omitempty"`
	Bytes  int64      `json:"bytes"`
	Aside  bool       `json:"set_aside"`
	Failed int        `json:"failed"`
	Last   *time.Time `json:"last,omitempty"`
	Next   *time.Time `json:"next,omitempty"`
	Why    string     `json:"why,omitempty"`

	Deletions []attempts.Deletions `json:"deletions,omitempty"`
}

func heldObject(h exchange.Held) heldJSON {
	out := heldJSON{File: h.Name, Sender: h.Sender, Bytes: h.Bytes, Aside: h.Aside, Failed: h.Failed, Why: h.Why, Deletions: h.Deletions}
	if !h.Last.IsZero() {
		out.Last = &h.Last
	}
	if !h.Next.IsZero() {
		out.Next = &h.Next
	}
	return out
}

// newInboxChange makes a command that does something with files and prints a line for each.
func newInboxChange(g *global, use, short, long, done string, do func(ctx context.Context, home string, names []string) ([]string, error), args cobra.PositionalArgs) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args:  args,
		RunE: func(cmd *cobra.Command, names []string) error {
			n, err := g.open(cmd, node.Change)
			if err != nil {
				return err
			}
			defer n.Close()
			files, err := do(cmd.Context(), n.Home, names)
			for _, f := range files {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", failure.Printable(f), done)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return failure.Hinted(err, "omsync --home %s inbox list names them", n.Home)
			}
			return err
		},
	}
}
