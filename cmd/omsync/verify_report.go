package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node/compared"
)

// maxFound is how many rows that differ are printed of one table.
const maxFound = 20

// printVerify prints how this node compares with a peer. brief: without the rows.
func printVerify(w io.Writer, r *compared.Report, brief bool) error {
	b, equal := &strings.Builder{}, r.Equal()
	fmt.Fprintf(b, "%s, as of %s (epoch %d): %s compared in %s\n", r.Peer, r.AsOf.Format("2006-01-02 15:04 UTC"), r.Epoch, count(r.Rows, "row"), count(int64(len(r.Tables)), "table"))
	switch {
	case !r.Differs:
		fmt.Fprintf(b, "both hold the same")
	case r.Exact:
		fmt.Fprintf(b, "%s of %d equal; %s", count(int64(equal), "table"), len(r.Tables), differText(r.Differing()))
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
		if brief {
			continue
		}
		shown := 0
		for _, f := range r.Found {
			if !strings.EqualFold(f.Table, t.Table) {
				continue
			}
			if shown++; shown > maxFound {
				continue
			}
			printVerifyRow(b, f)
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

func printVerifyRow(b *strings.Builder, f compared.Row) {
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
