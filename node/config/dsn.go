package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/failure"
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
		if d.Passwd, err = readPassword(c.Path(c.PasswordFile)); err != nil {
			return "", err
		}
	default:
		return c.DSN, nil
	}
	return d.FormatDSN(), nil
}

// readPassword reads a password from a file that its owner alone can read. (On Windows access lists say that, and they are not looked at.)
func readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the database's password: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read the database's password: %w", err)
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.IsRegular() && mode.Perm()&0o077 != 0 {
		return "", failure.Hinted(fmt.Errorf("%s holds the database's password and others can get at it (mode %04o)", path, mode.Perm()), "chmod 600 %s", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("read the database's password: %w", err)
	}
	if len(b) > maxPassword {
		return "", fmt.Errorf("%s has more than %d bytes: it is no file with a password", path, maxPassword)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// maxPassword is how long a password may be, in bytes.
const maxPassword = 4 << 10

// Database returns the name of the database.
func (c *Config) Database() string {
	d, err := ParseDSN(c.DSN)
	if err != nil {
		return ""
	}
	return d.DBName
}

// Host returns the name or address of the database's server; empty: it is reached by a socket of this computer.
func (c *Config) Host() string {
	d, err := ParseDSN(c.DSN)
	if err != nil || d.Net == "unix" {
		return ""
	}
	host, _, err := net.SplitHostPort(d.Addr)
	if err != nil {
		return d.Addr
	}
	return host
}
