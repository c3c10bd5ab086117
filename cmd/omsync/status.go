package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

func newStatus(g *global) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say who is behind, on what, since when",
		Long: `For each peer: the epoch of this node that was last sealed, sent, and acknowledged by it; the peer's epoch that was last
applied here; and how many rows wait to be sent. Changes that no seal has taken in yet belong to no epoch. For each link: when
it was last there, or since when it is down.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd, g, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// status is what the command says, and its JSON object. Times are in UTC.
type status struct {
	Node         string       `json:"node"`
	Database     string       `json:"database"`
	Profile      string       `json:"profile"`
	Sealed       place        `json:"sealed"`
	Unsealed     int64        `json:"unsealed_changes"`
	Conflicts    int64        `json:"conflicts"`
	NotExchanged []string     `json:"not_exchanged,omitempty"`
	Peers        []peerStatus `json:"peers"`
	Links        []linkStatus `json:"links,omitempty"`
}

// linkStatus is when a link was last there.
type linkStatus struct {
	Link  string     `json:"link"`
	State string     `json:"state"` // up, down, or unused
	Up    *time.Time `json:"up,omitempty"`
	Down  *time.Time `json:"down_since,omitempty"`
	Error string     `json:"error,omitempty"`
	// Refused is why the last file that was sent was not applied there.
	Refused string `json:"refused,omitempty"`
}

type peerStatus struct {
	Name    string       `json:"name"`
	Role    access.Role  `json:"role"`
	State   access.State `json:"state"`
	Sealed  place        `json:"sealed"`
	Sent    place        `json:"sent"`
	Acked   place        `json:"acknowledged"`
	Applied place        `json:"applied"`
	Waiting int64        `json:"rows_waiting"`
	// Unread is the features of this program that are off for the peer, which has not said that it reads them.
	Unread []string `json:"does_not_read,omitempty"`
	heard  bool
}

// place is an epoch and when it was reached.
type place struct {
	Epoch uint64     `json:"epoch"`
	At    *time.Time `json:"at,omitempty"`
	Age   *int64     `json:"age_seconds,omitempty"`
}

func at(epoch uint64, t, now time.Time) place {
	p := place{Epoch: epoch}
	if !t.IsZero() {
		t = t.UTC().Truncate(time.Second)
		age := int64(now.Sub(t).Seconds())
		p.At, p.Age = &t, &age
	}
	return p
}

func runStatus(cmd *cobra.Command, g *global, asJSON bool) error {
	n, err := g.open(false)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.load(cmd.Context(), cmd.ErrOrStderr()); err != nil {
		return err
	}
	s, err := n.status(cmd.Context(), time.Now(), features.Present())
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), s)
	}
	return s.print(cmd.OutOrStdout())
}

func (n *node) status(ctx context.Context, now time.Time, known features.Known) (*status, error) {
	s := &status{Node: n.Node, Database: n.database, Profile: n.Profile, Peers: []peerStatus{}}
	var err error
	if s.Unsealed, err = journal.CountChanges(ctx, n.db); err != nil {
		return nil, err
	}
	if s.Conflicts, err = journal.CountConflicts(ctx, n.db); err != nil {
		return nil, err
	}
	err = sqldb.Each(ctx, n.db, "SELECT id, created_at FROM omsync_epoch ORDER BY id DESC LIMIT 1", func(r []sql.RawBytes) error {
		s.Sealed = at(sqldb.Uint(r[0]), time.UnixMicro(sqldb.Int(r[1])), now)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read omsync_epoch: %w", err)
	}
	for _, t := range left(n.journal.Catalogue) {
		s.NotExchanged = append(s.NotExchanged, t.Name)
	}
	peers, err := journal.Peers(ctx, n.db)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		sent := p.Link.Acked.Epoch
		if ends := p.Link.ExportEnds; len(ends) > 0 {
			sent = max(sent, ends[len(ends)-1].Epoch)
		}
		ps := peerStatus{Name: p.Name, Role: p.Role, State: p.State, Sealed: s.Sealed, Sent: at(sent, p.SentAt, now),
			Acked: at(p.Link.Acked.Epoch, p.AckedAt, now), Applied: at(p.Link.Applied.Epoch, p.AppliedAt, now),
			Unread: known.Off(p.Heard), heard: p.Heard.History != 0}
		if ps.Waiting, err = n.waiting(ctx, p); err != nil {
			return nil, fmt.Errorf("count what waits for %s: %w", p.Name, err)
		}
		s.Peers = append(s.Peers, ps)
	}
	s.Links, err = n.linkStatus()
	return s, err
}

// linkStatus lists the links that are configured or were up once; the others were named on a command line by mistake.
func (n *node) linkStatus() ([]linkStatus, error) {
	state, err := exchange.ReadState(n.home)
	if err != nil {
		return nil, err
	}
	names := slices.Collect(maps.Keys(state.Links))
	names = slices.DeleteFunc(names, func(name string) bool { return state.Links[name].Up.IsZero() })
	for i := range n.Links {
		if name := n.Links[i].URL; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []linkStatus
	for _, name := range names {
		s := linkStatus{Link: name, State: "unused"}
		if l := state.Links[name]; l != nil {
			if s.State = "up"; !l.Up.IsZero() {
				s.Up = &l.Up
			}
			if !l.Down.IsZero() {
				s.State, s.Down, s.Error = "down", &l.Down, l.Error
			}
			s.Refused = l.Refused
		}
		out = append(out, s)
	}
	return out, nil
}

// waiting counts the rows and deletions that the peer has not acknowledged and that did not come from it.
func (n *node) waiting(ctx context.Context, p *journal.Peer) (total int64, err error) {
	acked := p.Link.Acked.Epoch
	add := func(query string, args ...any) {
		if err == nil {
			err = sqldb.Each(ctx, n.db, fmt.Sprintf(query, args...), func(r []sql.RawBytes) error { total += sqldb.Int(r[0]); return nil })
		}
	}
	var ids []string
	for _, t := range n.journal.Replicated() {
		if d := n.journal.Profile.Direction(t.Name); d == access.None || d == access.Down && p.Role == access.Parent {
			continue
		}
		jt := n.journal.Tables[t.Name]
		ids = append(ids, fmt.Sprint(jt.ID))
		if jt.Default.Mask != 0 && jt.Default.Epoch > acked && jt.Default.From != p.ID { // rows without an entry of their own
			add("SELECT (SELECT COUNT(*) FROM %s) - (SELECT COUNT(DISTINCT local_id, local_key) FROM omsync_version WHERE table_id = %d)", schema.Quote(t.Name), jt.ID)
		}
	}
	if len(ids) > 0 {
		in := strings.Join(ids, ",")
		add("SELECT COUNT(DISTINCT table_id, local_id, local_key) FROM omsync_version WHERE table_id IN (%s) AND epoch > %d AND origin <> %d", in, acked, p.ID)
		add("SELECT COUNT(*) FROM omsync_tombstone WHERE table_id IN (%s) AND epoch > %d AND origin <> %d", in, acked, p.ID)
	}
	return total, err
}

func (s *status) print(out io.Writer) error {
	fmt.Fprintf(out, "node %s, database %s, profile %s\n", s.Node, s.Database, s.Profile)
	fmt.Fprintf(out, "%s not sealed yet, %s recorded\n", count(s.Unsealed, "change"), count(s.Conflicts, "conflict"))
	if len(s.NotExchanged) > 0 {
		fmt.Fprintf(out, "not exchanged: %s\n", strings.Join(s.NotExchanged, ", "))
	}
	if len(s.Peers) == 0 && len(s.Links) == 0 {
		_, err := fmt.Fprintln(out, "no peers yet: omsync peer add CARD --as parent|child")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(s.Peers) > 0 {
		fmt.Fprintln(w, "PEER\tROLE\tSTATE\tSEALED\tSENT\tACKNOWLEDGED\tAPPLIED\tROWS WAITING")
	}
	for _, p := range s.Peers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", p.Name, p.Role, p.State, p.Sealed, p.Sent, p.Acked, p.Applied, p.Waiting)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range s.Peers {
		if err := p.printUnread(out); err != nil {
			return err
		}
	}
	for _, l := range s.Links {
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
		if _, err := fmt.Fprintf(out, "link %s: %s\n", l.Link, text); err != nil {
			return err
		}
	}
	return nil
}

// printUnread says what is off for the peer because of the omsync that it runs.
func (p *peerStatus) printUnread(out io.Writer) error {
	if len(p.Unread) == 0 {
		return nil
	}
	text := "%s runs an omsync that does not read: %s\n"
	if !p.heard {
		text = "%s has not said yet whether its omsync reads: %s\n"
	}
	_, err := fmt.Fprintf(out, text, p.Name, strings.Join(p.Unread, ", "))
	return err
}

func (p place) String() string {
	if p.Age == nil {
		if p.Epoch == 0 {
			return "never"
		}
		return fmt.Sprint(p.Epoch)
	}
	return fmt.Sprintf("%d (%s ago)", p.Epoch, ageText(time.Duration(*p.Age)*time.Second))
}

// ageText is an age in its largest whole unit.
func ageText(d time.Duration) string {
	switch {
	case d < 0:
		return "less than 0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
