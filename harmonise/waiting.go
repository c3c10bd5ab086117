package harmonise

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// maxCauses is how many missing rows a row that would wait counts for.
const maxCauses = 16

// fewRows is up to how many rows are looked for by their integers. For more the table is read whole.
const fewRows = 1000

// Waiting is how many rows would wait at the peer for each row that it does not have.
type Waiting struct {
	counts map[[2]string]int64 // by table and key
	Total  int64               // rows, each once
}

// Of returns the number of rows that would wait for a row that is missing.
func (w *Waiting) Of(table, key string) int64 { return w.counts[[2]string{table, key}] }

// causes are the missing rows that a row waits for, by their numbers.
type causes map[string][]int32

// waiting finds out what would wait.
type waiting struct {
	*database
	out   *Waiting
	names [][2]string              // table and key of each missing row
	of    map[*schema.Table]causes // by a row's integer, or its name where references hold that
	found map[*schema.Table]int    // how many causes, of all rows
}

// Waiting counts the rows that would wait at the peer because it does not take the rows named in missing (keys by table): these themselves
// if their tables go to it, those that go to it and refer to one, and those that refer to these. References that hold in some rows only are
// not looked at. q is a snapshot.
func (p *Plan) Waiting(ctx context.Context, q sqldb.DB, missing map[string][]string) (*Waiting, error) {
	w := &waiting{database: p.database(q), out: &Waiting{counts: map[[2]string]int64{}}, of: map[*schema.Table]causes{}, found: map[*schema.Table]int{}}
	for _, t := range p.j.Replicated() {
		if len(missing[t.Name]) > 0 {
			if err := w.addMissing(ctx, t, missing[t.Name]); err != nil {
				return nil, err
			}
		}
	}
	if len(w.names) == 0 {
		return w.out, nil
	}
	// Tables may refer to each other, and rows to later ones of their own table: a table is read again as long as it refers to what has grown. Rows
	// that have no integer are referred to by none, and come last.
	seen := map[*schema.Table]int{}
	for again := true; again; {
		again = false
		for _, t := range p.j.Replicated() {
			if n := w.referred(t); p.sends[t] && t.Integer != nil && n > seen[t] {
				seen[t], again = n, true
				if err := w.count(ctx, t); err != nil {
					return nil, err
				}
			}
		}
	}
	for _, t := range p.j.Replicated() {
		if p.sends[t] && t.Integer == nil {
			if err := w.count(ctx, t); err != nil {
				return nil, err
			}
		}
	}
	return w.out, nil
}

// referred is how much is known to be missing, or to wait, of what a table refers to.
func (w *waiting) referred(t *schema.Table) (n int) {
	for _, to := range w.targets(t) {
		n += w.found[to]
	}
	return n
}

// targets returns the tables that rows of a table may wait for.
func (w *waiting) targets(t *schema.Table) (out []*schema.Table) {
	for _, c := range t.Columns {
		if c.Ref != nil && c.Ref.When == nil && c.Excluded == "" && !slices.Contains(out, c.Ref.To) {
			out = append(out, c.Ref.To)
		}
	}
	return out
}

// addMissing numbers the rows of a table that the peer lacks.
func (w *waiting) addMissing(ctx context.Context, t *schema.Table, keys []string) error {
	number := make(map[string]int32, len(keys))
	for _, key := range keys {
		number[key] = int32(len(w.names))
		w.names = append(w.names, [2]string{t.Name, key})
	}
	found := causes{}
	w.of[t] = found
	w.found[t] = len(keys)
	if w.sends[t] {
		for key := range number {
			w.wait([]int32{number[key]}, false)
		}
	}
	if t.Integer == nil { // references hold the name, which is the key
		for key, n := range number {
			found[key] = []int32{n}
		}
		return nil
	}
	byInteger, err := w.keysOf(ctx, t)
	if err != nil {
		return err
	}
	for integer, key := range byInteger {
		if n, ok := number[key]; ok {
			found[integer] = []int32{n}
		}
	}
	return nil
}

// wait counts a row for what it waits for. itself: it is one of the missing rows, and was counted.
func (w *waiting) wait(all []int32, itself bool) {
	if !itself {
		w.out.Total++
	}
	for _, n := range all {
		w.out.counts[w.names[n]]++
	}
}

// count looks at the rows of a table that goes to the peer.
func (w *waiting) count(ctx context.Context, t *schema.Table) error {
	var columns []*schema.Column
	for _, c := range t.Columns {
		if c.Ref != nil && c.Ref.When == nil && c.Excluded == "" && (len(w.of[c.Ref.To]) > 0 || c.Ref.To == t) {
			columns = append(columns, c)
		}
	}
	own := w.of[t]
	if len(own) == 0 && !slices.ContainsFunc(columns, func(c *schema.Column) bool { return c.Ref.To != t }) {
		return nil
	}
	if own == nil {
		own = causes{}
		w.of[t] = own
	}
	id := "0"
	if t.Integer != nil {
		id = schema.Quote(t.Integer.Name)
	}
	query := "SELECT " + id
	for _, c := range columns {
		query += ", " + c.Select("")
	}
	query += " FROM " + schema.Quote(t.Name) + w.where(t, columns)
	if t.Integer != nil {
		query += " ORDER BY " + id // what a row of the same table refers to is mostly older
	}
	err := sqldb.Each(ctx, w.q, query, func(v []sql.RawBytes) error {
		var all []int32
		for i, c := range columns {
			if v[i+1] == nil {
				continue
			}
			for _, n := range w.of[c.Ref.To][string(v[i+1])] {
				if len(all) < maxCauses && !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
		}
		if len(all) == 0 {
			return nil
		}
		id := string(v[0])
		before := own[id]
		news := slices.DeleteFunc(all, func(n int32) bool { return slices.Contains(before, n) })
		news = news[:min(len(news), maxCauses-len(before))]
		if len(news) == 0 {
			return nil
		}
		w.wait(news, len(before) > 0)
		if t.Integer != nil {
			own[id] = append(slices.Clone(before), news...)
			w.found[t] += len(news)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count the rows of %s that would wait: %w", t.Name, err)
	}
	return nil
}

// where returns the condition that finds the rows by what they refer to; "" where that is too much.
func (w *waiting) where(t *schema.Table, columns []*schema.Column) string {
	var parts []string
	n := 0
	for _, c := range columns {
		if c.Ref.To == t || c.Ref.ByName() {
			return ""
		}
		var ids []string
		for integer := range w.of[c.Ref.To] {
			if _, err := strconv.ParseInt(integer, 10, 64); err == nil {
				ids = append(ids, integer)
			}
		}
		if n += len(ids); n > fewRows {
			return ""
		}
		slices.Sort(ids)
		parts = append(parts, schema.Quote(c.Name)+" IN ("+strings.Join(ids, ", ")+")")
	}
	return " WHERE " + strings.Join(parts, " OR ")
}
