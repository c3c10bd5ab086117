package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/compared"
	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/verify"
	languages "github.com/omsync/omsync/words"
)

type verifyOptions struct {
	to, from    string
	kept        bool
	peers       []string
	finds       int
	without     []string
	local       bool
	repair, yes bool
	missing     string
	json, brief bool
}

func newVerify(g *global) *cobra.Command {
	o := &verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify (--to FOLDER | --from FOLDER|FILE | --kept | --local)",
		Short: "Prove that two sites hold the same, or say which rows differ, and repair them",
		Long: `Compare this database with a peer's without a link between them. With --to a digest is written for each peer: a small file that says
nothing of what rows hold, and by which the peer finds each row that is not at both as it should be. With --from the digests that peers
have written are compared with the rows here.

What is under way between the two, what waits, and what does not go between them does not count. Rows that differ were changed without omsync
having seen it: with its triggers off, by TRUNCATE, or by loading a table from a backup.

With --repair what differs is mended, as far as it is this node's to do: what only goes one way is right at its sender, another row where
its latest change was made. What is right goes with the next files; a value that it replaces is recorded as a conflict there. Both
sites do this with the other's digest, exchange files, and compare again.

With --local this node is checked against itself, without a peer.`,
		Example: `  omsync --home /var/lib/omsync verify --to /media/stick
  omsync --home /var/lib/omsync verify --from /media/stick --repair`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVerify(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "write digests into this folder; made if only its last part is missing")
	f.StringVar(&o.from, "from", "", "compare with the digests in this folder, or with this one")
	f.BoolVar(&o.kept, "kept", false, "compare with the digests that came last: the home folder keeps one of each peer")
	f.BoolVar(&o.local, "local", false, "check this node against itself")
	f.StringArrayVar(&o.peers, "peer", nil, "only this peer; may be repeated (default: all that are active)")
	f.IntVar(&o.finds, "differences", 1000, "how many rows that differ the digest names exactly: 46 bytes for each")
	f.StringArrayVar(&o.without, "without", nil, "leave out a table, or a column as TABLE.COLUMN, that the peer lacks; may be repeated")
	f.BoolVar(&o.repair, "repair", false, "mend what differs")
	f.StringVar(&o.missing, "missing", "restore", "what --repair does with rows that are gone at one site, where neither decides alone: restore, or delete")
	f.BoolVar(&o.yes, "yes", false, "with --repair: do not ask")
	f.BoolVar(&o.brief, "brief", false, "name no rows: how many differ of each table")
	f.BoolVar(&o.json, "json", false, "one JSON object for each peer, a line each")
	cmd.MarkFlagsMutuallyExclusive("to", "from", "kept", "local")
	cmd.MarkFlagsOneRequired("to", "from", "kept", "local")
	cmd.MarkFlagsMutuallyExclusive("to", "repair")
	cmd.MarkFlagsMutuallyExclusive("json", "brief")
	cmd.MarkFlagsMutuallyExclusive("local", "repair")
	return cmd
}

func runVerify(cmd *cobra.Command, g *global, o *verifyOptions) error {
	if o.missing != "restore" && o.missing != "delete" {
		return fmt.Errorf("--missing is restore or delete, not %q", o.missing)
	}
	if o.finds < 1 || o.finds > digest.MaxFinds {
		return fmt.Errorf("--differences is a number from 1 to %d", digest.MaxFinds)
	}
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	ctx := cmd.Context()
	if err := n.Reconcile(ctx); err != nil {
		return err
	}
	if o.local {
		return runVerifyLocal(cmd, n, o.json)
	}
	peers, err := n.ChoosePeers(ctx, o.peers)
	if err != nil {
		return err
	}
	if o.to != "" {
		return o.write(cmd, n, peers)
	}
	return o.compare(cmd, n, peers)
}

// write writes digests for peers.
func (o *verifyOptions) write(cmd *cobra.Command, n *node.Node, peers []*journal.Peer) error {
	folder, err := transport.MakeFolder(o.to)
	if err != nil {
		return err
	}
	defer folder.Close()
	for _, p := range peers {
		made, err := exchanging(cmd.ErrOrStderr(), n).ExportDigest(cmd.Context(), p, folder, export.DigestOptions{Finds: o.finds, Without: o.without})
		if err != nil {
			return err
		}
		if err := printDigest(cmd.OutOrStdout(), o.to, o.json, made); err != nil {
			return err
		}
	}
	return nil
}

func printDigest(w io.Writer, where string, asJSON bool, e export.Batch) error {
	path := filepath.Join(where, e.File)
	if asJSON {
		return printJSON(w, struct {
			Peer  string `json:"peer"`
			File  string `json:"file"`
			Upto  uint64 `json:"upto"`
			Rows  int64  `json:"rows"`
			Bytes int64  `json:"bytes"`
		}{e.Peer, path, e.Upto, e.Rows, e.Bytes})
	}
	_, err := fmt.Fprintf(w, "%s: %s (digest as of epoch %d, %s, %s)\n", e.Peer, path, e.Upto, count(e.Rows, "row"), languages.Size(e.Bytes))
	return err
}

// compare compares with the digests of peers, and mends what differs if that is wanted.
func (o *verifyOptions) compare(cmd *cobra.Command, n *node.Node, peers []*journal.Peer) error {
	ctx := cmd.Context()
	x := exchanging(cmd.ErrOrStderr(), n)
	from := o.from
	if o.kept {
		from = compared.Folder(n.Home)
	}
	files, err := x.FindDigests(ctx, peers, from)
	if o.kept && (errors.Is(err, exchange.ErrNoDigest) || errors.Is(err, fs.ErrNotExist)) {
		return failure.Hinted(fmt.Errorf("%w: none came yet", exchange.ErrNoDigest), "a sync carries one to the parent each week; or at the peer: omsync verify --peer %s --to FOLDER; then here: omsync --home %s verify --from FOLDER", n.Node, n.Home)
	}
	if errors.Is(err, exchange.ErrNoDigest) {
		return failure.Hinted(err, "at the peer: omsync verify --peer %s --to FOLDER; then here: omsync --home %s verify --from FOLDER", n.Node, n.Home)
	} else if err != nil {
		return err
	}
	differ := false
	for _, p := range peers {
		if files[p.Name] == "" {
			continue
		}
		found, err := o.compareWith(cmd, n, x, p, files[p.Name])
		if err != nil {
			return err
		}
		differ = differ || found
	}
	if differ {
		return failure.Coded(failure.Differs, "the sites do not hold the same")
	}
	return nil
}

// compareWith compares with one digest, and reports whether anything differs that is not mended.
func (o *verifyOptions) compareWith(cmd *cobra.Command, n *node.Node, x *exchange.Node, p *journal.Peer, file string) (differ bool, err error) {
	ctx := cmd.Context()
	d, err := x.ReadDigest(ctx, p, file)
	if err != nil {
		return false, err
	}
	c, err := x.Compare(ctx, p, d)
	if errors.Is(err, export.ErrOtherHistory) {
		return false, fmt.Errorf("%s: %w", file, err)
	} else if err != nil {
		return false, err
	}
	r, steps, err := n.Compared(ctx, p, d, c, node.Comparing{Restore: o.missing == "restore"})
	if err == nil {
		err = x.Remember(p, d, c)
	}
	if err != nil {
		return false, err
	}
	if o.json {
		if err := printJSON(cmd.OutOrStdout(), r); err != nil {
			return false, err
		}
	} else if err := printVerify(cmd.OutOrStdout(), r, o.brief); err != nil {
		return false, err
	}
	todo := r.Claimed + r.Removed
	if !o.repair || todo == 0 {
		return r.Differs, nil
	}
	if !o.yes {
		switch ok, err := confirm(ctx, cmd, fmt.Sprintf("Send %s to %s again, and delete %s here?", count(r.Claimed, "row"), p.Name, count(r.Removed, "row"))); {
		case errors.Is(err, errNotTerminal):
			return false, failure.Hinted(err, "add --yes")
		case err != nil:
			return false, err
		case !ok:
			return false, errors.New("nothing was repaired")
		}
	}
	seal := func(ctx context.Context) error {
		_, err := capture.Seal(ctx, n.Journal, x.Wait)
		return err
	}
	if err := verify.Mend(ctx, n.Journal, steps, verify.Options{Wait: x.Wait, Seal: seal}); err != nil {
		return false, err
	}
	if err := errors.Join(compared.NoteRepair(n.Home, p, n.Journal.Now()), exchange.NoteRepair(n.Home, p, n.Journal.Now())); err != nil {
		return false, err
	}
	for _, s := range steps {
		if s.Why != "" {
			what := "stays"
			if s.Does == merge.Claim {
				what = "is sent again, and not deleted"
			}
			if o.brief { // why may name a row
				fmt.Fprintf(cmd.ErrOrStderr(), "omsync: a row of %s %s\n", s.Table.Name, what)
				continue
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "omsync: a row of %s %s (%s): %s\n", s.Table.Name, what, journal.PrintableKey(s.Table, s.Key), s.Why)
		}
	}
	if !o.json {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: repaired what is this node's to do; exchange files (omsync sync), and compare again\n", p.Name)
	}
	return r.Others > 0 || !c.Exact || len(c.Left) > 0, nil
}
