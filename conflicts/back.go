package conflicts

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/conflicts/rules"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo"
)

// whole reports whether a row that is not here can be brought back whole.
func (x *deciding) whole(ctx context.Context) (bool, error) {
	content, err := x.content(ctx)
	return content != nil, err
}

// content returns a row that is not here as it was, with the values that lost; nil: nobody knows all of it.
func (x *deciding) content(ctx context.Context) (journal.Content, error) {
	t, key := x.t, x.conflict.Key
	kept, err := journal.DeletedRows(ctx, x.e.DB(), x.j.Tables[t.Name].ID, []string{key}, x.j.Authors)
	if err != nil {
		return nil, err
	}
	parts, ok := undo.KeyParts(t, key)
	if !ok {
		return nil, nil
	}
	content := journal.Content{}
	for i, c := range t.KeyColumns {
		content[c.Name] = valueOf(c, parts[i])
	}
	d, isKept := kept[key]
	for column, v := range d.Content {
		content[column] = v
	}
	for _, r := range x.conflict.Records {
		c := t.Column(r.Column)
		if c == nil || c.Key {
			continue
		}
		value, err := journal.ConflictValue(ctx, x.e.DB(), r.ID)
		if err != nil {
			return nil, err
		}
		content[c.Name] = valueOf(c, value)
	}
	if isKept {
		return content, nil
	}
	for _, c := range x.j.Columns(t) {
		if _, known := content[c.Name]; !known && !c.Local {
			return nil, nil
		}
	}
	return content, nil
}

// valueOf is a value of a conflict record or a key as it stands in what is kept of a row.
func valueOf(c *schema.Column, value *string) journal.Value {
	v := journal.Value{Text: value}
	if c.Ref != nil && c.Ref.When == nil && value != nil {
		v.Table = c.Ref.To.Name
	}
	return v
}

// bringBack inserts the row again, with the values that lost.
func (x *deciding) bringBack(ctx context.Context) error {
	content, err := x.content(ctx)
	if err != nil {
		return err
	}
	dead := journal.Conflict{Table: x.t.Name, Key: x.conflict.Key, Deletion: true, Loser: x.row.Known.Dead.Stamp}
	if err := x.putReplaced(ctx, []journal.Conflict{dead}); err != nil {
		return err
	}
	if err := x.e.Insert(ctx, x.t, x.conflict.Key, content); err != nil {
		return fmt.Errorf("%s: it cannot come back: %w. Nothing was changed", x.rowText(), err)
	}
	x.done.Inserted = true
	return nil
}

// deleteRow deletes the row, unless others refer to it. The seal keeps it whole.
func (x *deciding) deleteRow(ctx context.Context) error {
	gone := journal.Conflict{Table: x.t.Name, Key: x.conflict.Key, Loser: highest(x.row.Known.Groups)}
	if err := x.putReplaced(ctx, []journal.Conflict{gone}); err != nil {
		return err
	}
	if err := x.e.Delete(ctx, x.t, x.row.At); err != nil {
		return fmt.Errorf("%s: it cannot be deleted: %w. Nothing was changed", x.rowText(), err)
	}
	x.done.Deleted = true
	return nil
}

// highest returns the latest stamp of a row.
func highest(groups []merge.Group) (s merge.Stamp) {
	for _, g := range groups {
		if s.Before(g.Stamp) {
			s = g.Stamp
		}
	}
	return s
}

// insertAgain inserts a row that the decision had deleted.
func (x *deciding) insertAgain(ctx context.Context) error {
	content, err := x.content(ctx)
	if err != nil {
		return err
	}
	if content == nil {
		return fmt.Errorf("%s: the decision had deleted it, and it is not kept here: take the decision back where the row is kept", x.rowText())
	}
	if err := x.e.Insert(ctx, x.t, x.conflict.Key, content); err != nil {
		return fmt.Errorf("%s: it cannot come back: %w. Nothing was changed", x.rowText(), err)
	}
	x.done.Inserted = true
	return nil
}

// rowText names the row in messages.
func (x *deciding) rowText() string {
	return fmt.Sprintf("%s, row %s", x.t.Name, journal.PrintableKey(x.t, x.conflict.Key))
}

// tookLost reports whether one of the decisions that are taken back had taken what lost.
func (x *deciding) tookLost() bool {
	for _, r := range x.chosen {
		if r.Resolution.How == merge.TookLost {
			return true
		}
	}
	return false
}

// reverse makes the edits that take a decision back.
func (x *deciding) reverse(ctx context.Context) error {
	if !x.tookLost() {
		return nil
	}
	replaced, err := x.replaced(ctx)
	if err != nil {
		return err
	}
	for _, r := range x.chosen {
		if _, back := replaced[replacedBy{"", true, r.Resolution.Stamp}]; back && x.row.Known.Alive {
			return x.removeAgain(ctx, r)
		}
		if _, deleted := replaced[replacedBy{"", false, r.Resolution.Stamp}]; deleted && !x.row.Known.Alive {
			return x.insertAgain(ctx)
		}
	}
	set := map[*schema.Column]*string{}
	for _, r := range x.chosen {
		c, _, s, err := x.state(ctx, r)
		if err != nil {
			return err
		}
		before, known := replaced[replacedBy{r.Column, false, r.Resolution.Stamp}]
		switch action, why := rules.Reverse(r, s, known); action {
		case rules.Refuse:
			return x.refusedUndo(r, why)
		case rules.Set:
			if set[c], err = journal.ConflictValue(ctx, x.e.DB(), before); err != nil {
				return err
			}
			x.done.Set = append(x.done.Set, r.Column)
		}
	}
	if err := x.e.Set(ctx, x.t, x.row.At, set); err != nil {
		return fmt.Errorf("%s: the value of before cannot be put back: %w. Nothing was changed", x.rowText(), err)
	}
	return nil
}

// refusedUndo says why a decision is not taken back.
func (x *deciding) refusedUndo(r rules.Record, why rules.Reason) error {
	row := x.rowText()
	if why == rules.NotThere {
		return fmt.Errorf("%s: it has no column %s any more, so the decision cannot be taken back", row, plain(r.Column))
	}
	return fmt.Errorf("%s: its %s was changed again since the decision (%s): change it in the application", row, plain(r.Column), said(stampOf(x.row.Known.Groups, x.bit(r.Column))))
}

// removeAgain deletes a row that the decision had brought back, unless somebody has changed it since or refers to it.
func (x *deciding) removeAgain(ctx context.Context, r rules.Record) error {
	row := x.rowText()
	if !rules.Untouched(x.row.Known, r.Resolution.Stamp) {
		return fmt.Errorf("%s: the decision had brought it back, and somebody has changed it since: it stays", row)
	}
	if err := x.e.Delete(ctx, x.t, x.row.At); err != nil {
		return fmt.Errorf("%s: the decision had brought it back, and it stays: %w", row, err)
	}
	x.done.Deleted = true
	return nil
}

// replacedBy says which column's value a decision replaced; "": the row that it deleted, or the deletion of one that it brought back.
type replacedBy struct {
	column   string
	deletion bool
	by       merge.Stamp
}

// replaced returns the records of what decisions replaced.
func (x *deciding) replaced(ctx context.Context) (map[replacedBy]uint64, error) {
	out := map[replacedBy]uint64{}
	f := journal.ConflictFilter{Table: x.conflict.Table, Key: x.conflict.Key}
	err := journal.ConflictRecords(ctx, x.e.DB(), f, func(r journal.ConflictRecord) error {
		if r.Resolution.How == merge.Replaced {
			out[replacedBy{r.Column, r.Deletion, r.Winner}] = r.ID
		}
		for _, c := range x.chosen { // a value that had lost elsewhere already, so that its record was there
			if at := (replacedBy{c.Column, false, c.Resolution.Stamp}); c.Column == r.Column && c.Column != "" && r.Loser == c.Winner && out[at] == 0 {
				out[at] = r.ID
			}
		}
		return nil
	})
	return out, err
}
