package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/tomlfile"
)

// check returns the first rule that cannot be meant, and its key.
func (l *layer) check() (tomlfile.Key, error) {
	lists := []struct {
		key  tomlfile.Key
		list []string
	}{
		{tomlfile.Key{"never"}, l.Never}, {tomlfile.Key{"travel"}, l.Travel},
		{tomlfile.Key{"direction", "both"}, l.Direction.Both}, {tomlfile.Key{"direction", "down"}, l.Direction.Down},
		{tomlfile.Key{"direction", "add"}, l.Direction.Add}, {tomlfile.Key{"direction", "none"}, l.Direction.None},
		{tomlfile.Key{"direction", "up"}, l.Direction.Up},
		{tomlfile.Key{"direction", "rights"}, l.Direction.Rights},
		{tomlfile.Key{"direction", "owners"}, l.Direction.Owners}, {tomlfile.Key{"direction", "not_by"}, l.Direction.NotBy}, {tomlfile.Key{"direction", "staff"}, l.Direction.Staff},
		{tomlfile.Key{"direction", "code"}, l.Direction.Code}, {tomlfile.Key{"direction", "not_code"}, l.Direction.NotCode},
	}
	said := map[string]string{} // by question (never or travel; which direction): table → list
	for _, x := range lists {
		if slices.Contains(x.list, "") {
			return x.key, errors.New("an empty table name")
		}
		question := map[string]string{"never": "travel", "rights": "rights", "owners": "owners", "not_by": "not_by", "staff": "staff", "code": "code", "not_code": "code"}[x.key[len(x.key)-1]]
		if question == "" {
			question = x.key[0]
		}
		for _, table := range x.list {
			id := question + " " + strings.ToLower(table)
			if before := said[id]; before != "" {
				return x.key, fmt.Errorf("table %s is named twice: under %s and %s", table, before, x.key)
			}
			said[id] = x.key.String()
		}
	}
	return l.checkSections()
}

// checkSections returns the first section that cannot be meant, and its key.
func (l *layer) checkSections() (tomlfile.Key, error) {
	for table, columns := range l.Key {
		if len(columns) == 0 || slices.Contains(columns, "") {
			return tomlfile.Key{"key", table}, fmt.Errorf("the key of table %s names no column", table)
		}
	}
	if key, err := l.checkCalled(); err != nil {
		return key, err
	}
	if key, err := l.checkOwner(); err != nil {
		return key, err
	}
	for table, columns := range l.Undeclared {
		for column, text := range columns {
			if _, ok := parseUsual(text); !ok {
				return tomlfile.Key{"undeclared", table, column}, fmt.Errorf("%q names no table: write \"TABLE\", or \"TABLE where COLUMN else TABLE\"", text)
			}
		}
	}
	for table, columns := range l.Conditional {
		for column, c := range columns {
			if c.Column == "" || len(c.Targets) == 0 {
				return tomlfile.Key{"conditional", table, column}, errors.New("a conditional reference needs column (what decides) and targets")
			}
		}
	}
	for table, f := range l.Filter {
		if f.Column == "" {
			return tomlfile.Key{"filter", table}, errors.New("a filter needs column")
		}
	}
	for table, s := range l.Secret {
		given := s.Roles != ""
		if len(s.Columns) == 0 || slices.Contains(s.Columns, "") || (s.Row != "") != given || (s.Role != "") != given {
			return tomlfile.Key{"secret", table}, errors.New("secrets need columns, and may have roles (the table that gives a row a role) with row and role (its columns)")
		}
	}
	for table, n := range l.Names {
		if slices.Contains(n.Columns, "") || slices.ContainsFunc(n.Numbered, func(c string) bool { return !containsFold(n.Columns, c) }) {
			return tomlfile.Key{"names", table}, errors.New("names need columns, and numbered may only name some of them")
		}
	}
	for table, d := range l.Distinct {
		if slices.Contains(d.Columns, "") || (d.Via == "") != (d.Unless == "") || (d.Via == "") && d.Beside != "" || (d.Beside == "") != (d.Place == "") {
			return tomlfile.Key{"distinct", table}, errors.New("distinct needs columns, and may have via with unless, and then beside with place")
		}
	}
	if n := l.NewClinic; n != nil && n.incomplete() {
		return tomlfile.Key{"new_clinic"}, errors.New("a new clinic's rows need a column under only, and its account table, names, first, password and salt")
	}
	if r := l.Reindex; r != nil && (r.Table == "" || r.Column == "" || r.Value == "" || r.Blank == "" || len(r.When) == 0 || slices.Contains(r.When, "")) {
		return tomlfile.Key{"reindex"}, errors.New("reindex needs table, column and value (which row), blank (the column to empty) and when (which tables)")
	}
	return nil, nil
}
