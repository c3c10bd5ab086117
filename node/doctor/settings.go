package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
)

// minPacket is the max_allowed_packet, in bytes, below which rows that OpenMRS writes today may not fit into a statement tomorrow.
const minPacket = 16 << 20

// settingNames are the server's variables that are looked at. Servers have different ones.
func settingNames() []string {
	return []string{"version", "version_comment", "read_only", "super_read_only", "innodb_read_only", "max_allowed_packet", "innodb_flush_log_at_trx_commit",
		"transaction_isolation", "tx_isolation", "innodb_native_foreign_keys", "wsrep_on", "wsrep_ready", "wsrep_cluster_size", "wsrep_cluster_address", "init_connect", "sql_mode"}
}

// settings looks at the server's version, and at what an administrator may have set for all.
func settings(ctx context.Context, x *exam) (Finding, error) {
	v := map[string]string{}
	for _, what := range []string{"VARIABLES", "STATUS"} { // the cluster's size is a status
		query := fmt.Sprintf("SHOW GLOBAL %s WHERE variable_name IN ('%s')", what, strings.Join(settingNames(), "', '"))
		err := sqldb.Each(ctx, x.DB, query, func(r []sql.RawBytes) error {
			v[strings.ToLower(string(r[0]))] = string(r[1])
			return nil
		})
		if sqldb.ErrorNumber(err) == sqldb.ErrNotPrepared { // it does not say its settings either
			return Finding{Level: Fail, What: noMajority, Do: majority}, nil
		}
		if err != nil {
			return Finding{}, fmt.Errorf("ask for the server's settings: %w", err)
		}
	}
	source := ""
	for _, statement := range []string{"SHOW REPLICA STATUS", "SHOW SLAVE STATUS"} { // one of them, for those who may ask
		sqldb.Each(ctx, x.DB, statement, func(r []sql.RawBytes) error {
			source = string(r[1])
			return nil
		})
	}
	var f found
	judgeSettings(&f, v, source)
	if err := serverClock(ctx, x, &f); err != nil {
		return Finding{}, err
	}
	mode := v["sql_mode"]
	if mode == "" {
		mode = "empty"
	}
	return f.finding(fmt.Sprintf("%s %s, sql_mode %s (omsync sets its own)", strings.TrimSpace(v["version_comment"]), v["version"], mode)), nil
}

// What is said of a cluster that has fallen apart.
const (
	noMajority = "this member of the Galera cluster takes no statements (wsrep_ready is OFF)"
	majority   = "look at the cluster: it needs a majority of its members"
)

// judgeSettings says what is wrong with a server's variables. source is the server that it is a replica of; empty: it is none, or nobody may know.
func judgeSettings(f *found, v map[string]string, source string) {
	on := func(name string) bool { return slices.Contains([]string{"ON", "1", "YES"}, strings.ToUpper(v[name])) }
	if major, minor := versionOf(v["version"]); major < 5 || major == 5 && minor < 6 {
		f.add(Fail, "the server is of version "+v["version"]+", and omsync needs MySQL 5.6 or MariaDB 10", "update the server")
	}
	if on("innodb_read_only") {
		f.add(Fail, "innodb_read_only is ON: nothing can be written", "take it out of the server's configuration and start the server anew")
	} else if on("super_read_only") || on("read_only") {
		f.add(Fail, "read_only is ON: omsync writes to this server, also to export", "SET GLOBAL read_only = OFF (and super_read_only, which MySQL has), or let the dsn name the server that OpenMRS writes to")
	}
	if source != "" {
		f.add(Warn, "this server is a replica of "+source+": triggers see nothing of what comes from there", "let the dsn name the server that OpenMRS writes to")
	}
	if on("wsrep_on") {
		if !on("wsrep_ready") {
			f.add(Fail, noMajority, majority)
		}
		if size, _ := strconv.Atoi(v["wsrep_cluster_size"]); size > 1 {
			f.add(Warn, fmt.Sprintf("a Galera cluster of %d members locks rows on one member only", size), "let all omsync commands of this node use one member, by the dsn")
		}
	}
	if n, err := strconv.ParseInt(v["max_allowed_packet"], 10, 64); err == nil && n < minPacket {
		f.add(Warn, fmt.Sprintf("max_allowed_packet is %d bytes: longer rows cannot be written", n), fmt.Sprintf("SET GLOBAL max_allowed_packet = %d, and the same in the server's configuration", 4*minPacket))
	}
	if n := v["innodb_flush_log_at_trx_commit"]; n != "" && n != "1" {
		f.add(Warn, "innodb_flush_log_at_trx_commit is "+n+": a power failure takes back what was committed, and peers then take this database for a restored one", "SET GLOBAL innodb_flush_log_at_trx_commit = 1, and the same in the server's configuration")
	}
	for _, name := range []string{"transaction_isolation", "tx_isolation"} {
		if v[name] == "SERIALIZABLE" {
			f.add(Warn, "the application's transactions are SERIALIZABLE: what it only reads waits for imports", "SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ, and the same in the server's configuration")
			break
		}
	}
	if n, there := v["innodb_native_foreign_keys"]; there && !on("innodb_native_foreign_keys") {
		f.add(Warn, "innodb_native_foreign_keys is "+n+": this server takes some references to nothing", "innodb_native_foreign_keys = ON in the server's configuration, and start it anew")
	}
	if strings.Contains(strings.ToLower(v["init_connect"]), "omsync_quiet") {
		f.add(Fail, "init_connect sets @omsync_quiet: no change of the application is noted", "SET GLOBAL init_connect = '', and the same in the server's configuration")
	}
}

// versionOf returns the first two numbers of a version.
func versionOf(version string) (major, minor int) {
	fmt.Sscanf(version, "%d.%d", &major, &minor)
	return major, minor
}

// maxClockGap is how far the clock of the server, which stamps changes, may be from the clock of this computer, which stamps the rest.
const maxClockGap = time.Minute

// serverClock compares the server's clock with this computer's.
func serverClock(ctx context.Context, x *exam, f *found) error {
	return sqldb.Each(ctx, x.DB, "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)), @@timestamp", func(r []sql.RawBytes) error {
		judgeServerClock(f, time.UnixMicro(sqldb.Int(r[0])).Sub(x.now()))
		return nil
	})
}

func judgeServerClock(f *found, ahead time.Duration) {
	if ahead.Abs() > maxClockGap {
		way := "ahead of"
		if ahead < 0 {
			way = "behind"
		}
		f.add(Warn, fmt.Sprintf("the clock of the database's server is %s %s this computer's", ahead.Abs().Round(time.Second), way), "set both by a time server (timedatectl set-ntp true)")
	}
}
