package compared

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/verify"
)

// Report is how this node compares with a peer.
type Report struct {
	Peer     string            `json:"peer"`
	At       time.Time         `json:"at"`    // when it was compared
	AsOf     time.Time         `json:"as_of"` // when the digest was made, by the peer's clock
	Epoch    uint64            `json:"epoch"`
	Differs  bool              `json:"differs"`
	Exact    bool              `json:"exact"`
	Estimate int64             `json:"rows_that_differ"`
	Rows     int64             `json:"rows"`
	Flight   int64             `json:"rows_in_flight"`
	Tables   []Table           `json:"tables"`
	Left     map[string]string `json:"not_compared,omitempty"`
	Found    []Row             `json:"differences"`
	Claimed  int64             `json:"to_send_again"`
	Removed  int64             `json:"to_delete"`
	Others   int64             `json:"for_the_peer"`
	// Restored: rows that are gone at one site, where neither decides alone, are sent again; otherwise they are deleted.
	Restored bool `json:"restores_missing"`
}

// Table is how a table compares.
type Table struct {
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

// Row is a row that differs. Its key and what stands for it may be a patient's data.
type Row struct {
	Table  string `json:"table"`
	Kind   string `json:"kind"`
	State  string `json:"state,omitempty"`
	Key    string `json:"key,omitempty"`
	Row    string `json:"row,omitempty"`
	Cause  string `json:"cause"`
	Repair string `json:"repair"`
}

var mendings = map[merge.Mending]string{merge.Leave: "the peer's to do", merge.Claim: "is sent again", merge.Remove: "is deleted here"}

// Comparing is what a report is made of.
type Comparing struct {
	Journal *journal.Journal
	DB      *sql.DB
	Peer    *journal.Peer
	Digest  *exchange.DigestFile
	Found   *export.Compared
	Steps   []verify.Step // of [verify.Plan]
	Restore bool          // as the plan was made with
	Off     []verify.Off  // when triggers were missing
	Rows    int           // how many rows that differ the report names; 0: all
}

// New returns the report of a comparison.
func New(ctx context.Context, o Comparing) (*Report, error) {
	c, h := o.Found, o.Digest.Header
	r := &Report{Peer: o.Peer.Name, At: o.Journal.Now().UTC(), AsOf: time.UnixMicro(h.Time).UTC(), Epoch: h.Upto.Epoch, Exact: c.Exact, Estimate: c.Estimate, Rows: c.Rows,
		Flight: int64(c.FlightThere) + c.NewHere, Left: c.Left, Found: []Row{}, Differs: len(o.Steps) > 0 || !c.Exact || len(c.Left) > 0, Restored: o.Restore}
	r.addTables(c)
	at := map[string]*Table{}
	for i := range r.Tables {
		at[strings.ToLower(r.Tables[i].Table)] = &r.Tables[i]
	}
	names := conflicts.NewNamer(o.DB, o.Journal)
	causes, err := verify.NewCauses(ctx, o.Journal, o.DB, o.Peer, c, o.Off)
	if err != nil {
		return nil, err
	}
	steps := o.Steps
	for _, f := range c.Differences {
		r.count(at[strings.ToLower(f.Table.Name)], f)
		row := Row{Table: f.Table.Name, Kind: f.Kind.String(), State: string(f.State)}
		if f.State == export.Differs {
			row.Repair = r.mends(steps[0].Does)
			steps = steps[1:]
		}
		if o.Rows > 0 && len(r.Found) >= o.Rows {
			continue
		}
		row.Cause = causes.Of(f)
		if f.Key != "" {
			row.Key = journal.PrintableKey(f.Table, f.Key)
			if row.Row, err = names.Name(ctx, f.Table.Name, journal.Canonical(f.Table, f.Key)); err != nil {
				return nil, err
			}
		}
		r.Found = append(r.Found, row)
	}
	return r, nil
}

func (r *Report) addTables(c *export.Compared) {
	for _, t := range c.Tables {
		if c.Left[t.Name] != "" {
			continue
		}
		r.Tables = append(r.Tables, Table{Table: t.Name, Here: t.Here, There: t.There, Equal: t.Equal, Same: t.Same, Buckets: t.Buckets})
		if !t.Equal && !c.Exact {
			r.Differs = true
		}
	}
}

// count counts a row that differs in its table.
func (r *Report) count(t *Table, f export.Difference) {
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
}

// mends counts what is done about a row, and says it.
func (r *Report) mends(does merge.Mending) string {
	switch does {
	case merge.Claim:
		r.Claimed++
	case merge.Remove:
		r.Removed++
	default:
		r.Others++
	}
	return mendings[does]
}

// Equal returns how many tables are equal.
func (r *Report) Equal() (n int) {
	for _, t := range r.Tables {
		if t.Equal {
			n++
		}
	}
	return n
}

// Differing returns how many rows differ that are neither under way nor waiting; about so many, if the report is not exact.
func (r *Report) Differing() int64 {
	if !r.Exact {
		return r.Estimate
	}
	return r.Claimed + r.Removed + r.Others
}
