package exchange

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

// work is what a server did for the connections of a pool: how many statements it ran, and how many rows and entries of indexes it read.
type work struct{ statements, read int64 }

// meter is a driver whose connections say at their end what the server did for them.
type meter struct {
	driver.Connector
	lock sync.Mutex
	work work
	err  error
}

func (m *meter) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := m.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &meteredConn{c.(serverConn), m}, nil
}

// serverConn is all that a connection of the MySQL driver does.
type serverConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.QueryerContext
	driver.ExecerContext
	driver.ConnBeginTx
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

type meteredConn struct {
	serverConn
	meter *meter
}

// Close adds up what the connection did, and ends it.
func (c *meteredConn) Close() error {
	err := c.count()
	c.meter.lock.Lock()
	defer c.meter.lock.Unlock()
	if c.meter.err == nil {
		c.meter.err = err
	}
	return c.serverConn.Close()
}

func (c *meteredConn) count() error {
	rows, err := c.QueryContext(context.Background(), "SHOW SESSION STATUS WHERE Variable_name = 'Questions' OR Variable_name LIKE 'Handler_read%'", nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	c.meter.lock.Lock()
	defer c.meter.lock.Unlock()
	for row := make([]driver.Value, 2); ; {
		if err := rows.Next(row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		n, err := strconv.ParseInt(fmt.Sprintf("%s", row[1]), 10, 64)
		if err != nil {
			return err
		}
		if strings.EqualFold(fmt.Sprintf("%s", row[0]), "Questions") {
			c.meter.work.statements += n
		} else {
			c.meter.work.read += n
		}
	}
}

// metered returns what the node's server does for f.
func (n *node) metered(f func()) work {
	n.t.Helper()
	connector, _, err := sqldb.Connector(n.DSN)
	if err != nil {
		n.t.Fatal(err)
	}
	m := &meter{Connector: connector}
	was := n.J.DB
	n.J.DB = sql.OpenDB(m)
	defer func() { n.J.DB = was }()
	f()
	if err := n.J.DB.Close(); err != nil || m.err != nil {
		n.t.Fatal(err, m.err)
	}
	return m.work
}

var costTables = []string{
	"CREATE TABLE place (place_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB",
	`CREATE TABLE item (item_id INT AUTO_INCREMENT PRIMARY KEY, place_id INT NULL, code VARCHAR(20) NULL, size INT NULL, uuid CHAR(38) NOT NULL UNIQUE, UNIQUE KEY code (code),
		CONSTRAINT item_place FOREIGN KEY (place_id) REFERENCES place (place_id)) ENGINE=InnoDB`,
}

// An import has the server do the same whether a thousand rows wait or many: some for a value that another row has, of which each import tries a
// few again, and others for rows that do not come, while others of their table do.
func TestImportCostsTheSameWhateverWaits(t *testing.T) {
	hub, all := treeOf(t, "none", costTables, "clinic")
	clinic := all["clinic"]
	dbtest.Exec(t, clinic.DB, "INSERT INTO item (code, uuid) VALUES ('taken', 'here')")
	dbtest.Exec(t, hub.DB, "INSERT INTO place (uuid) VALUES ('p-1')", "INSERT INTO item (code, uuid) VALUES ('taken', 'u-0'), (NULL, 'i-0')")
	clinic.deliver(hub)
	if got := clinic.One("SELECT GROUP_CONCAT(reason, ' ', row_key) FROM omsync_waiting"); got != "unique u-0" {
		t.Fatalf("there waits %s", got)
	}
	numbers := "(SELECT 0 i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	numbers = fmt.Sprintf("(SELECT a.i + 10 * b.i + 100 * c.i + 1000 * d.i AS n FROM %[1]s a, %[1]s b, %[1]s c, %[1]s d) numbers", numbers)
	round := 0
	imports := func(waiting int) work {
		round++
		const columns = "peer_id, table_id, row_key, versions, content, size, deletion, since_epoch, text, since, reason, column_name, awaited_table, awaited_key, tried_at, tries"
		const copied = "peer_id, table_id, CONCAT('%s-', n), versions, REPLACE(content, 'u-0', CONCAT('%s-', n)), size, deletion, since_epoch, text, since"
		from := fmt.Sprintf(" FROM (SELECT * FROM omsync_waiting WHERE row_key = 'u-0') one, %s WHERE n < %d", numbers, waiting/2)
		dbtest.Exec(t, clinic.DB,
			"INSERT IGNORE INTO omsync_waiting ("+columns+") SELECT "+fmt.Sprintf(copied, "u", "u")+", reason, column_name, 0, '', tried_at, tries"+from,
			"INSERT IGNORE INTO omsync_waiting ("+columns+") SELECT "+fmt.Sprintf(copied, "r", "r")+", 'reference', 'place_id', (SELECT id FROM omsync_table WHERE name = 'place'), CONCAT('far-', n), tried_at + 3600000000, tries"+from,
			"ANALYZE TABLE omsync_waiting")
		if got := clinic.One("SELECT COUNT(*) FROM omsync_waiting"); got != fmt.Sprint(waiting) {
			t.Fatalf("%s rows wait", got)
		}
		dbtest.Exec(t, hub.DB,
			fmt.Sprintf("INSERT INTO place (uuid) SELECT CONCAT('p-%d-', n) FROM %s WHERE n < 100", round, numbers),
			fmt.Sprintf("INSERT INTO item (place_id, size, uuid) SELECT (SELECT MIN(place_id) FROM place), n, CONCAT('i-%d-', n) FROM %s WHERE n < 1000", round, numbers))
		w := clinic.metered(func() { clinic.deliver(hub) })
		if got := clinic.One("SELECT CONCAT(COUNT(*), ' ', (SELECT COUNT(*) FROM omsync_waiting)) FROM item"); got != fmt.Sprint(2+1000*round, " ", waiting) {
			t.Fatalf("rows that are here, and that wait: %s", got)
		}
		if tried := clinic.One("SELECT COUNT(*) FROM omsync_waiting WHERE tries > 0"); tried == "0" {
			t.Fatal("none was tried again")
		}
		hub.deliver(clinic) // the acknowledgement: nothing is sent twice
		return w
	}
	imports(1000) // whatever a table's first rows cost
	few := imports(1000)
	many := imports(20_000)
	if few.statements == 0 || few.read < 1000 {
		t.Fatalf("%+v is not what an import does", few)
	}
	if many.statements > few.statements+2 || many.read > few.read+few.read/20 {
		t.Errorf("an import took %d statements that read %d rows where 1000 wait, and %d that read %d where 20000 do", few.statements, few.read, many.statements, many.read)
	}
	t.Logf("where 1000 wait %+v, where 20000 do %+v", few, many)
}
