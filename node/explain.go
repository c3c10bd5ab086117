package node

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/preflight"
	"github.com/omsync/omsync/schema"
)

// explain says in people's words why the server does not let this node in.
func (n *Node) explain(err error) error {
	d, e := config.ParseDSN(n.DSN)
	if e != nil {
		return e
	}
	where := fmt.Sprintf("%s(%s)", d.Net, d.Addr)
	var network *net.OpError
	switch number := sqldb.ErrorNumber(err); {
	case number == sqldb.ErrAccessDenied || number == sqldb.ErrAuthPluginMismatch:
		return failure.Hinted(fmt.Errorf("the server at %s does not let %s in: %w", where, d.User, err), "look at the user and the password in %s", n.dsnSource())
	case number == sqldb.ErrDBAccessDenied:
		return failure.Hinted(fmt.Errorf("the account has no rights to the database: %w", err), "as an administrator: GRANT %s ON %s.* TO the account", preflight.AllPrivileges, schema.Quote(d.DBName))
	case number == sqldb.ErrBadDB:
		return failure.Hinted(fmt.Errorf("the server at %s has no database %s: %w", where, d.DBName, err), "look at the database's name in %s", n.dsnSource())
	case number == sqldb.ErrNotPrepared:
		return failure.Hinted(fmt.Errorf("the server at %s is a member of a Galera cluster and takes no statements: %w", where, err), "look at the cluster: it needs a majority of its members")
	case errors.As(err, &network):
		return failure.Hinted(fmt.Errorf("the database server at %s does not answer: %w", where, network.Err), "is it running? its address stands in %s", n.dsnSource())
	}
	return fmt.Errorf("connect to the database at %s: %w", where, err)
}

// dsnSource is where the DSN stands: at the first init only on the command line.
func (n *Node) dsnSource() string {
	path := filepath.Join(n.Home, config.Name)
	if _, err := os.Stat(path); err != nil {
		return "--dsn"
	}
	return path
}
