package apply

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// deferredRow is a row that could not be written because another still held one of its unique values.
type deferredRow struct {
	l *localTable
	*row
	update bool
}

// deferredCost is about what a deferred row takes beside its values, valueCost what each of them does beside its bytes.
const deferredCost, valueCost = 256, 24

// size is about what a deferred row takes.
func (r *deferredRow) size() int {
	n := deferredCost + len(r.key)
	for _, v := range r.values {
		n += valueCost + len(v)
	}
	if r.waits != nil { // the same once more, with names
		n *= 2
	}
	return n
}

// deferRow leaves a row for the end of the batch. One that is here lets go of its unique values now: others wait for them, and
// perhaps rows whose keys are made of those others' (two names are swapped, and a new patient takes a third).
func (w *writer) deferRow(ctx context.Context, r deferredRow) error {
	if r.update {
		b, err := r.vacateUnique(len(w.deferredRows) + 1)
		if err != nil {
			return err
		}
		if b != nil {
			if _, err := w.s.exec(ctx, b); err != nil {
				return w.refuse(r.l, r.key, err)
			}
		}
	}
	for i, v := range r.values {
		r.values[i] = bytes.Clone(v) // of what it was read with, nothing must stay
	}
	r.later = true
	w.deferredRows = append(w.deferredRows, r)
	return w.hold(r.size())
}

// writeDeferredRows writes the rows that were deferred. By now the batch has brought everything else, and whatever held a value
// that only one may have and is to be changed has let go of it.
func (w *writer) writeDeferredRows(ctx context.Context) error {
	rows := w.deferredRows
	w.deferredRows = nil
	for _, updates := range []bool{false, true} {
		for _, r := range rows {
			if r.update != updates {
				continue
			}
			r.entry, r.later = 0, false // the dictionary is another one by now
			q := &writes{l: r.l, phase: finishing}
			if updates {
				q.update = []*row{r.row}
			} else {
				q.insert = []*row{r.row}
			}
			if err := w.write(ctx, q); err != nil {
				return err
			}
		}
	}
	return nil
}

// vacateUnique is the statement that gives the columns of a row's unique indexes values that nothing else has, for the time being;
// nil if none of them changes. n is another for each row.
func (r deferredRow) vacateUnique(n int) ([]byte, error) {
	b := []byte("UPDATE " + schema.Quote(r.l.Name) + " SET ")
	none := len(b)
	var done []*schema.Column
	for _, index := range r.l.Unique {
		for _, c := range index {
			if at, ok := r.l.place[c]; !ok || !r.changed[at] || slices.Contains(done, c) {
				continue
			}
			done = append(done, c)
			if len(b) > none {
				b = append(b, ", "...)
			}
			b = appendVacant(append(b, schema.Quote(c.Name)+" = "...), c, n)
		}
	}
	if len(b) == none {
		return nil, nil
	}
	return r.l.whereRow(append(append(b, r.l.unmoved("")...), " WHERE "...), r.at), nil
}

// appendVacant appends a value of a column that no application writes.
func appendVacant(b []byte, c *schema.Column, n int) []byte {
	switch {
	case c.Nullable:
		return append(b, "NULL"...)
	case c.Charset != "":
		return sqldb.AppendString(b, []byte(vacantText(n, int(c.Length))))
	case c.Type == "date" || c.Type == "datetime" || c.Type == "timestamp":
		return fmt.Appendf(b, "'1971-01-01' + INTERVAL %d DAY", n)
	case c.Type == "binary" || c.Type == "varbinary":
		return sqldb.Binary(b, vacantText(n, int(c.Length)))
	case c.Unsigned:
		return strconv.AppendInt(b, highest(c.Type)-int64(n), 10)
	}
	return strconv.AppendInt(b, int64(-1-n), 10)
}

// highest is the highest number of an unsigned type; of a BIGINT one that is high enough.
func highest(integer string) int64 {
	switch integer {
	case "tinyint":
		return 1<<8 - 1
	case "smallint":
		return 1<<16 - 1
	case "mediumint":
		return 1<<24 - 1
	case "int":
		return 1<<32 - 1
	case "bigint":
		return 1<<63 - 1
	case "decimal":
		return 9
	}
	return 0
}

// vacantText is a text that no application writes, of at most so many characters.
func vacantText(n, length int) string {
	s := fmt.Sprintf("%x~%x", n, journal.Random())
	if length > 20 {
		s = "~" + s
	}
	return s[:min(len(s), max(length, 1))]
}
