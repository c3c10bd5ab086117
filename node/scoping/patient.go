package scoping

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// A Patient is one whom a person named.
type Patient struct {
	Name string      // as the person named it
	Key  scope.Owner // row key
}

// MaxFile is how many bytes a file with patients may have.
const MaxFile = 16 << 20

// ReadFile returns the patients that a file names, one a line: identifiers or keys. Empty lines and those that begin with # count for nothing. It is
// UTF-8, with or without a mark at its beginning.
func ReadFile(name string, in io.Reader) (names []string, err error) {
	b, err := io.ReadAll(io.LimitReader(in, MaxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > MaxFile:
		return nil, fmt.Errorf("%s is longer than %d MiB: name patients one a line, and nothing else", name, MaxFile>>20)
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}), bytes.IndexByte(b, 0) >= 0, !utf8.Valid(b):
		return nil, failure.Hinted(fmt.Errorf("%s is not a text in UTF-8", name), "save it as UTF-8, one patient a line (in a spreadsheet: CSV UTF-8, with the identifiers alone)")
	}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	lines.Buffer(nil, MaxFile)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	if len(names) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("%s names nobody", name)
	}
	return names, lines.Err()
}

// Patients returns the patients whom keys or identifiers name. A key need not be here, if absent says so.
func (s *Session) Patients(ctx context.Context, names []string, absent bool) ([]Patient, error) {
	var out []Patient
	seen := map[scope.Owner]bool{}
	for some := range slices.Chunk(names, 500) {
		found, err := s.find(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, name := range some {
			key, err := found.one(name, absent)
			if err != nil {
				return nil, err
			}
			if !seen[key] {
				seen[key] = true
				out = append(out, Patient{name, key})
			}
		}
	}
	return out, nil
}

// matches is what was found by some names.
type matches struct {
	s            *Session
	byKey        map[string]scope.Owner
	byIdentifier map[string]scope.Identity
}

func (s *Session) find(ctx context.Context, names []string) (*matches, error) {
	t := s.store.OwnerTable()
	m := &matches{s: s, byKey: map[string]scope.Owner{}}
	canonical := make([]string, len(names))
	for i, name := range names {
		canonical[i] = journal.Canonical(t, name)
	}
	keys, err := rowkey.Find(ctx, s.q, t, canonical)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if _, here := keys[canonical[i]]; here {
			m.byKey[name] = scope.Owner(canonical[i])
		}
	}
	m.byIdentifier, err = s.store.Identities(names)
	return m, err
}

// ErrNobody means that a name means nobody who is here.
var ErrNobody = errors.New("no patient here")

// one returns the one patient whom a name means.
func (m *matches) one(name string, absent bool) (scope.Owner, error) {
	if key, ok := m.byKey[name]; ok {
		return key, nil
	}
	switch who := m.byIdentifier[name]; {
	case who.Keyless:
		return "", failure.Hinted(fmt.Errorf("the patient with the identifier %q has no key that other sites know", name), "omsync doctor says how rows get their uuids")
	case len(who.Owners) == 1:
		return who.Owners[0], nil
	case len(who.Owners) > 1:
		var keys []string
		for _, key := range who.Owners[:min(5, len(who.Owners))] {
			keys = append(keys, string(key))
		}
		return "", failure.Hinted(fmt.Errorf("%d patients have the identifier %q", len(who.Owners), name), "name the one that you mean by its key: %s", strings.Join(keys, ", "))
	case who.Voided:
		return "", failure.Hinted(fmt.Errorf("the identifier %q, or the patient who has it, is voided", name), "name the patient by the key, if you mean that one")
	case absent && isKey(name):
		return scope.Owner(journal.Canonical(m.s.store.OwnerTable(), name)), nil
	}
	return "", failure.Hinted(fmt.Errorf("%w has the identifier or key %.60q", ErrNobody, name), "a patient who is not here is named by the key (a uuid), as the site that has it knows it")
}

// isKey reports whether a name looks like a key: a uuid is 36 characters long, and OpenMRS has some of 38.
func isKey(name string) bool {
	return len(name) >= 36 && len(name) <= 38 && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-')
	})
}

// people is the tables with the names of patients.
type people struct{ names, persons, patients *schema.Table }

func (s *Session) names() (people, error) {
	cat := s.n.Journal.Catalogue
	p := people{cat.Named("person_name"), cat.Named("person"), s.store.OwnerTable()}
	if !scopes.HasColumns(p.names, "person_id", "given_name", "family_name", "voided") || !scopes.HasColumns(p.persons, "person_id", "birthdate", "gender") || !scopes.HasColumns(p.patients, "voided") {
		return p, errors.New("this database has no names of patients as OpenMRS has them: name a patient by the key")
	}
	return p, nil
}

// where returns the tables n, r and p with the names, the persons and the patients who are called so and were born on a day, and are not voided.
func (x people) where(given, family, born string) string {
	first, last, day := sqldb.AppendString(nil, []byte(given)), sqldb.AppendString(nil, []byte(family)), sqldb.AppendString(nil, []byte(born))
	return fmt.Sprintf("%s n STRAIGHT_JOIN %s r ON r.person_id = n.person_id STRAIGHT_JOIN %s p ON p.%s = n.person_id WHERE n.voided = 0 AND p.voided = 0"+
		" AND r.birthdate = %s AND n.given_name = %s AND n.family_name = %s", schema.Quote(x.names.Name), schema.Quote(x.persons.Name), schema.Quote(x.patients.Name),
		schema.Quote(x.patients.Integer.Name), day, first, last)
}

// NewQuery returns whom a name and a day of birth mean, as people write them.
func NewQuery(name, born string) (Query, error) {
	if _, err := time.Parse(time.DateOnly, born); err != nil {
		return Query{}, fmt.Errorf("--born %q: write a day like 1985-11-28", born)
	}
	words := strings.Fields(name)
	if len(words) < 2 {
		return Query{}, fmt.Errorf("--name %q: write the given name and the family name", name)
	}
	return Query{Given: words[0], Family: words[len(words)-1], Born: born}, nil
}

// Named returns the one patient here who has a name and was born on a day. The error is [ErrNobody] if there is none.
func (s *Session) Named(ctx context.Context, name, born string) (Patient, error) {
	x, err := s.names()
	if err != nil {
		return Patient{}, err
	}
	q, err := NewQuery(name, born)
	if err != nil {
		return Patient{}, err
	}
	keys, err := s.patientsOf(ctx, fmt.Sprintf("SELECT DISTINCT p.%s FROM %s", schema.Quote(x.patients.Integer.Name), x.where(q.Given, q.Family, q.Born)))
	switch {
	case err != nil:
		return Patient{}, err
	case len(keys) == 0:
		return Patient{}, fmt.Errorf("%w is called %q and was born on %s", ErrNobody, name, born)
	case len(keys) > 1:
		return Patient{}, failure.Hinted(fmt.Errorf("%d patients are called %q and were born on %s", len(keys), name, born), "name the one that you mean by its identifier or key")
	}
	return Patient{name, keys[0]}, nil
}

// patientsOf returns the keys of the patients whose integers a query returns.
func (s *Session) patientsOf(ctx context.Context, query string) ([]scope.Owner, error) {
	var rows []journal.Row
	err := sqldb.Each(ctx, s.q, query, func(r []sql.RawBytes) error {
		rows = append(rows, journal.Row{Int: sqldb.Int(r[0])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for patients: %w", err)
	}
	return s.keysOf(ctx, s.store.OwnerTable(), rows)
}

// At returns the patients whose last encounter was at a place, which is named by its name or uuid.
func (s *Session) At(ctx context.Context, place string) ([]Patient, error) {
	t := s.n.Journal.Catalogue.Named("encounter")
	if !scopes.HasColumns(t, "patient_id", "location_id", "encounter_datetime", "voided") {
		return nil, errors.New("this database has no encounters as OpenMRS has them")
	}
	id, err := s.metadata(ctx, "location", "location_id", place)
	if err != nil {
		return nil, err
	}
	e := schema.Quote(t.Name)
	return s.chosen(ctx, "--location "+place, fmt.Sprintf("SELECT DISTINCT e.patient_id FROM %s e JOIN (SELECT patient_id, MAX(encounter_datetime) last FROM %[1]s WHERE voided = 0 GROUP BY patient_id) l"+
		" ON l.patient_id = e.patient_id AND l.last = e.encounter_datetime WHERE e.voided = 0 AND e.location_id = %d", e, id))
}

// Enrolled returns the patients who are in a programme now, which is named by its name or uuid.
func (s *Session) Enrolled(ctx context.Context, program string) ([]Patient, error) {
	t := s.n.Journal.Catalogue.Named("patient_program")
	if !scopes.HasColumns(t, "patient_id", "program_id", "date_completed", "voided") {
		return nil, errors.New("this database has no programmes as OpenMRS has them")
	}
	id, err := s.metadata(ctx, "program", "program_id", program)
	if err != nil {
		return nil, err
	}
	return s.chosen(ctx, "--program "+program, fmt.Sprintf("SELECT DISTINCT patient_id FROM %s WHERE voided = 0 AND program_id = %d AND (date_completed IS NULL OR date_completed > NOW())", schema.Quote(t.Name), id))
}

func (s *Session) chosen(ctx context.Context, by, query string) ([]Patient, error) {
	keys, err := s.patientsOf(ctx, query)
	if err != nil {
		return nil, err
	}
	var out []Patient
	for _, key := range keys {
		out = append(out, Patient{by, key})
	}
	return out, nil
}

// metadata returns the integer of the one row that has a name or a uuid.
func (s *Session) metadata(ctx context.Context, table, id, name string) (int64, error) {
	return scopes.Metadata(ctx, s.q, s.n.Journal.Catalogue, table, id, name)
}
