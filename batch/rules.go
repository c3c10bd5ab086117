package batch

import (
	"errors"
	"fmt"
	"slices"
)

// Limits of what a parent tells of tables.
const (
	MaxRuleParts = 1 << 14 // columns and rows that stay, of all tables together
	MaxPattern   = 255     // bytes of a pattern
	MaxRuleBytes = 4 << 20 // of all texts together
)

// Rules is the feature of files that may have a [RulesItem].
const Rules = "rules"

func (h *Header) hasRules() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == Rules })
}

// RulesItem is how tables may go over the link between the sender, a parent,
// and the receiver. It stands before all other items.
type RulesItem struct {
	Tables []TableRule
}

// TableRule is what applies to one table.
type TableRule struct {
	Table     string
	Direction string   // both, down, add, none, up or own
	Staff     bool     // where rows go up only, those of people who work for the sender go down all the same
	NotUp     []string // columns whose values do not go up
	NotDown   []string // and not down
	Rows      []RowRule
}

// RowRule names rows that stay where they are, by the value of a column.
type RowRule struct {
	Column, Pattern string
}

// check returns an error if the item has more than one may have, or names a
// table twice.
func (i *RulesItem) check() error {
	if len(i.Tables) > MaxTables {
		return fmt.Errorf("rules for more than %d tables", MaxTables)
	}
	parts, bytes, seen := 0, 0, map[string]bool{}
	for _, t := range i.Tables {
		if t.Table == "" || seen[t.Table] {
			return fmt.Errorf("rules that name no table, or one twice")
		}
		seen[t.Table] = true
		parts += len(t.NotUp) + len(t.NotDown) + len(t.Rows)
		bytes += len(t.Table) + len(t.Direction)
		for _, c := range t.NotUp {
			bytes += len(c)
		}
		for _, c := range t.NotDown {
			bytes += len(c)
		}
		for _, r := range t.Rows {
			bytes += len(r.Column) + len(r.Pattern)
		}
	}
	switch {
	case parts > MaxRuleParts:
		return fmt.Errorf("rules for more than %d columns and rows", MaxRuleParts)
	case bytes > MaxRuleBytes:
		return fmt.Errorf("rules of more than %d bytes", MaxRuleBytes)
	}
	return nil
}

// Rules writes how tables may go, before anything else.
func (w *Writer) Rules(i *RulesItem) error {
	switch {
	case w.err != nil:
		return w.err
	case !w.mayRule:
		return errors.New("the header does not say that the batch has rules")
	case w.items != 0:
		return errors.New("rules stand before all other items")
	}
	if err := i.check(); err != nil {
		return err
	}
	p := &w.pack
	p.list(2, itemRules)
	p.array(len(i.Tables))
	for _, t := range i.Tables {
		p.array(6)
		p.text(t.Table)
		p.text(t.Direction)
		staff := uint64(0)
		if t.Staff {
			staff = 1
		}
		p.uint(staff)
		for _, list := range [][]string{t.NotUp, t.NotDown} {
			p.array(len(list))
			for _, c := range list {
				p.text(c)
			}
		}
		p.array(len(t.Rows))
		for _, r := range t.Rows {
			p.array(2)
			p.text(r.Column)
			p.text(r.Pattern)
		}
	}
	return w.done()
}

func (r *Reader) readRules() *RulesItem {
	if !r.mayRule {
		r.fail("rules in a batch that does not say that it has some")
		return nil
	}
	if r.items != 0 {
		r.fail("rules after other items")
		return nil
	}
	item := &RulesItem{}
	parts := 0
	names := func(what string) (out []string) {
		n := r.array(what, 0, MaxRuleParts)
		if parts += n; parts > MaxRuleParts {
			r.fail("rules for more than %d columns and rows", MaxRuleParts)
		}
		for range n {
			if r.in.err != nil {
				return nil
			}
			out = append(out, r.text("column name", MaxName))
		}
		return out
	}
	for range r.array("rules", 0, MaxTables) {
		if r.in.err != nil {
			return nil
		}
		r.array("rule", 6, 6)
		t := TableRule{Table: r.text("table name", MaxName), Direction: r.text("direction", MaxName), Staff: r.uint("staff", 1) == 1}
		t.NotUp, t.NotDown = names("columns"), names("columns")
		n := r.array("rows that stay", 0, MaxRuleParts)
		if parts += n; parts > MaxRuleParts {
			r.fail("rules for more than %d columns and rows", MaxRuleParts)
		}
		for range n {
			if r.in.err != nil {
				return nil
			}
			r.array("rows that stay", 2, 2)
			t.Rows = append(t.Rows, RowRule{r.text("column name", MaxName), r.text("pattern", MaxPattern)})
		}
		item.Tables = append(item.Tables, t)
	}
	if r.in.err == nil {
		r.accept(item.check())
	}
	if r.in.err != nil {
		return nil
	}
	return item
}
