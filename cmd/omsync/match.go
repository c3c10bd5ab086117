package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/harmonise"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/match/sheet"
	"github.com/omsync/omsync/node"
)

type matchOptions struct {
	from, peer, csv, html, decide string
	json, show, brief             bool
}

func newMatch(g *global) *cobra.Command {
	o := &matchOptions{}
	cmd := &cobra.Command{
		Use:   "match [--from FOLDER|FILE]",
		Short: "Compare this database with the hub's, and say what is one thing under two keys",
		Long: `Compare what this database holds with what the hub does, before their first exchange: which rows are one with the same key, which
are one under two keys (certainly), which may be (a person decides), which have a value that only one row may have, which are only here
and referred to by rows that would go up (these would wait at the hub), and which are only there.

What the hub holds is read from its full load, or from a file that it makes for this alone (omsync export --match), in the folder; without
--from, from the inbox, or as the last match read it. The database is only read, and the application can go on.

Decisions are written into the last column of the file that --csv writes: "same as KEY" if the row here is that row there, "keep apart" if it is
not, "send" if it is a new one for the hub, "open" to take a decision back. Then --decide FILE checks and keeps all of them, or none. They
can be changed until the hub's first load is applied. After that, "same as KEY" and "keep apart" can be added, about rows that never went
to the hub.`,
		Example: `  omsync --home /var/lib/omsync match --from /media/stick --csv match.csv --html match.html
  omsync --home /var/lib/omsync match --decide match.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runMatch(cmd, g, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "the folder with the hub's file, or the file")
	f.StringVar(&o.peer, "peer", "", "compare with this peer (default: the parent)")
	f.BoolVar(&o.json, "json", false, "one JSON object")
	f.StringVar(&o.csv, "csv", "", "write what is to be decided into this file, for a spreadsheet")
	f.StringVar(&o.html, "html", "", "write the report into this file, as a page to read and print")
	f.StringVar(&o.decide, "decide", "", "keep the decisions in this file; -: on standard input")
	f.BoolVar(&o.brief, "brief", false, "name no rows: how many of each table")
	f.BoolVar(&o.show, "show", false, "show the decisions that are kept")
	cmd.MarkFlagsMutuallyExclusive("decide", "show")
	for _, flag := range []string{"csv", "html"} {
		cmd.MarkFlagsMutuallyExclusive("decide", flag)
		cmd.MarkFlagsMutuallyExclusive("show", flag)
	}
	return cmd
}

func runMatch(cmd *cobra.Command, g *global, o *matchOptions) error {
	ctx := cmd.Context()
	use := node.Read
	if o.decide != "" {
		use = node.Change
	}
	n, err := g.openAll(cmd, use)
	if err != nil {
		return err
	}
	defer n.Close()
	peer, err := n.MatchPeer(ctx, o.peer)
	if err != nil {
		return err
	}
	kept, err := harmonise.LoadDecisions(n.Home, peer.Name, peer.Link.Number)
	if err != nil {
		return err
	}
	if o.show {
		return showDecisions(cmd.OutOrStdout(), kept, o.json)
	}
	there, err := o.there(cmd, n, peer, g.patience(cmd))
	if err != nil {
		return err
	}
	x := exchanging(cmd.ErrOrStderr(), n)
	if o.decide != "" {
		return o.keep(cmd, n, x, peer, there, kept)
	}
	m, err := x.Match(ctx, peer, there.Side, kept)
	if err != nil {
		return err
	}
	return o.print(cmd.OutOrStdout(), n, m.Report, there)
}

// there returns what the peer holds: as its file says, or as it was kept.
func (o *matchOptions) there(cmd *cobra.Command, n *node.Node, p *journal.Peer, patience node.Patience) (*harmonise.There, error) {
	x := exchanging(cmd.ErrOrStderr(), n)
	path := o.from
	if path == "" {
		inbox, err := exchange.Inbox(n.Home)
		if err != nil {
			return nil, err
		}
		path = inbox.Path()
		inbox.Close()
	}
	if o.from == "" && o.decide != "" { // decided in what the last match said
		kept, err := harmonise.LoadThere(n.Home, p.Name, p.Link.Number)
		if err != nil || kept != nil {
			return kept, err
		}
	}
	t, _, err := x.ReadMatch(cmd.Context(), p, path)
	if o.from == "" && errors.Is(err, exchange.ErrNoMatchFile) {
		kept, e := harmonise.LoadThere(n.Home, p.Name, p.Link.Number)
		if e != nil || kept != nil {
			return kept, e
		}
	}
	if errors.Is(err, exchange.ErrNoMatchFile) {
		return nil, failure.Hinted(err, "at %s: omsync export --match --peer %s --to FOLDER; then here: omsync --home %s match --from FOLDER", p.Name, n.Node, n.Home)
	}
	if err != nil {
		return nil, err
	}
	if o.decide == "" { // two runs must not write it at once
		if err := n.Lock(cmd.Context(), patience); err != nil {
			return nil, err
		}
	}
	return t, harmonise.SaveThere(n.Home, t)
}

// print prints a report, and writes it where the flags say.
func (o *matchOptions) print(w io.Writer, n *node.Node, r *match.Report, there *harmonise.There) error {
	if o.csv != "" {
		if err := writeFile(o.csv, func(w io.Writer) error { return sheet.WriteCSV(w, sheet.Rows(r)) }); err != nil {
			return err
		}
	}
	if o.html != "" {
		if err := writeFile(o.html, func(w io.Writer) error { return sheet.WriteHTML(w, r, time.Now(), time.UnixMicro(there.Time)) }); err != nil {
			return err
		}
	}
	if o.json {
		return printJSON(w, matchJSON(r, there))
	}
	return printMatch(w, r, there, n.Home, o.brief)
}

// writeFile writes a file whole or not at all. It may hold names of patients: it is its owner's alone.
func writeFile(path string, write func(io.Writer) error) error {
	var b strings.Builder
	if err := write(&b); err != nil {
		return err
	}
	return durable.Write(path, []byte(b.String()), 0o600)
}

// matchReport is a report in JSON.
type matchReport struct {
	Here       string       `json:"here"`
	There      string       `json:"there"`
	AsOf       time.Time    `json:"as_of"`
	Waiting    int64        `json:"rows_waiting"`
	Tables     []matchTable `json:"tables"`
	Matched    []sheet.Row  `json:"matched"`
	Proposed   []sheet.Row  `json:"proposed"`
	Collisions []sheet.Row  `json:"collisions"`
	OnlyHere   []sheet.Row  `json:"only_here"`
	OnlyThere  []sheet.Row  `json:"only_there"`
	Crowds     []matchCrowd `json:"too_many"`
}

type matchTable struct {
	Table      string `json:"table"`
	Same       int    `json:"same_key"`
	Matched    int    `json:"matched"`
	Proposed   int    `json:"proposed"`
	Collisions int    `json:"collisions"`
	OnlyHere   int    `json:"only_here"`
	OnlyThere  int    `json:"only_there"`
	Goes       int    `json:"new_there"`
	Waiting    int64  `json:"rows_waiting"`
}

type matchCrowd struct {
	Table string `json:"table"`
	Key   string `json:"key"`
	Value string `json:"value"`
	Here  int    `json:"rows_here"`
	There int    `json:"rows_there"`
}

func matchJSON(r *match.Report, there *harmonise.There) matchReport {
	out := matchReport{Here: r.Here, There: r.There, AsOf: time.UnixMicro(there.Time).UTC(), Waiting: r.Waiting, Tables: []matchTable{}, Crowds: []matchCrowd{}}
	for _, c := range r.Tables {
		out.Tables = append(out.Tables, matchTable(c))
	}
	for _, c := range r.Crowds {
		out.Crowds = append(out.Crowds, matchCrowd(c))
	}
	for _, part := range []struct {
		to   *[]sheet.Row
		from []match.Line
	}{{&out.Matched, r.Matched}, {&out.Proposed, r.Proposed}, {&out.Collisions, r.Collisions}, {&out.OnlyHere, r.OnlyHere}, {&out.OnlyThere, r.OnlyThere}} {
		*part.to = []sheet.Row{}
		for i := range part.from {
			*part.to = append(*part.to, sheet.RowOf(&part.from[i]))
		}
	}
	return out
}

// maxOnTerminal is how many lines of each part a terminal gets.
const maxOnTerminal = 20

// printMatch prints a report for a terminal. brief: without the rows.
func printMatch(out io.Writer, r *match.Report, there *harmonise.There, home string, brief bool) error {
	fmt.Fprintf(out, "%s compared with %s as of %s (epoch %d)\n\n", r.Here, r.There, time.UnixMicro(there.Time).Local().Format("2006-01-02 15:04"), there.Epoch)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tSAME KEY\tMATCHED\tPROPOSED\tCOLLISIONS\tONLY HERE\tWOULD WAIT\tNEW THERE\tONLY THERE")
	for _, c := range r.Tables {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", c.Table, c.Same, c.Matched, c.Proposed, c.Collisions, c.OnlyHere, c.Waiting, c.Goes, c.OnlyThere)
	}
	if err := w.Flush(); err != nil || brief {
		return err
	}
	for _, part := range []struct {
		title string
		lines []match.Line
	}{
		{"Matched: one row under two keys", r.Matched}, {"Proposed: perhaps one row, for a person to decide", r.Proposed},
		{"Collisions: two rows, and one has a value that only one may have", r.Collisions},
		{"Only here, and referred to by rows that would wait at " + r.There, r.OnlyHere},
	} {
		if err := printPart(out, part.title, part.lines); err != nil {
			return err
		}
	}
	for i, c := range r.Crowds {
		if i == 0 {
			fmt.Fprintf(out, "\nToo many to propose (%d)\n", len(r.Crowds))
		}
		if i < maxOnTerminal {
			fmt.Fprintf(out, "  %s: %s here and %d there have the %s %s\n", c.Table, count(int64(c.Here), "row"), c.There, failure.Printable(c.Key), failure.Printable(c.Value))
		}
	}
	if r.Waiting > 0 {
		fmt.Fprintf(out, "\n%s would wait at %s for what is only here, or collides there\n", count(r.Waiting, "row"), r.There)
	}
	if len(r.Proposed)+len(r.OnlyHere) > 0 {
		fmt.Fprintf(out, "\nTo decide: omsync --home %s match --csv FILE, then omsync --home %[1]s match --decide FILE\n", home)
	}
	return nil
}

func printPart(out io.Writer, title string, lines []match.Line) error {
	if len(lines) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%s (%d)\n", title, len(lines))
	for i := range lines[:min(len(lines), maxOnTerminal)] {
		l := &lines[i]
		text := "  " + l.Table + ": " + named(l.LabelHere, l.Here)
		if l.There != "" {
			text += " - " + named(l.LabelThere, l.There)
		}
		if row := sheet.RowOf(l); row.Evidence != "" {
			text += ", " + row.Evidence
		}
		if l.Waiting > 0 {
			text += fmt.Sprintf(" (%s would wait)", count(l.Waiting, "row"))
		}
		if d := sheet.DecisionText(l.Decision); d != "" {
			text += "; decided: " + d
		}
		if _, err := fmt.Fprintln(out, failure.Printable(text)); err != nil {
			return err
		}
	}
	if more := len(lines) - maxOnTerminal; more > 0 {
		fmt.Fprintf(out, "  … and %d more: --csv, --html or --json has all\n", more)
	}
	return nil
}

func named(label, key string) string {
	if key = match.Shown(key); label == "" || label == key {
		return key
	}
	return label + " (" + key + ")"
}

// showDecisions prints what is decided.
func showDecisions(out io.Writer, kept []match.Decision, asJSON bool) error {
	if !asJSON && len(kept) == 0 {
		fmt.Fprintln(out, "nothing is decided")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, d := range kept {
		row := sheet.RowOf(&match.Line{Table: d.Table, Here: d.Here, There: d.There, LabelHere: d.LabelHere, LabelThere: d.LabelThere, State: match.Decided, Decision: d})
		if asJSON {
			if err := printJSON(out, row); err != nil {
				return err
			}
			continue
		}
		if i == 0 {
			fmt.Fprintln(w, "TABLE\tHERE\tDECISION\tTHERE")
		}
		apart := row.Decision
		if d.Kind == match.Apart {
			apart += " from " + row.KeyThere
		}
		fmt.Fprintln(w, failure.Printable(row.Table)+"\t"+failure.Printable(named(d.LabelHere, d.Here))+"\t"+failure.Printable(apart)+"\t"+failure.Printable(d.LabelThere))
	}
	return w.Flush()
}
