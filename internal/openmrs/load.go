package openmrs

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"
)

// Options say what Load makes. The same options in an empty database make the same rows.
type Options struct {
	Seed     int64  // of all that is random; another seed (or site) makes other people with other uuids
	Site     string // name of the clinic, such as "kisumu"; in the names of its locations and users
	Patients int
	Obs      int   // about so many in total; 0: twelve for each patient
	Users    int   // clinic staff; 0: four, and one more for each 2,000 patients
	Offset   int64 // the lowest integer key in any table is Offset + 1; 0 and more
	Metadata bool  // write the concepts, types, roles, … that every site has, with the same uuids everywhere

	// Traps adds, in rare rows, what databases in the field have: uuids that are NULL or there twice, zero dates, and
	// integers in columns without a foreign key that point to no row. Declared foreign keys hold all the same.
	Traps bool
}

// Stats say what Load has written.
type Stats struct {
	Tables  map[string]int // rows per table
	Rows    int
	Elapsed time.Duration
}

func (s Stats) String() string {
	return fmt.Sprintf("%d rows in %d tables in %v", s.Rows, len(s.Tables), s.Elapsed.Round(time.Millisecond))
}

// chunk is the number of patients that are committed at once: some 40,000 rows.
const chunk = 1000

// Load writes a synthetic clinic into a database that has the tables of OpenMRS 2.6. A database can be given more
// patients by calling it again with another seed and without Metadata. It then uses the metadata that is there, found
// by uuid: the integers can be any. Without Patients and Users it writes the metadata alone.
//
// Patients are committed a thousand at a time, whole. After an error, the chunks before it are in the database.
func Load(ctx context.Context, db *sql.DB, o Options) (Stats, error) {
	start := time.Now()
	if o.Patients < 0 || o.Obs < 0 || o.Users < 0 || o.Offset < 0 {
		return Stats{}, fmt.Errorf("load clinic: a negative number in %+v", o)
	}
	if o.Offset > 0 {
		if err := SetAutoIncrement(ctx, db, o.Offset+1); err != nil {
			return Stats{}, err
		}
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return Stats{}, err
	}
	// The session's settings are not for others: the connection is closed, not given back to the pool.
	defer conn.Raw(func(any) error { return driver.ErrBadConn })
	w, err := newWriter(ctx, conn, o)
	if err != nil {
		return Stats{}, err
	}
	for _, s := range []string{
		"SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
		"SET time_zone = '+00:00', autocommit = 0, foreign_key_checks = 0",
		"SET NAMES utf8",
	} {
		w.exec(s)
	}
	if o.Metadata {
		writeMetadata(w)
		if err := w.flush(); err != nil {
			return Stats{}, fmt.Errorf("write metadata: %w", err)
		}
	}
	if o.Patients > 0 || o.Users > 0 {
		if err := newClinic(w, o).write(); err != nil {
			return Stats{}, fmt.Errorf("write clinic: %w", err)
		}
	}
	stats := Stats{Tables: w.rows, Elapsed: time.Since(start)}
	for _, n := range w.rows {
		stats.Rows += n
	}
	return stats, w.err
}

// SetAutoIncrement makes start the lowest integer key that tables of OpenMRS give to their next row.
func SetAutoIncrement(ctx context.Context, db *sql.DB, start int64) error {
	for _, s := range Schema("2.6") {
		if !strings.Contains(s, " AUTO_INCREMENT") {
			continue
		}
		table := strings.Split(s, "`")[1]
		if _, err := db.ExecContext(ctx, fmt.Sprintf("ALTER TABLE `%s` AUTO_INCREMENT = %d", table, start)); err != nil {
			return fmt.Errorf("set AUTO_INCREMENT of %s: %w", table, err)
		}
	}
	return nil
}
