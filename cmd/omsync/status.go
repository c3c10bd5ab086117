package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/doctor"
	"github.com/omsync/omsync/node/status"
	judged "github.com/omsync/omsync/progress"
	languages "github.com/omsync/omsync/words"
)

func newStatus(g *global) *cobra.Command {
	asJSON, verbose, sheet := false, false, false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how it is going: who is behind, on what, since when, and what to do",
		Long: `How it is going: with this node, and with each peer, in a sentence, with what to do where somebody is needed. A peer is late by its own
habit: one that comes by stick each Friday is not late on Thursday (late_least_hours and late_most_days bound that).

With -v also, for each peer: the epoch of this node that was last sealed, sent, and acknowledged by it; the peer's epoch that was last
applied here; and how many rows wait to be sent. Changes that no seal has taken in yet belong to no epoch. For each link: when
it was last there, or since when it is down. For each file that came and could not be applied: how often it failed, and why. For
each child: which quota it is over, so that its files are not applied, and of which it has used half or more. For each peer, too: how far its
clock is off, where its files prove it, and how many rows of this node wait there, as its last file said. And what a child says of itself
in its files.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd, g, asJSON, verbose, sheet) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object, in English")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "epochs too: what was sealed, sent, acknowledged and applied")
	cmd.Flags().BoolVar(&sheet, "sheet", false, "only what needs somebody, and nothing of any patient: to print or to send")
	cmd.MarkFlagsMutuallyExclusive("json", "sheet")
	cmd.MarkFlagsMutuallyExclusive("verbose", "sheet")
	return cmd
}

func runStatus(cmd *cobra.Command, g *global, asJSON, verbose, sheet bool) error {
	n, err := g.open(cmd, node.Read)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Load(cmd.Context(), listener(cmd.ErrOrStderr())); err != nil {
		return err
	}
	s, err := status.Of(cmd.Context(), n, time.Now(), features.Present())
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), s)
	}
	catalogues, err := languages.Load()
	if err != nil {
		return err
	}
	p := catalogues.ForSystem(os.Getenv)
	p.Clean = failure.Printable
	if sheet {
		_, err := io.WriteString(cmd.OutOrStdout(), s.Sheet(time.Now()).Text(p))
		return err
	}
	if err := printGoing(cmd.OutOrStdout(), p, s); err != nil {
		return err
	}
	return printStatus(cmd.OutOrStdout(), s, verbose)
}

// printGoing says in a person's language how it is going.
func printGoing(out io.Writer, p *languages.Printer, s *status.Status) error {
	fmt.Fprintf(out, "node %s, database %s, profile %s\n", s.Node, s.Database, s.Profile)
	say := func(indent string, f judged.Finding) {
		fmt.Fprintf(out, "%s%s: %s\n", indent, p.Level(f.Level), p.Text(f.Says))
		if next := p.Step(f.Next); next != "" {
			fmt.Fprintf(out, "%s  -> %s\n", indent, failure.Printable(next))
		}
	}
	say("", judged.Finding{Level: s.Judged.Level, Says: s.Judged.Says})
	for _, f := range s.Judged.Findings {
		say("  ", f)
	}
	for _, q := range s.Judged.Peers {
		if len(q.Findings) == 0 && s.Judged.Says.Key == q.Says.Key && q.Parent {
			continue // the sentence about all is the one about the parent
		}
		if len(q.Findings) == 0 {
			say("  ", judged.Finding{Level: q.Level, Says: q.Says})
		}
		for _, f := range q.Findings {
			say("  ", f)
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// downByDefaultText says which tables go down only because no profile names them.
func downByDefaultText(tables []string) string {
	return "down only, because no profile names them: " + strings.Join(tables, ", ")
}

// printStatus prints what is behind the judgement; epochs if somebody wants them.
func printStatus(out io.Writer, s *status.Status, epochs bool) error {
	fmt.Fprintf(out, "%s not sealed yet, %s recorded%s\n", count(s.Unsealed, "change"), count(s.Conflicts, "conflict"), openText(s))
	if len(s.NotExchanged) > 0 {
		fmt.Fprintf(out, "not exchanged: %s\n", strings.Join(s.NotExchanged, ", "))
	}
	if len(s.Triggers) > 0 {
		fmt.Fprintf(out, "the triggers are not as they should be, and the next omsync sync makes them anew: %s\n", strings.Join(s.Triggers, ", "))
	}
	if len(s.DownByDefault) > 0 {
		fmt.Fprintln(out, downByDefaultText(s.DownByDefault))
	}
	for _, line := range s.Nameless {
		fmt.Fprintf(out, "staying here, with what refers to them: %s\n", line)
	}
	for _, f := range s.Troubled {
		fmt.Fprintln(out, troubleText(f))
	}
	printQuarantine(out, s.Quarantine)
	for _, d := range s.Dropped {
		fmt.Fprintf(out, "%s from %s dropped, the last at %s by %s: omsync quarantine list --dropped\n", count(d.Rows, "row"), d.Peer, d.Last.Local().Format("2006-01-02 15:04"), failure.Printable(d.By))
	}
	if len(s.Peers) == 0 && len(s.Links) == 0 {
		_, err := fmt.Fprintln(out, "no peers yet: omsync peer add CARD --as parent|child")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(s.Peers) > 0 && epochs {
		fmt.Fprintln(w, "PEER\tROLE\tSTATE\tSEALED\tSENT\tACKNOWLEDGED\tAPPLIED\tROWS WAITING")
	}
	for _, p := range s.Peers {
		if !epochs {
			break
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", p.Name, p.Role, p.State, pointText(p.Sealed), pointText(p.Sent), pointText(p.Acked), pointText(p.Applied), p.Waiting)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range s.Peers {
		if err := printUnread(out, p); err != nil {
			return err
		}
		printQuotas(out, p)
		printReport(out, p)
		if epochs {
			printHealth(out, p)
		}
	}
	for _, l := range s.Links {
		if _, err := fmt.Fprintf(out, "link %s: %s\n", l.Link, linkText(l)); err != nil {
			return err
		}
	}
	return nil
}

// openText says how many conflicts somebody should look at.
func openText(s *status.Status) string {
	switch {
	case s.MoreOpen:
		return fmt.Sprintf(", more than %d open: omsync conflicts list", s.Open)
	case s.Open > 0:
		return fmt.Sprintf(", %d open: omsync conflicts list", s.Open)
	}
	return ""
}

// maxWaitingShown is how many reasons of rows that wait status shows.
const maxWaitingShown = 3

// printQuarantine says how many rows wait, and the most frequent reasons.
func printQuarantine(out io.Writer, waiting []status.Waiting) {
	var rows int64
	for _, w := range waiting {
		rows += w.Rows
	}
	if rows == 0 {
		return
	}
	fmt.Fprintf(out, "%s cannot be applied yet: omsync quarantine list\n", count(rows, "row"))
	for i, w := range waiting {
		if i == maxWaitingShown {
			break
		}
		fmt.Fprintf(out, "  %s of %s from %s, since %s: %s\n", count(w.Rows, "row"), w.Table, w.Peer, w.Since.Local().Format("2006-01-02 15:04"), failure.Printable(w.Why))
	}
}

// printUnread says what is off for the peer because of the omsync that it runs.
func printUnread(out io.Writer, p status.Peer) error {
	if len(p.Unread) == 0 {
		return nil
	}
	text := "%s runs an omsync that does not read: %s\n"
	if !p.Heard {
		text = "%s has not said yet whether its omsync reads: %s\n"
	}
	_, err := fmt.Fprintf(out, text, p.Name, strings.Join(p.Unread, ", "))
	return err
}

// printQuotas says what the peer is stopped for, or has used up half of.
func printQuotas(out io.Writer, p status.Peer) {
	if p.Stopped != nil {
		fmt.Fprintf(out, "STOPPED: %s\n", p.Stopped.Why)
	}
	for _, q := range p.Quotas {
		fmt.Fprintf(out, "%s has used %d of %d of its quota of %s\n", p.Name, q.Used, q.Limit, q.Quota.Words())
	}
}

// printReport says what the peer's files show of its clock, and of rows of this node that wait there.
func printReport(out io.Writer, p status.Peer) {
	if c := p.Clock; c != nil {
		fmt.Fprintln(out, doctor.ClockText(p.Name, time.Duration(c.Ahead)*time.Second, c.Since))
	}
	if p.Revoked {
		fmt.Fprintf(out, "the keys of %s are revoked: it goes on with a new card (omsync peer add, or omsync invite)\n", p.Name)
	}
	if p.Next != "" {
		fmt.Fprintf(out, "%s has new keys, with the fingerprint %s, and goes on to sign with the old ones for now\n", p.Name, p.Next)
	}
	if p.Former {
		fmt.Fprintf(out, "%s knows this node by a former card: omsync keys list\n", p.Name)
	}
	if len(p.Copies) > 0 {
		fmt.Fprintf(out, "two copies of %s are at work, %s, and nothing of either is taken: omsync peer keep %[1]s --history ID says which one is %[1]s\n", p.Name, strings.Join(p.Copies, " and "))
	}
	if p.Compared != nil {
		fmt.Fprintf(out, "the last digest of %s: %s\n", p.Name, p.Compared)
	}
	if w := p.There; w != nil {
		var reasons []string
		for _, reason := range slices.SortedFunc(maps.Keys(w.Reasons), func(a, b string) int { return cmp.Or(cmp.Compare(w.Reasons[b], w.Reasons[a]), cmp.Compare(a, b)) }) {
			reasons = append(reasons, fmt.Sprintf("%d %s", w.Reasons[reason], reason))
		}
		fmt.Fprintf(out, "%s of this node wait at %s (%s), as it said on %s: omsync quarantine list there says which\n", count(w.Rows, "row"), p.Name,
			strings.Join(reasons, ", "), w.Said.Local().Format("2006-01-02 15:04"))
	}
}

// printHealth says what a child says of itself.
func printHealth(out io.Writer, p status.Peer) {
	h := p.Health
	if h == nil {
		return
	}
	parts := []string{count(int64(h.Waiting), "row") + " waiting", count(int64(h.Conflicts), "open conflict")}
	for _, v := range []struct{ what, version string }{{"omsync", h.Version}, {"OpenMRS", h.Application}} {
		if v.version != "" {
			parts = append(parts, v.what+" "+v.version)
		}
	}
	if h.Free > 0 {
		parts = append(parts, languages.Size(int64(h.Free))+" free on its disk")
	}
	backup := "no backup of its home folder is known"
	if h.Backup > 0 {
		backup = "its home folder was backed up on " + time.Unix(h.Backup, 0).Local().Format(time.DateOnly)
	}
	fmt.Fprintf(out, "%s says of itself: %s\n", p.Name, strings.Join(append(parts, backup), ", "))
}

// troubleText is a line about a file that failed.
func troubleText(f status.File) string {
	text := fmt.Sprintf("file %s of %s: ", failure.Printable(f.File), failure.Printable(f.Sender))
	switch {
	case f.Deletions != nil && !f.Aside:
		return text + failure.Printable(f.Why) + ": omsync import --accept-deletions " + failure.Printable(f.Sender)
	case f.Aside:
		text += fmt.Sprintf("set aside, it failed %s", count(int64(f.Failed), "time"))
	case f.Next != nil:
		text += fmt.Sprintf("failed %s, tried again at %s", count(int64(f.Failed), "time"), f.Next.Local().Format("2006-01-02 15:04"))
	default:
		text += fmt.Sprintf("failed %s, tried at the next import", count(int64(f.Failed), "time"))
	}
	return text + ": " + failure.Printable(f.Why)
}

func linkText(l status.Link) string {
	text := l.State
	switch {
	case l.Down != nil:
		text = fmt.Sprintf("down since %s: %s", l.Down.Local().Format("2006-01-02 15:04"), l.Error)
		if l.Up == nil {
			text += " (never up)"
		}
	case l.Up != nil:
		text = fmt.Sprintf("up (last used %s ago)", ageText(time.Since(*l.Up)))
	}
	if l.Refused != "" {
		text += "; the last file was not applied there: " + l.Refused
	}
	return text
}

// pointText is an epoch with its age.
func pointText(p status.Point) string {
	if p.Age == nil {
		if p.Epoch == 0 {
			return "never"
		}
		return fmt.Sprint(p.Epoch)
	}
	return fmt.Sprintf("%d (%s ago)", p.Epoch, ageText(time.Duration(*p.Age)*time.Second))
}
