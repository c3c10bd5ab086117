package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/verify"
)

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
	var off []verify.Off
	for _, m := range node.MissedTimes(n.Home) {
		off = append(off, verify.Off{Tables: m.Tables, From: m.From, To: m.To})
	}
	causes, err := verify.NewCauses(ctx, n.Journal, n.DB, p, c, off)
	if err != nil {
		return nil, err
	}
	i := 0
	for _, f := range c.Differences {
		row := verifyRow{Table: f.Table.Name, Kind: f.Kind.String(), State: string(f.State), Cause: causes.Of(f)}
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
