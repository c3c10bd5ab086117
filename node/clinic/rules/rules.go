// Package rules decides which rows a new clinic gets, and what of them. It knows no database.
package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/schema"
)

// Rules are those for one table.
type Rules struct {
	Wants  *schema.NewClinic
	Only   *schema.NewClinicRows // nil: all rows
	Filter *schema.RowFilter     // what keeps rows of the table at their site; nil: nothing
	Secret *schema.SecretColumns // nil: none
	Table  string
	Set    map[string]string // column → value in place of its own; empty: NULL

	First          int64 // the account that gets a password
	Password, Salt string
	Taken          func(t *schema.Table, id int64) bool // whether a row of another table is taken
}

// Takes reports whether a row is taken. value returns its value of a column, nil for NULL. Not taken are rows that hold the number of a row
// of which nobody knows whether it will have that number: they come with the first exchange.
func (r *Rules) Takes(columns []*schema.Column, value func(c *schema.Column) []byte) bool {
	for _, c := range columns {
		if r.Only != nil && strings.EqualFold(c.Name, r.Only.Column) && !r.Only.Takes(string(value(c)), r.Filter) {
			return false
		}
		v := string(value(c))
		if c.Ref == nil || c.Ref.When == nil || v == "" || strings.Trim(v, "0123456789") != "" {
			continue
		}
		if w := c.Ref.When; w.Via != nil || w.Target(string(value(w.LookupColumn))) != nil {
			return false
		}
	}
	return true
}

// Value returns what a row, which has that integer (0: none), has in a column at the new site, where it has v here: without secrets, and
// without a reference to a row that is not taken.
func (r *Rules) Value(c *schema.Column, v []byte, id int64) ([]byte, error) {
	for name, value := range r.Set {
		if strings.EqualFold(name, c.Name) {
			return orNULL(c, value), nil
		}
	}
	if strings.EqualFold(r.Table, r.Wants.Account) && id == r.First {
		switch {
		case strings.EqualFold(c.Name, r.Wants.Password):
			return []byte(r.Password), nil
		case strings.EqualFold(c.Name, r.Wants.Salt):
			return []byte(r.Salt), nil
		}
	}
	if r.Secret != nil && slices.ContainsFunc(r.Secret.Columns, func(s string) bool { return strings.EqualFold(s, c.Name) }) {
		return orNULL(c, ""), nil
	}
	return r.reference(c, v)
}

// orNULL returns a value, and NULL for an empty one where the column takes it.
func orNULL(c *schema.Column, value string) []byte {
	if value == "" && c.Nullable {
		return nil
	}
	return []byte(value)
}

// NotTaken is the error of a row that refers to one which is not taken and cannot do without.
type NotTaken struct{ Table, Column, To string }

func (e *NotTaken) Error() string {
	return fmt.Sprintf("a row of %s that a new clinic needs refers by %s to %s, of which it gets no such row", e.Table, e.Column, e.To)
}

// reference returns the value of a column that may refer to a row. Where that row is not taken, it is NULL, or the one who can log in.
func (r *Rules) reference(c *schema.Column, v []byte) ([]byte, error) {
	if v == nil || c.Ref == nil || c.Ref.When != nil || r.Wants.Whole(c.Ref.To.Name) {
		return v, nil
	}
	to, byName := c.Ref.To, c.Ref.ByName()
	if id, err := strconv.ParseInt(string(v), 10, 64); err == nil && !byName && r.Taken(to, id) {
		return v, nil
	}
	switch {
	case c.Nullable:
		return nil, nil
	case strings.EqualFold(to.Name, r.Wants.Account) && !byName:
		return strconv.AppendInt(nil, r.First, 10), nil
	}
	return nil, &NotTaken{r.Table, c.Name, to.Name}
}
