//go:build unix

package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/dbtest"
)

// dumps measures what a plain dump of the same rows takes, beside omsync's load: it is written through zstd at two levels and age, and read into
// an empty database, and returns the seconds of the latter with that database's DSN. from is a database; no omsync table is in the dump. 0:
// there is no mariadb-dump or zstd.
func (x *bench) dumps(server *dbtest.ServerInfo, from string, rows int) (restored float64, dsn string) {
	b := x.b
	b.Helper()
	for _, tool := range []string{"mariadb-dump", "mariadb", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Logf("not compared with a dump: %v", err)
			return 0, ""
		}
	}
	connect := clientOptions(b, server.DSN)
	dump := append([]string{"mariadb-dump"}, connect...)
	dump = append(dump, "--single-transaction", "--skip-triggers")
	found, err := server.Open(b, from).QueryContext(b.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE 'omsync\\_%'", from)
	if err != nil {
		b.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			b.Fatal(err)
		}
		dump = append(dump, "--ignore-table="+from+"."+name)
	}
	if err := found.Err(); err != nil {
		b.Fatal(err)
	}
	dump = append(dump, from)
	plain := filepath.Join(x.dir, "dump.sql")
	x.pipe(nil, plain, dump)
	encrypt := x.age()
	for _, level := range []string{"-3", "-9"} {
		packed := plain + level + ".zst"
		took := x.pipe(nil, packed, append([][]string{dump, {"zstd", "-q", level, "-c"}}, encrypt...)...)
		b.ReportMetric(took.Seconds(), "dump-zstd"+level+"-s")
		if info, err := os.Stat(packed); err == nil {
			b.ReportMetric(float64(info.Size())/float64(rows), "dump-zstd"+level+"-bytes/row")
		}
	}
	empty, dsn := server.Database(b)
	in, err := os.Open(plain)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	took := x.pipe(in, "", append(append([]string{"mariadb"}, connect...), empty))
	b.ReportMetric(took.Seconds(), "restore-s")
	x.mydumper(server, empty, connect)
	return took.Seconds(), dsn
}

// age is the command that encrypts a dump as a batch is encrypted; none where it is not installed.
func (x *bench) age() [][]string {
	for _, tool := range []string{"age", "age-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			x.b.Logf("dumps are not encrypted: %v", err)
			return nil
		}
	}
	key := filepath.Join(x.dir, "age.key")
	x.pipe(nil, "", []string{"age-keygen", "-o", key})
	return [][]string{{"age", "--encrypt", "--identity", key}}
}

// mydumper measures mydumper and myloader on a database, where they are installed, with two threads each.
func (x *bench) mydumper(server *dbtest.ServerInfo, from string, connect []string) {
	b := x.b
	for _, tool := range []string{"mydumper", "myloader"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Logf("not compared with mydumper: %v", err)
			return
		}
	}
	connect = slices.DeleteFunc(slices.Clone(connect), func(option string) bool {
		return option == "--no-defaults" || option == "--password=" || option == "--protocol=tcp"
	})
	dir := filepath.Join(x.dir, "mydumper")
	took := x.pipe(nil, "", append(append([]string{"mydumper"}, connect...), "--threads=2", "--compress", "--database="+from, "--outputdir="+dir))
	b.ReportMetric(took.Seconds(), "mydumper-s")
	into, _ := server.Database(b)
	took = x.pipe(nil, "", append(append([]string{"myloader"}, connect...), "--threads=2", "--overwrite-tables", "--database="+into, "--directory="+dir))
	b.ReportMetric(took.Seconds(), "myloader-s")
}

// clientOptions are what a client of the server is told to reach it.
func clientOptions(b *testing.B, dsn string) []string {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		b.Fatal(err)
	}
	options := []string{"--no-defaults", "--user=" + c.User, "--password=" + c.Passwd}
	if c.Net == "unix" {
		return append(options, "--socket="+c.Addr)
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		b.Fatal(err)
	}
	return append(options, "--protocol=tcp", "--host="+host, "--port="+port)
}

// pipe runs commands one behind the other, and returns how long that took. out is a file; "": what they print is dropped.
func (x *bench) pipe(in io.Reader, out string, commands ...[]string) time.Duration {
	x.b.Helper()
	var cmds []*exec.Cmd
	var errs bytes.Buffer
	for i, c := range commands {
		cmd := exec.Command(c[0], c[1:]...)
		cmd.Stdin = in
		if i > 0 {
			before, err := cmds[i-1].StdoutPipe()
			if err != nil {
				x.b.Fatal(err)
			}
			cmd.Stdin = before
		}
		cmds = append(cmds, cmd)
	}
	if out != "" {
		f, err := os.Create(out)
		if err != nil {
			x.b.Fatal(err)
		}
		defer f.Close()
		cmds[len(cmds)-1].Stdout = f
	}
	cmds[len(cmds)-1].Stderr = &errs
	start := time.Now()
	for _, cmd := range cmds {
		if err := cmd.Start(); err != nil {
			x.b.Fatal(err)
		}
	}
	for i := len(cmds) - 1; i >= 0; i-- {
		if err := cmds[i].Wait(); err != nil {
			x.b.Fatalf("%v: %v\n%s", cmds[i].Args, err, errs.String())
		}
	}
	return time.Since(start)
}
