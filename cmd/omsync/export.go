package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/transport"
	languages "github.com/omsync/omsync/words"
)

type exportOptions struct {
	to        string
	peers     []string
	full      bool
	match     bool
	sinceSent bool
	partSize  string
	json      bool
}

func newExport(g *global) *cobra.Command {
	o := &exportOptions{}
	cmd := &cobra.Command{
		Use:   "export [--to FOLDER]",
		Short: "Write batches for peers into a folder",
		Long: `Write a batch for each peer that lacks something into a folder: what the peer has not acknowledged yet, a full load at
first. A batch that is lost on the way costs nothing: the next one holds the same again.

Without a folder it goes to the outbox, from which push and serve take it; what waits there is not written again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runExport(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "the folder; made if only its last part is missing (default: the outbox)")
	f.StringArrayVar(&o.peers, "peer", nil, "only for this peer; may be repeated (default: all that are active)")
	f.BoolVar(&o.full, "full", false, "a full load, whatever the peer has acknowledged")
	f.BoolVar(&o.sinceSent, "since-sent", false, "only what no earlier batch holds: for a link that runs one way, on which a lost batch is lost")
	f.StringVar(&o.partSize, "part-size", "", "split a full load into files of about this size, such as 64MiB or 3.9GiB")
	f.BoolVar(&o.json, "json", false, "one JSON object for each batch, a line each")
	f.BoolVar(&o.match, "match", false, "a file for omsync match alone: the keys of what would go to the peer, and what they are compared by")
	cmd.MarkFlagsMutuallyExclusive("full", "since-sent", "match")
	cmd.MarkFlagsMutuallyExclusive("part-size", "match")
	return cmd
}

func runExport(cmd *cobra.Command, g *global, o *exportOptions) error {
	ctx := cmd.Context()
	if o.to == "" && (o.full || o.sinceSent || o.match) {
		return failure.Hinted(errors.New("export where to?"), "--full, --since-sent and --match need --to FOLDER")
	}
	size, err := config.ParsePartSize(o.partSize)
	if err != nil {
		return err
	}
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	if size == 0 {
		if size, err = config.ParsePartSize(n.PartSize); err != nil {
			return err
		}
	}
	peers, err := n.ChoosePeers(ctx, o.peers)
	if err != nil {
		return err
	}
	write := func(p *journal.Peer) ([]export.Batch, string, error) {
		made, err := exchanging(cmd.ErrOrStderr(), n).FillOutbox(ctx, p, size)
		return made, filepath.Join(n.Home, "outbox", p.Name), err
	}
	if o.to != "" {
		folder, err := transport.MakeFolder(o.to)
		if err != nil {
			return err
		}
		defer folder.Close()
		write = func(p *journal.Peer) ([]export.Batch, string, error) {
			if o.match {
				made, err := exchanging(cmd.ErrOrStderr(), n).ExportMatch(ctx, p, folder)
				if err != nil {
					return nil, o.to, err
				}
				return []export.Batch{made}, o.to, nil
			}
			made, err := exchanging(cmd.ErrOrStderr(), n).Export(ctx, p, folder, exchange.ExportOptions{Full: o.full, SinceSent: o.sinceSent, PartSize: size})
			return made, o.to, err
		}
	}
	if err := n.Reconcile(ctx); err != nil {
		return err
	}
	for _, p := range peers {
		made, where, err := write(p)
		for _, e := range made { // the parts that were finished, also when a later one was not
			if err := printExported(cmd.OutOrStdout(), where, o.json, e); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if len(made) == 0 && !o.json {
			fmt.Fprintln(cmd.OutOrStdout(), nothingToSend(p))
		}
	}
	return nil
}

// nothingToSend says so. A load on its way holds the rows that somebody may look for.
func nothingToSend(p *journal.Peer) string {
	if !p.Link.Loading() {
		return "nothing to send to " + p.Name
	}
	return fmt.Sprintf("nothing to send to %s beyond the full load that was made and is not acknowledged yet; if its file is lost, omsync export --full makes it again", p.Name)
}

func printExported(w io.Writer, where string, asJSON bool, e export.Batch) error {
	path := filepath.Join(where, e.File)
	if asJSON {
		return printJSON(w, struct {
			Peer      string `json:"peer"`
			File      string `json:"file"`
			Base      uint64 `json:"base"`
			Upto      uint64 `json:"upto"`
			Rows      int64  `json:"rows"`
			Deletions int64  `json:"deletions"`
			Bytes     int64  `json:"bytes"`
			Part      uint32 `json:"part,omitempty"`
			Last      bool   `json:"last"`
		}{e.Peer, path, e.Base, e.Upto, e.Rows, e.Deletions, e.Bytes, e.Part, e.Last})
	}
	what := fmt.Sprintf("epochs %d to %d", e.Base, e.Upto)
	if e.Base == 0 {
		what = fmt.Sprintf("full load to epoch %d", e.Upto)
	}
	if strings.HasSuffix(e.File, batch.MatchSuffix) {
		what = fmt.Sprintf("to compare, as of epoch %d", e.Upto)
	}
	if e.Upto == 0 {
		what = "rows go once its first load is applied here"
	}
	if e.Part != 0 {
		what += fmt.Sprintf(", part %d", e.Part)
		if e.Last {
			what += " (the last)"
		}
	}
	if e.Rows+e.Deletions == 0 {
		what += ", no rows"
	} else {
		what += fmt.Sprintf(", %s, %s", count(e.Rows, "row"), count(e.Deletions, "deletion"))
	}
	_, err := fmt.Fprintf(w, "%s: %s (%s, %s)\n", e.Peer, path, what, languages.Size(e.Bytes))
	return err
}
