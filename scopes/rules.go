package scopes

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

const (
	// fullAfter is when rules are asked of all rows again: of who lost a row to another patient, or to a deletion, what changed does not tell.
	fullAfter = 24 * time.Hour
	// maxAsked is of how many patients rules are asked one by one; of more they are asked as of all.
	maxAsked = 10_000
)

// Followed is what the rules of a scope change, and why some of it is not done.
type Followed struct {
	scope.Change
	Asked   int  // patients of whom the rules were asked; of a full look, all whom they want or brought
	Full    bool // all rows were looked at
	Trouble error
	brought int
}

// Rule returns what the rules of a child would change now. Unless all is set, they are asked of those alone of whom a row that they look at changed
// since they were last followed. Patients who are voided or deleted here stay, so that the child hears of that. Where a rule cannot be asked
// (Trouble), it brings nobody, and nobody leaves.
func (s *Store) Rule(p merge.Peer, rules map[string]scope.Rule, all bool) (f Followed, err error) {
	kept := s.Rules(p)
	text := ""
	asked := []ask{}
	for _, name := range kept.Names {
		r, is := rules[name]
		if text += fmt.Sprintf("%s: %s\n", name, r); !is {
			f.Trouble = fmt.Errorf("the configuration has no rule %q (scope.rule.%[1]s)", name)
			continue
		}
		q, err := s.question(r)
		if err != nil {
			f.Trouble = fmt.Errorf("rule %q: %w", name, err)
			continue
		}
		asked = append(asked, q)
	}
	now := s.j.Now()
	f.Full = all || kept.Epoch == 0 || text != kept.Text || now.Sub(time.UnixMicro(kept.Full)).Abs() >= fullAfter
	for _, q := range asked { // the rows of a first load have no versions of their own
		meta := s.j.Tables[q.table.Name]
		f.Full = f.Full || meta != nil && !meta.Default.IsEmpty() && meta.Default.Epoch > kept.Epoch
	}
	var ids []int64
	if !f.Full {
		if ids, err = s.changedFor(asked, kept.Epoch); err != nil {
			return f, err
		}
		if len(ids) == 0 {
			return f, nil
		}
		f.Full = len(ids) > maxAsked
	}
	if err = s.plan(p, &f, asked, ids); err != nil {
		return f, err
	}
	last, err := journal.LastEpoch(s.ctx, s.o.Read)
	if err != nil {
		return f, err
	}
	kept.Epoch, kept.Text = last.Epoch, text
	if f.Full {
		kept.Full = now.UnixMicro()
	}
	if f.Trouble == nil { // otherwise all is asked again
		s.SetRules(p, kept)
	}
	return f, s.err
}

// plan asks rules of patients, or of all, and says what that changes.
func (s *Store) plan(p merge.Peer, f *Followed, asked []ask, ids []int64) error {
	var wanted []int64
	for _, q := range asked {
		query := q.query
		if !f.Full {
			query += fmt.Sprintf(" AND %s IN (%s)", q.patient, list(ids))
		}
		err := sqldb.Each(s.ctx, s.o.Read, query, func(r []sql.RawBytes) error {
			wanted = append(wanted, sqldb.Int(r[0]))
			return nil
		})
		if err != nil {
			return fmt.Errorf("ask a rule of a scope: %w", err)
		}
	}
	want, err := s.keysOfOwners(wanted)
	if err != nil {
		return err
	}
	considered := want
	if f.Full {
		considered = s.Entries(p)
	} else if considered, err = s.keysOfOwners(ids); err != nil {
		return err
	}
	s.Know(slices.Concat(considered, want))
	f.Change, f.Asked = s.Node().PlanOf(p, considered, want), len(considered)
	if f.Trouble != nil {
		f.Leave = nil
	}
	return s.keepTheGone(f)
}

// keepTheGone takes out of those who leave who is voided or deleted here.
func (s *Store) keepTheGone(f *Followed) error {
	t := s.owners.Table
	if len(f.Leave) == 0 || t.Integer == nil || t.Column("voided") == nil {
		return nil
	}
	stays := map[scope.Owner]bool{}
	for some := range slices.Chunk(f.Leave, fetchAtOnce) {
		keys := make([]string, len(some))
		for i, o := range some {
			keys[i] = string(o)
		}
		found, err := s.find(keys)
		if err != nil {
			return err
		}
		ids, voided := []int64{}, map[int64]bool{}
		for _, r := range found {
			ids = append(ids, r.Int)
		}
		if len(ids) > 0 {
			err = sqldb.Each(s.ctx, s.o.Read, fmt.Sprintf("SELECT %s FROM %s WHERE voided = 1 AND %[1]s IN (%[3]s)", schema.Quote(t.Integer.Name), schema.Quote(t.Name), list(ids)), func(r []sql.RawBytes) error {
				voided[sqldb.Int(r[0])] = true
				return nil
			})
			if err != nil {
				return fmt.Errorf("look for voided patients: %w", err)
			}
		}
		for _, o := range some {
			r, here := found[string(o)]
			stays[o] = !here || voided[r.Int]
		}
	}
	f.Leave = slices.DeleteFunc(f.Leave, func(o scope.Owner) bool { return stays[o] })
	return nil
}

// ask is a rule as SQL.
type ask struct {
	table   *schema.Table // whose rows it looks at
	owner   string        // column with the patient
	patient string        // the same in the query
	query   string        // the patients whom it wants
}

// question returns a rule as SQL. Its error says what the database lacks, such as a location of the name.
func (s *Store) question(r scope.Rule) (ask, error) {
	named := func(table, id, name string) (int64, error) {
		return Metadata(s.ctx, s.o.Read, s.j.Catalogue, table, id, name)
	}
	switch {
	case r.Location != "":
		t := s.j.Catalogue.Named("encounter")
		if !HasColumns(t, "encounter_id", "patient_id", "location_id", "encounter_datetime", "voided") {
			return ask{}, errors.New("this database has no encounters as OpenMRS has them")
		}
		id, err := named("location", "location_id", r.Location)
		return ask{t, "patient_id", "e.patient_id", fmt.Sprintf("SELECT DISTINCT e.patient_id FROM %s e WHERE e.voided = 0 AND e.location_id = %d AND (SELECT COUNT(*) FROM %[1]s x WHERE x.patient_id = e.patient_id"+
			" AND x.voided = 0 AND (x.encounter_datetime > e.encounter_datetime OR x.encounter_datetime = e.encounter_datetime AND x.encounter_id > e.encounter_id)) < %d", schema.Quote(t.Name), id, max(r.Encounters, 1))}, err
	case r.Program != "":
		t := s.j.Catalogue.Named("patient_program")
		if !HasColumns(t, "patient_id", "program_id", "date_completed", "voided") {
			return ask{}, errors.New("this database has no programmes as OpenMRS has them")
		}
		id, err := named("program", "program_id", r.Program)
		return ask{t, "patient_id", "e.patient_id", fmt.Sprintf("SELECT DISTINCT e.patient_id FROM %s e WHERE e.voided = 0 AND e.program_id = %d AND e.date_completed IS NULL", schema.Quote(t.Name), id)}, err
	}
	t, patients := s.j.Catalogue.Named("person_attribute"), s.owners.Table
	if !HasColumns(t, "person_id", "person_attribute_type_id", "value", "voided") || patients.Integer == nil {
		return ask{}, errors.New("this database has no attributes of persons as OpenMRS has them")
	}
	id, err := named("person_attribute_type", "person_attribute_type_id", r.Attribute)
	return ask{t, "person_id", "e.person_id", fmt.Sprintf("SELECT DISTINCT e.person_id FROM %s e STRAIGHT_JOIN %s p ON p.%s = e.person_id WHERE e.voided = 0 AND e.person_attribute_type_id = %d AND e.value = %s",
		schema.Quote(t.Name), schema.Quote(patients.Name), schema.Quote(patients.Integer.Name), id, t.Column("value").AppendLiteral(nil, []byte(r.Value)))}, err
}

// changedFor returns the patients of whom a row that the rules look at changed after an epoch.
func (s *Store) changedFor(asked []ask, epoch uint64) ([]int64, error) {
	var out []int64
	done := map[*schema.Table]bool{}
	for _, q := range asked {
		meta := s.j.Tables[q.table.Name]
		if meta == nil || q.table.Integer == nil || done[q.table] {
			continue
		}
		done[q.table] = true
		query := fmt.Sprintf("SELECT DISTINCT t.%s FROM omsync_version v FORCE INDEX (tbl_epoch) STRAIGHT_JOIN %s t ON t.%s = v.local_id WHERE v.table_id = %d AND v.epoch > %d LIMIT %d",
			schema.Quote(q.owner), schema.Quote(q.table.Name), schema.Quote(q.table.Integer.Name), meta.ID, epoch, maxAsked+1)
		err := sqldb.Each(s.ctx, s.o.Read, query, func(r []sql.RawBytes) error {
			out = append(out, sqldb.Int(r[0]))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for what rules of scopes look at: %w", err)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// keysOfOwners returns the keys of owners by their local ids. Who has none is left out.
func (s *Store) keysOfOwners(ids []int64) (out []scope.Owner, err error) {
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), fetchAtOnce) {
		rows := make([]journal.Row, len(some))
		for i, id := range some {
			rows[i].Int = id
		}
		keys, err := rowkey.Of(s.ctx, s.o.Read, s.owners.Table, rows)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if key != "" {
				out = append(out, scope.Owner(journal.Canonical(s.owners.Table, key)))
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

func list(ids []int64) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, id)
	}
	return b.String()
}

// Fill does what rules change, but not where they take out most of those whom they brought: that is an error in Followed.Trouble, unless sure is set.
func (s *Store) Fill(p merge.Peer, f *Followed, sure bool) error {
	if len(f.Leave) > 0 && !sure {
		brought := 0
		s.eachEntry(p, " AND s.rule = 1 AND s.since > 0", func(_ scope.Owner, e scope.Entry) {
			if e.In() && e.Rule {
				brought++
			}
		})
		if f.TakesMost(brought) {
			f.Trouble = fmt.Errorf("the rules would take %d of %d patients out: nobody leaves until a person says so (omsync scope add PEER --rule NAME)", len(f.Leave), brought)
			f.Leave = nil
			kept := s.Rules(p)
			kept.Epoch = 0 // they are asked of all again
			s.SetRules(p, kept)
		}
	}
	s.By(Rule, strings.Join(s.Rules(p).Names, ", "))
	s.Node().Fill(p, f.Change)
	return s.err
}

// Metadata returns the integer of the one row of metadata that has a name or a uuid.
func Metadata(ctx context.Context, q sqldb.DB, cat *schema.Catalogue, table, id, name string) (n int64, err error) {
	t := cat.Named(table)
	if !HasColumns(t, id, "name", "uuid") {
		return 0, fmt.Errorf("this database has no table %s as OpenMRS has it", table)
	}
	text := sqldb.AppendString(nil, []byte(name))
	found := 0
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT %s FROM %s WHERE name = %s OR uuid = %[3]s", schema.Quote(id), schema.Quote(t.Name), text), func(r []sql.RawBytes) error {
		n, found = sqldb.Int(r[0]), found+1
		return nil
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("look for a %s: %w", table, err)
	case found == 0:
		return 0, fmt.Errorf("no %s here has the name or uuid %q", table, name)
	case found > 1:
		return 0, fmt.Errorf("%d rows of %s have the name %q: name the one that you mean by its uuid", found, table, name)
	}
	return n, nil
}
