package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/testdata/dbtest"
	"github.com/omsync/omsync/testdata/openmrs"
)

// site is a place with a database server of its own.
type site struct {
	name string
	dsn  string // as omsync gets it: it counts from the demo's folder
	db   *sql.DB
	end  func() error
}

func (s *site) stop() error { return errors.Join(s.db.Close(), s.end()) }

// open starts the servers and makes the tables of OpenMRS. The clinics' integers begin elsewhere than the hub's.
func (d *stage) open() (err error) {
	step := int64(d.patients) / 5
	if d.hub, err = start(d.ctx, d.dir, "hub", 0); err != nil {
		return err
	}
	if d.kisumu, err = start(d.ctx, d.dir, "kisumu", step); err != nil {
		return err
	}
	d.migori, err = start(d.ctx, d.dir, "migori", 2*step)
	return err
}

// start starts a site's server.
func start(ctx context.Context, dir, name string, offset int64) (s *site, err error) {
	folder := filepath.Join(dir, "server", name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	dsn, end, err := startServer(folder)
	if err != nil {
		return nil, fmt.Errorf("server of %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if err := execute(ctx, cfg.FormatDSN(), "CREATE DATABASE openmrs CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	cfg.DBName = "openmrs"
	err = execute(ctx, cfg.FormatDSN(), append([]string{"SET foreign_key_checks = 0"}, openmrs.Schema("2.6")...)...)
	if err != nil {
		return nil, fmt.Errorf("tables of %s: %w", name, err)
	}
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		if err := openmrs.SetAutoIncrement(ctx, db, offset+1); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return &site{name: name, dsn: fmt.Sprintf("root@unix(server/%s/sock)/openmrs", name), db: db, end: end}, nil
}

// startServer starts a server with a temporary folder of its own: a MariaDB that starts removes all temporary tables that it
// finds, those of others too.
func startServer(folder string) (dsn string, stop func() error, err error) {
	temp := filepath.Join(folder, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		return "", nil, err
	}
	const variable = "TMPDIR"
	before, set := os.LookupEnv(variable)
	if err := os.Setenv(variable, temp); err != nil {
		return "", nil, err
	}
	defer func() {
		if set {
			err = errors.Join(err, os.Setenv(variable, before))
		} else {
			err = errors.Join(err, os.Unsetenv(variable))
		}
	}()
	return dbtest.Start(folder)
}

// execute runs statements on one connection.
func execute(ctx context.Context, dsn string, statements ...string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%.60s…: %w", s, err)
		}
	}
	return nil
}

// register gives a site patients of a clinic with all that belongs to them, as a year of work would.
func (d *stage) register(s *site, seed int64, clinic string, patients int, metadata bool) error {
	stats, err := openmrs.Load(d.ctx, s.db, openmrs.Options{Seed: seed, Site: clinic, Patients: patients, Metadata: metadata})
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	fmt.Fprintf(d.out, "  %s> (%d new patients and all that belongs to them: %d rows in %d tables)\n", s.name, patients, stats.Rows, len(stats.Tables))
	return nil
}
