package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// This file compares databases by itself, with SQL of its own: what it knows of the data model is written down here a second
// time, on purpose.

// home lists the tables that belong to one server: its bookkeeping, queues and alerts.
func home(table string) bool {
	for _, prefix := range []string{"omsync_", "liquibase", "scheduler_", "hl7_in_", "notification_"} {
		if strings.HasPrefix(table, prefix) {
			return true
		}
	}
	return false
}

// undeclared are the columns that hold a row's number without a foreign key: column, then the table and column meant.
var undeclared = map[string]string{
	"orders.concept_id":          "concept.concept_id",
	"concept_set.concept_id":     "concept.concept_id",
	"person_name.changed_by":     "users.user_id",
	"cohort_member.voided_by":    "users.user_id",
	"concept_name_tag.creator":   "users.user_id",
	"concept_name_tag.voided_by": "users.user_id",
	"provider_role.creator":      "users.user_id",
	"provider_role.changed_by":   "users.user_id",
	"provider_role.retired_by":   "users.user_id",
}

// formats are the classes whose attributes hold a row's number as text.
var formats = map[string]string{"Concept": "concept.concept_id", "Location": "location.location_id", "User": "users.user_id",
	"Person": "person.person_id", "Patient": "patient.patient_id", "Provider": "provider.provider_id", "Encounter": "encounter.encounter_id"}

// secrets of users stay at their site.
var secrets = []string{"users.password", "users.salt", "users.secret_question", "users.secret_answer", "users.activation_key"}

// column is a column as the server describes it.
type column struct {
	table, name, kind string
	primary           bool   // the primary key, alone
	to                string // table.column that it refers to by foreign key
}

func (c column) path() string { return c.table + "." + c.name }

// number reports whether the column holds integers.
func (c column) number() bool { return strings.HasSuffix(c.kind, "int") }

// model is the columns of a database by table.
type model map[string][]column

func readModel(ctx context.Context, db *sql.DB) (model, error) {
	to := maps.Clone(undeclared)
	err := each(ctx, db, `SELECT CONCAT(table_name, '.', column_name), CONCAT(referenced_table_name, '.', referenced_column_name)
		FROM information_schema.key_column_usage WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL`,
		func(scan func(...any) error) error {
			var from, target string
			err := scan(&from, &target)
			to[from] = target
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys: %w", err)
	}
	m, keys := model{}, map[string]int{}
	err = each(ctx, db, `SELECT table_name, column_name, data_type, column_key = 'PRI' FROM information_schema.columns
		WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position`,
		func(scan func(...any) error) error {
			var c column
			err := scan(&c.table, &c.name, &c.kind, &c.primary)
			if home(c.table) {
				return err
			}
			if c.primary {
				keys[c.table]++
			}
			c.to = to[c.path()]
			m[c.table] = append(m[c.table], c)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read the columns: %w", err)
	}
	for table, columns := range m {
		for i := range columns {
			columns[i].primary = columns[i].primary && keys[table] == 1
		}
	}
	return m, nil
}

// each runs a query and calls do for each row.
func each(ctx context.Context, db *sql.DB, query string, do func(scan func(...any) error) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// uuidOf is a query for the uuid of the row of table.column that has a value. A table without uuids has that of the row that
// its primary key refers to: a patient is a person.
func (m model) uuidOf(to, value string, depth int) string {
	table, key, _ := strings.Cut(to, ".")
	alias := fmt.Sprintf("r%d", depth)
	what := ""
	for _, c := range m[table] {
		switch {
		case c.name == "uuid":
			what = alias + ".uuid"
		case c.primary && c.to != "" && what == "":
			what = m.uuidOf(c.to, alias+"."+quote(c.name), depth+1)
		}
	}
	return fmt.Sprintf("(SELECT %s FROM %s %s WHERE %s.%s = %s)", what, quote(table), alias, alias, quote(key), value)
}

// value is what to compare of a column; ok is false for the local numbers.
func (m model) value(c column) (expression string, ok bool) {
	name := "t." + quote(c.name)
	if slices.Contains(secrets, c.path()) {
		return "", false
	}
	if c.to != "" && c.number() {
		return fmt.Sprintf("IF(%s IS NULL, NULL, COALESCE(%s, 'nowhere'))", name, m.uuidOf(c.to, name, 0)), true
	}
	var whens strings.Builder
	for _, class := range slices.Sorted(maps.Keys(formats)) {
		fmt.Fprintf(&whens, " WHEN 'org.openmrs.%s' THEN %s", class, m.uuidOf(formats[class], name, 0))
	}
	switch {
	case c.primary && c.number():
		return "", false
	case c.path() == "person_attribute.value":
		return fmt.Sprintf(`CASE (SELECT format FROM person_attribute_type f WHERE f.person_attribute_type_id = t.person_attribute_type_id)%s
			ELSE %s END`, whens.String(), name), true
	case c.path() == "person_attribute_type.foreign_key":
		return fmt.Sprintf("CASE t.format%s ELSE %s END", whens.String(), name), true
	case c.path() == "global_property.property_value": // some settings hold the number of a concept
		return fmt.Sprintf("CASE WHEN t.property LIKE 'concept.%%' AND %[1]s REGEXP '^[0-9]+$' THEN COALESCE(%[2]s, %[1]s) ELSE %[1]s END", name, m.uuidOf("concept.concept_id", name, 0)), true
	case c.path() == "user_property.property_value":
		return fmt.Sprintf("CASE WHEN t.property = 'defaultLocation' THEN COALESCE(%[2]s, %[1]s) ELSE %[1]s END", name, m.uuidOf("location.location_id", name, 0)), true
	case c.kind == "float":
		return name + " * 1e0", true // as text a float loses digits
	}
	return name, true
}

// stays is a condition for the rows of a table that a site does not give away: settings of the one server, what it notes of
// people's attempts to log in, and the rights and preferences that a clinic gave to its own staff, since rights go down only.
func (s *site) stays(table string) string {
	switch {
	case table == "global_property":
		return `t.property LIKE '%.started' OR t.property LIKE '%.mandatory' OR t.property LIKE '%database_version' OR t.property LIKE 'scheduler.%'
			OR t.property IN ('order.nextOrderNumberSeed', 'search.indexVersion', 'obs.complex_obs_dir', 'hl7_archive.dir')`
	case table == "user_property":
		return "t.property IN ('loginAttempts', 'lockoutTimestamp', 'lastLoginTimestamp', 'emrapi.lastViewedPatientIds') OR " + s.staff()
	case table == "user_role":
		return s.staff()
	}
	return "FALSE"
}

// staff is a condition for the rows of a clinic's own users.
func (s *site) staff() string {
	if s.name == "hub" {
		return "FALSE"
	}
	return fmt.Sprintf("t.user_id IN (SELECT user_id FROM users WHERE system_id LIKE '%s-%%')", s.name)
}

// content is the rows of a table by key: the uuid, or all columns where there is none. A row is its columns' values.
type content map[string][]string

// read reads a table with every number replaced by the uuid of the row meant.
func (s *site) read(ctx context.Context, m model, table string) (content, error) {
	columns := slices.Clone(m[table])
	slices.SortStableFunc(columns, func(a, b column) int { // the uuid first
		switch {
		case a.name == "uuid":
			return -1
		case b.name == "uuid":
			return 1
		}
		return 0
	})
	var list, names []string
	for _, c := range columns {
		if v, ok := m.value(c); ok {
			list, names = append(list, v), append(names, c.name)
		}
	}
	query := fmt.Sprintf("SELECT %s FROM %s t WHERE NOT (%s)", strings.Join(list, ", "), quote(table), s.stays(table))
	out := content{}
	err := each(ctx, s.db, query, func(scan func(...any) error) error {
		values, into, row := make([]sql.NullString, len(list)), make([]any, len(list)), make([]string, len(list))
		for i := range values {
			into[i] = &values[i]
		}
		if err := scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			row[i] = names[i] + " NULL"
			if v.Valid {
				row[i] = fmt.Sprintf("%s %q", names[i], v.String)
			}
		}
		key := row[0]
		if names[0] != "uuid" {
			key = strings.Join(row, ", ")
		}
		base := key
		for n := 2; out[key] != nil; n++ {
			key = fmt.Sprintf("%s, number %d", base, n)
		}
		out[key] = row
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", table, s.name, err)
	}
	return out, nil
}

// differences tells how b differs from a.
func (a content) differences(b content) (out []string) {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if b[key] == nil {
			out = append(out, key+": missing")
			continue
		}
		for i, v := range a[key] {
			if b[key][i] != v {
				out = append(out, fmt.Sprintf("%s: %s, and there %s", key, v, b[key][i]))
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if a[key] == nil {
			out = append(out, key+": too many")
		}
	}
	return out
}

// groups are what the tables are about, by the first prefix that fits.
var groups = []struct {
	name     string
	prefixes []string
}{
	{"concepts, drugs, forms", []string{"concept", "drug_ingredient", "drug_reference", "drug", "field", "form", "order_frequency", "order_set", "order_type"}},
	{"patients and persons", []string{"patient_identifier", "patient_program", "patient_state", "patient", "person", "relationship", "cohort", "note"}},
	{"visits and encounters", []string{"visit", "encounter"}},
	{"observations", []string{"obs"}},
	{"orders", []string{"order", "test_order", "referral", "medication"}},
	{"diagnoses, allergies", []string{"allerg", "condition", "diagnosis"}},
	{"users, providers, rights", []string{"user", "provider", "role", "privilege"}},
	{"locations", []string{"location"}},
	{"the rest", []string{""}},
}

func groupOf(table string) int {
	if table == "drug_order" {
		table = "order"
	}
	return slices.IndexFunc(groups, func(g struct {
		name     string
		prefixes []string
	}) bool {
		return slices.ContainsFunc(g.prefixes, func(p string) bool { return strings.HasPrefix(table, p) })
	})
}

// errDiffer means that the comparison found a difference.
var errDiffer = errors.New("the databases differ")

// compare compares all sites with the first and prints rows by group of tables. A difference is errDiffer.
func compare(ctx context.Context, out io.Writer, sites []*site) error {
	first := sites[0]
	m, err := readModel(ctx, first.db)
	if err != nil {
		return err
	}
	counts := make([][]int, len(groups)+1)
	differ := make([]int, len(groups)+1)
	tables := make([]int, len(groups)+1)
	for i := range counts {
		counts[i] = make([]int, len(sites))
	}
	var shown []string
	for _, table := range slices.Sorted(maps.Keys(m)) {
		g := groupOf(table)
		var reference content
		for i, s := range sites {
			rows, err := s.read(ctx, m, table)
			if err != nil {
				return err
			}
			if i == 0 {
				reference = rows
			}
			different := reference.differences(rows)
			for _, at := range []int{g, len(groups)} {
				counts[at][i] += len(rows)
				differ[at] += len(different)
			}
			for _, d := range different[:min(3, len(different))] {
				shown = append(shown, fmt.Sprintf("%s, %s against %s: %.300s", table, first.name, s.name, d))
			}
		}
		tables[g]++
		tables[len(groups)]++
	}
	line := func(name, tables, differ string, rows func(i int) string) {
		fmt.Fprintf(out, "  %-26s%8s", name, tables)
		for i := range sites {
			fmt.Fprintf(out, "%9s", rows(i))
		}
		fmt.Fprintf(out, "%13s\n", differ)
	}
	line("", "tables", "differences", func(i int) string { return sites[i].name })
	for g := range counts {
		name := "together"
		if g < len(groups) {
			name = groups[g].name
		}
		line(name, fmt.Sprint(tables[g]), fmt.Sprint(differ[g]), func(i int) string { return fmt.Sprint(counts[g][i]) })
	}
	for _, s := range shown[:min(20, len(shown))] {
		fmt.Fprintf(out, "  %s\n", s)
	}
	if differ[len(groups)] > 0 {
		return fmt.Errorf("%w in %d places", errDiffer, differ[len(groups)])
	}
	return nil
}

func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
