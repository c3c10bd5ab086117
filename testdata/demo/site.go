package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
)

// site is a place with a database server of its own.
type site struct {
	name string
	dsn  string // as omsync gets it: it counts from the demo's folder
	db   *sql.DB
	end  func() error
}

func (s *site) stop() error { return errors.Join(s.db.Close(), s.end()) }

// opening is a site to be opened.
type opening struct {
	into   **site
	name   string
	offset int64 // its integers begin behind this one
}

// open starts servers, all at once, and makes the tables of OpenMRS. What was started stays in spite of an error.
func (d *stage) open(sites ...opening) error {
	errs := make([]error, len(sites))
	var all sync.WaitGroup
	for i, o := range sites {
		all.Go(func() { *o.into, errs[i] = start(d.ctx, d.dir, o.name, o.offset) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// start starts a site's server.
func start(ctx context.Context, dir, name string, offset int64) (s *site, err error) {
	folder := filepath.Join(dir, "server", name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	dsn, end, err := dbtest.Start(folder)
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
