package health

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/disk"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/backup"
	"github.com/omsync/omsync/schema"
)

// maxCounted is how many rows that wait are counted of each peer.
const maxCounted = 1_000_000

// Of returns what a node, which is loaded, tells its parent of itself; version is omsync's.
func Of(ctx context.Context, n *node.Node, version string) (*batch.Health, error) {
	now := time.Now()
	_, zone := now.Zone()
	h := &batch.Health{Version: version, Zone: int64(zone / 60)}
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		rows, err := journal.CountWaitingUpTo(ctx, n.DB, p.ID, maxCounted)
		if err != nil {
			return nil, err
		}
		h.Waiting += uint64(rows)
	}
	open, _, err := conflicts.CountOpen(ctx, n.DB, n.Journal, now.Add(-n.ConflictsOpen()))
	if err != nil {
		return nil, err
	}
	h.Conflicts = uint64(open)
	if free, ok := disk.Free(n.Home); ok {
		h.Free = max(free, 1) // 0: not known
	}
	if r := backup.ReadRecord(n.Home); r != nil {
		h.Backup = r.Made.Unix()
	}
	h.Application = openMRS(ctx, n.DB, n.Journal.Catalogue)
	return h, nil
}

// changes is the table in which Liquibase notes what it did, among it the files of OpenMRS's releases, as in
// org/openmrs/liquibase/updates/liquibase-update-to-latest-2.6.x.xml.
const changes = "liquibasechangelog"

var ofRelease = regexp.MustCompile(`liquibase-(?:update-to-latest|core-data|schema-only)-(\d{1,4})\.(\d{1,4})\.x\.xml$`)

// openMRS returns the release of OpenMRS to which the database was last brought, such as 2.6.x; "" if it is not known: before OpenMRS 2.0
// nothing in the database says so.
func openMRS(ctx context.Context, q sqldb.DB, cat *schema.Catalogue) string {
	if !slices.ContainsFunc(cat.Tables, func(t *schema.Table) bool { return strings.EqualFold(t.Name, changes) }) {
		return ""
	}
	var major, minor int
	err := sqldb.Each(ctx, q, "SELECT DISTINCT FILENAME FROM "+changes+" WHERE FILENAME LIKE '%liquibase-%.x.xml'", func(r []sql.RawBytes) error {
		if m := ofRelease.FindSubmatch(r[0]); m != nil {
			a, _ := strconv.Atoi(string(m[1]))
			b, _ := strconv.Atoi(string(m[2]))
			if a > major || a == major && b > minor {
				major, minor = a, b
			}
		}
		return nil
	})
	if err != nil || major == 0 { // omsync's account need not read this table
		return ""
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor) + ".x"
}

// Exchange returns the node as package exchange wants it, which tells its parent of itself.
func Exchange(n *node.Node, version string) *exchange.Node {
	x := n.Exchange()
	x.Health = func(ctx context.Context) (*batch.Health, error) { return Of(ctx, n, version) }
	return x
}
