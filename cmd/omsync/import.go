package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/transport"
)

type importOptions struct {
	from   string
	accept string
	dryRun bool
	json   bool
	strict bool
}

func newImport(g *global) *cobra.Command {
	o := &importOptions{}
	cmd := &cobra.Command{
		Use:   "import [--from FOLDER | FILE...]",
		Short: "Apply batches for this node",
		Long: `Apply the batches for this node that are in a folder, or the files named; with neither, those that pull or serve put
into the inbox. Of a folder, files for other nodes are left alone. Each file is applied once: a file that was applied before
changes nothing. A row that cannot be applied waits (see quarantine), and the rest of its file is applied.

A file in which a child deletes more than 200 rows of one table, and more than one in a hundred of them, waits for a person, and
so does one after many such deletions within a day. Nothing of it is applied, and nobody else's files wait for it; omsync status
says how many rows of which table it deletes. Ask that clinic whether it means them; if so, --accept-deletions lets those of its
files through that wait now.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runImport(cmd, g, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "the folder")
	f.BoolVar(&o.dryRun, "dry-run", false, "do it all, report what would change per table, and take it back")
	f.BoolVar(&o.strict, "strict", false, "all or nothing: a file with a row that cannot be applied is refused, and the row does not wait")
	f.StringVar(&o.accept, "accept-deletions", "", "let this peer's files through that wait for a person because of what they delete")
	f.BoolVar(&o.json, "json", false, "one JSON object for each file, a line each")
	return cmd
}

func runImport(cmd *cobra.Command, g *global, o *importOptions, args []string) error {
	ctx := cmd.Context()
	if o.from != "" && len(args) > 0 {
		return failure.Hinted(errors.New("import what?"), "either --from FOLDER, or files by name, or neither: then what is in the inbox")
	}
	n, err := g.openAll(cmd, node.Change)
	if err != nil {
		return err
	}
	defer n.Close()
	if o.accept != "" {
		if p, err := journal.PeerByName(ctx, n.DB, o.accept, false); err != nil {
			return err
		} else if p == nil {
			return n.NoPeer(o.accept)
		}
	}
	x := exchanging(cmd.ErrOrStderr(), n)
	x.Accept, x.Strict = o.accept, o.strict
	run := &importing{node: n, out: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), dryRun: o.dryRun, json: o.json, applied: map[string]bool{}}
	begin := func() error { return n.Reconcile(ctx) }
	if err := run.withHook(ctx, func() error { return o.run(ctx, x, args, begin, run) }); err != nil {
		return err
	}
	if run.files == 0 && run.retried == 0 && !o.json {
		where := o.from
		if where == "" {
			where = "the inbox"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "nothing for %s in %s\n", n.Node, where)
	}
	return run.end()
}

// run imports what the command line says.
func (o *importOptions) run(ctx context.Context, x *exchange.Node, args []string, begin func() error, run *importing) error {
	if o.from == "" && len(args) == 0 && !o.dryRun {
		_, err := x.ImportInbox(ctx, nil, begin, run.print)
		return err
	}
	var files []*exchange.Incoming
	for _, path := range args {
		files = append(files, &exchange.Incoming{Name: path, Open: func() (*os.File, int64, error) { return openFile(path) }})
	}
	if len(args) == 0 {
		open := func() (*transport.Folder, error) { return transport.OpenFolder(o.from) }
		if o.from == "" {
			open = func() (*transport.Folder, error) { return exchange.Inbox(x.Home) }
		}
		folder, err := open()
		if err != nil {
			return err
		}
		defer folder.Close()
		if files, err = exchange.FilesIn(ctx, folder, func(name string) string { return filepath.Join(o.from, name) }); err != nil {
			return err
		}
	}
	return x.Import(ctx, files, exchange.ImportOptions{DryRun: o.dryRun, Folder: len(args) == 0}, begin, run.print)
}

// openFile opens a regular file: a pipe cannot be read twice.
func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, 0, failure.Hinted(fmt.Errorf("%s is not a file", path), "for a folder: --from")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
