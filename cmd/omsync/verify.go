package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/verify"
)

type verifyOptions struct {
	to, from    string
	peers       []string
	finds       int
	without     []string
	local       bool
	repair, yes bool
	missing     string
	json        bool
}

func newVerify(g *global) *cobra.Command {
	o := &verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify (--to FOLDER | --from FOLDER|FILE | --local)",
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
	f.BoolVar(&o.local, "local", false, "check this node against itself")
	f.StringArrayVar(&o.peers, "peer", nil, "only this peer; may be repeated (default: all that are active)")
	f.IntVar(&o.finds, "differences", 1000, "how many rows that differ the digest names exactly: 46 bytes for each")
	f.StringArrayVar(&o.without, "without", nil, "leave out a table, or a column as TABLE.COLUMN, that the peer lacks; may be repeated")
	f.BoolVar(&o.repair, "repair", false, "mend what differs")
	f.StringVar(&o.missing, "missing", "restore", "what --repair does with rows that are gone at one site, where neither decides alone: restore, or delete")
	f.BoolVar(&o.yes, "yes", false, "with --repair: do not ask")
	f.BoolVar(&o.json, "json", false, "one JSON object for each peer, a line each")
	cmd.MarkFlagsMutuallyExclusive("to", "from", "local")
	cmd.MarkFlagsOneRequired("to", "from", "local")
	cmd.MarkFlagsMutuallyExclusive("to", "repair")
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
	_, err := fmt.Fprintf(w, "%s: %s (digest as of epoch %d, %s, %s)\n", e.Peer, path, e.Upto, count(e.Rows, "row"), bytesText(e.Bytes))
	return err
}

// compare compares with the digests of peers, and mends what differs if that is wanted.
func (o *verifyOptions) compare(cmd *cobra.Command, n *node.Node, peers []*journal.Peer) error {
	ctx := cmd.Context()
	x := exchanging(cmd.ErrOrStderr(), n)
	files, err := x.FindDigests(ctx, peers, o.from)
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
	steps := verify.Plan(n.Journal, p, c, o.missing == "restore")
	r, err := o.report(ctx, n, p, d, c, steps)
	if err != nil {
		return false, err
	}
	if o.json {
		if err := printJSON(cmd.OutOrStdout(), r); err != nil {
			return false, err
		}
	} else if err := r.print(cmd.OutOrStdout()); err != nil {
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
	for _, s := range steps {
		if s.Why != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "omsync: a row of %s stays (%s): %s\n", s.Table.Name, journal.PrintableKey(s.Table, s.Key), s.Why)
		}
	}
	if !o.json {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: repaired what is this node's to do; exchange files (omsync sync), and compare again\n", p.Name)
	}
	return r.Others > 0 || !c.Exact || len(c.Left) > 0, nil
}

// verifyReport is how this node compares with a peer.
type verifyReport struct {
	Peer     string            `json:"peer"`
	AsOf     time.Time         `json:"as_of"`
	Epoch    uint64            `json:"epoch"`
	Differs  bool              `json:"differs"`
	Exact    bool              `json:"exact"`
	Estimate int64             `json:"rows_that_differ"`
	Rows     int64             `json:"rows"`
	Flight   int64             `json:"rows_in_flight"`
	Tables   []verifyTable     `json:"tables"`
	Left     map[string]string `json:"not_compared,omitempty"`
	Found    []verifyRow       `json:"differences"`
	Claimed  int64             `json:"to_send_again"`
	Removed  int64             `json:"to_delete"`
	Others   int64             `json:"for_the_peer"`
}

// verifyTable is how a table compares.
type verifyTable struct {
	Table    string `json:"table"`
	Here     uint64 `json:"rows_here"`
	There    uint64 `json:"rows_there"`
	Equal    bool   `json:"equal"`
	Differ   int    `json:"different"`
	NotHere  int    `json:"missing_here"`
	NotThere int    `json:"missing_there"`
	Flight   int    `json:"in_flight"`
	Waiting  int    `json:"waiting"`
	Same     int    `json:"equal_buckets"`
	Buckets  int    `json:"buckets"`
}

// verifyRow is a row that differs.
type verifyRow struct {
	Table  string `json:"table"`
	Kind   string `json:"kind"`
	State  string `json:"state,omitempty"`
	Key    string `json:"key,omitempty"`
	Row    string `json:"row,omitempty"`
	Cause  string `json:"cause"`
	Repair string `json:"repair"`
}

var mendings = map[merge.Mending]string{merge.Leave: "the peer's to do", merge.Claim: "is sent again", merge.Remove: "is deleted here"}

func (o *verifyOptions) report(ctx context.Context, n *node.Node, p *journal.Peer, d *exchange.DigestFile, c *export.Compared, steps []verify.Step) (*verifyReport, error) {
	r := &verifyReport{Peer: p.Name, AsOf: time.UnixMicro(d.Header.Time).UTC(), Epoch: d.Header.Upto.Epoch, Exact: c.Exact, Estimate: c.Estimate, Rows: c.Rows,
		Flight: int64(c.FlightThere) + c.NewHere, Left: c.Left, Found: []verifyRow{}, Differs: len(steps) > 0 || !c.Exact || len(c.Left) > 0}
	at := map[string]*verifyTable{}
	for _, t := range c.Tables {
		if c.Left[t.Name] != "" {
			continue
		}
		r.Tables = append(r.Tables, verifyTable{Table: t.Name, Here: t.Here, There: t.There, Equal: t.Equal, Same: t.Same, Buckets: t.Buckets})
		if !t.Equal && !c.Exact {
			r.Differs = true
		}
	}
	for i := range r.Tables {
		at[strings.ToLower(r.Tables[i].Table)] = &r.Tables[i]
	}
	names := conflicts.NewNamer(n.DB, n.Journal)
	i := 0
	for _, f := range c.Differences {
		row := verifyRow{Table: f.Table.Name, Kind: f.Kind.String(), State: string(f.State), Cause: verify.Cause(n.Journal, p, f)}
		if f.Key != "" {
			row.Key = journal.PrintableKey(f.Table, f.Key)
			var err error
			if row.Row, err = names.Name(ctx, f.Table.Name, journal.Canonical(f.Table, f.Key)); err != nil {
				return nil, err
			}
		}
		t := at[strings.ToLower(f.Table.Name)]
		switch {
		case t == nil:
		case f.State == export.Flies:
			t.Flight++
			r.Flight++
		case f.State == export.Waits:
			t.Waiting++
		case f.Kind == digest.MissingHere:
			t.NotHere++
		case f.Kind == digest.MissingThere:
			t.NotThere++
		default:
			t.Differ++
		}
		if f.State == export.Differs {
			s := steps[i]
			i++
			row.Repair = mendings[s.Does]
			switch s.Does {
			case merge.Claim:
				r.Claimed++
			case merge.Remove:
				r.Removed++
			default:
				r.Others++
			}
		}
		r.Found = append(r.Found, row)
	}
	return r, nil
}

// maxFound is how many rows that differ are printed of one table.
const maxFound = 20

func (r *verifyReport) print(w io.Writer) error {
	b := &strings.Builder{}
	equal := 0
	for _, t := range r.Tables {
		if t.Equal {
			equal++
		}
	}
	fmt.Fprintf(b, "%s, as of %s (epoch %d): %s compared in %s\n", r.Peer, r.AsOf.Format("2006-01-02 15:04 UTC"), r.Epoch, count(r.Rows, "row"), count(int64(len(r.Tables)), "table"))
	switch {
	case !r.Differs:
		fmt.Fprintf(b, "both hold the same")
	case r.Exact:
		fmt.Fprintf(b, "%s of %d equal; %s", count(int64(equal), "table"), len(r.Tables), differText(r.Claimed+r.Removed+r.Others))
	default:
		fmt.Fprintf(b, "%s of %d equal; about %d rows differ, too many to name all: omsync verify --differences %d makes a digest that does", count(int64(equal), "table"), len(r.Tables), r.Estimate, min(2*r.Estimate+1000, digest.MaxFinds))
	}
	if r.Flight > 0 {
		fmt.Fprintf(b, "; %s under way between the two, and not compared", count(r.Flight, "row"))
	}
	b.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(r.Left)) {
		fmt.Fprintf(b, "%s is not compared: %s. At %s: omsync verify --without names what to leave out\n", failure.Printable(name), failure.Printable(r.Left[name]), r.Peer)
	}
	for _, t := range r.Tables {
		if t.Equal {
			continue
		}
		fmt.Fprintf(b, "\n%s: %d different, %d missing here, %d missing there, %d in flight, %d waiting", t.Table, t.Differ, t.NotHere, t.NotThere, t.Flight, t.Waiting)
		if !r.Exact {
			fmt.Fprintf(b, " among those named; %d of %d parts of its rows equal (%d here, %d there)", t.Same, t.Buckets, t.Here, t.There)
		}
		b.WriteString("\n")
		shown := 0
		for _, f := range r.Found {
			if !strings.EqualFold(f.Table, t.Table) {
				continue
			}
			if shown++; shown > maxFound {
				continue
			}
			f.print(b)
		}
		if shown > maxFound {
			fmt.Fprintf(b, "  and %d more (--json has all)\n", shown-maxFound)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func differText(n int64) string {
	if n == 1 {
		return "1 row differs"
	}
	return fmt.Sprintf("%d rows differ", n)
}

func (f verifyRow) print(b *strings.Builder) {
	row := f.Row
	if row == "" {
		row = "a row that this site does not know"
	}
	what := f.Kind
	if f.State != "" {
		what += ", " + f.State
	}
	fmt.Fprintf(b, "  %s: %s. %s%s", what, failure.Printable(row), strings.ToUpper(f.Cause[:1]), f.Cause[1:])
	if f.Repair != "" {
		fmt.Fprintf(b, ". Repair: %s", f.Repair)
	}
	b.WriteString("\n")
}
