package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// ParseDSN reads a DSN, which must name a database. Its errors do not quote it: it may hold a password.
func ParseDSN(dsn string) (*mysql.Config, error) {
	d, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("the DSN cannot be read: write it as user:password@unix(/path/to/socket)/database or user:password@tcp(host:3306)/database")
	}
	if d.DBName == "" {
		return nil, errors.New("the DSN names no database: end it with /NAME")
	}
	return d, nil
}

// FullDSN returns the DSN with the password in it, wherever that comes from.
func (c *Config) FullDSN() (string, error) {
	d, err := ParseDSN(c.DSN)
	if err != nil {
		return "", err
	}
	switch {
	case c.PasswordEnv != "":
		p, ok := os.LookupEnv(c.PasswordEnv)
		if !ok {
			return "", fmt.Errorf("the database's password should be in the environment variable %s, which is not set", c.PasswordEnv)
		}
		d.Passwd = p
	case c.PasswordFile != "":
		b, err := os.ReadFile(c.Path(c.PasswordFile))
		if err != nil {
			return "", fmt.Errorf("read the database's password: %w", err)
		}
		d.Passwd = strings.TrimRight(string(b), "\r\n")
	default:
		return c.DSN, nil
	}
	return d.FormatDSN(), nil
}

// Database returns the name of the database.
func (c *Config) Database() string {
	d, err := ParseDSN(c.DSN)
	if err != nil {
		return ""
	}
	return d.DBName
}
