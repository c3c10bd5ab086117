package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport"
)

type exportOptions struct {
	to        string
	peers     []string
	full      bool
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
	cmd.MarkFlagsMutuallyExclusive("full", "since-sent")
	return cmd
}

func runExport(cmd *cobra.Command, g *global, o *exportOptions) error {
	ctx := cmd.Context()
	if o.to == "" && (o.full || o.sinceSent) {
		return hinted(errors.New("export where to?"), "--full and --since-sent need --to FOLDER")
	}
	size, err := parseSize(o.partSize)
	if err != nil {
		return err
	}
	n, err := g.openAll(cmd, true)
	if err != nil {
		return err
	}
	defer n.Close()
	if size == 0 {
		if size, err = parseSize(n.PartSize); err != nil {
			return err
		}
	}
	peers, err := n.choose(ctx, o.peers)
	if err != nil {
		return err
	}
	write := func(p *journal.Peer) ([]export.Batch, string, error) {
		made, err := n.exchange(cmd).FillOutbox(ctx, p, size)
		return made, filepath.Join(n.home, "outbox", p.Name), err
	}
	if o.to != "" {
		folder, err := transport.MakeFolder(o.to)
		if err != nil {
			return err
		}
		defer folder.Close()
		write = func(p *journal.Peer) ([]export.Batch, string, error) {
			made, err := n.exchange(cmd).Export(ctx, p, folder, exchange.ExportOptions{Full: o.full, SinceSent: o.sinceSent, PartSize: size})
			return made, o.to, err
		}
	}
	if err := n.follow(ctx); err != nil {
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
			fmt.Fprintf(cmd.OutOrStdout(), "nothing to send to %s\n", p.Name)
		}
	}
	return nil
}

// choose finds the peers that the user named, or all that are active.
func (n *node) choose(ctx context.Context, names []string) ([]*journal.Peer, error) {
	all, err := journal.Peers(ctx, n.db)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		active := slices.DeleteFunc(all, func(p *journal.Peer) bool { return p.State != access.Active })
		if len(active) == 0 {
			return nil, hinted(errors.New("this node has no active peer to export to"), "omsync --home %s peer add CARD --as parent|child", n.home)
		}
		return active, nil
	}
	var out []*journal.Peer
	for _, name := range names {
		i := slices.IndexFunc(all, func(p *journal.Peer) bool { return p.Name == name })
		switch {
		case i < 0:
			return nil, n.noPeer(name)
		case all[i].State != access.Active:
			return nil, hinted(fmt.Errorf("the peer %s is %s", name, all[i].State), "omsync --home %s peer resume %s", n.home, name)
		case !slices.Contains(out, all[i]):
			out = append(out, all[i])
		}
	}
	return out, nil
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
	_, err := fmt.Fprintf(w, "%s: %s (%s, %s)\n", e.Peer, path, what, bytesText(e.Bytes))
	return err
}

// parseSize reads the size of a part; "" is 0.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	size, err := parseBytes(s)
	if err == nil && size < 64<<10 {
		return 0, fmt.Errorf("size %q: parts have at least 64 KiB", s)
	}
	return size, err
}

// parseBytes reads a size such as 64MiB, 700MB or 4000000, in bytes.
func parseBytes(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGTkmgtib ")
	units := map[string]float64{"": 1, "b": 1, "k": 1 << 10, "kb": 1e3, "kib": 1 << 10, "m": 1 << 20, "mb": 1e6, "mib": 1 << 20,
		"g": 1 << 30, "gb": 1e9, "gib": 1 << 30, "t": 1 << 40, "tb": 1e12, "tib": 1 << 40}
	unit, ok := units[strings.ToLower(strings.TrimSpace(s[len(number):]))]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || !(n > 0) || n*unit > 1<<50 {
		return 0, fmt.Errorf("size %q: write it like 64MiB or 3.9GB", s)
	}
	return int64(n * unit), nil
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// count is a number with its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printJSON prints a value on one line.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
