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
)

// dump measures what plain dumps of a database take, through zstd at two levels and age, beside omsync's export; no omsync table is in them. It returns the
// name of one that is not packed. "": there is no mariadb-dump or zstd.
func (x *bench) dump(from string, rows int) string {
	b := x.b
	b.Helper()
	for _, tool := range []string{"mariadb-dump", "mariadb", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Logf("not compared with a dump: %v", err)
			return ""
		}
	}
	dump := append([]string{"mariadb-dump"}, clientOptions(b, x.server.DSN)...)
	dump = append(dump, "--single-transaction", "--skip-triggers")
	found, err := x.server.Open(b, from).QueryContext(b.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE 'omsync\\_%'", from)
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
		x.figure("dump-zstd"+level+"-s", took.Seconds())
		if info, err := os.Stat(packed); err == nil {
			x.figure("dump-zstd"+level+"-bytes/row", float64(info.Size())/float64(rows))
		}
	}
	return plain
}

// restore measures how long a dump, if there is one, takes to be read into an empty database. It keeps that of the first round.
func (x *bench) restore(dump string, round int) {
	if dump == "" {
		return
	}
	b := x.b
	b.Helper()
	connect := clientOptions(b, x.server.DSN)
	empty, dsn := x.server.Database(b)
	in, err := os.Open(dump)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	x.figure("restore-s", x.pipe(in, "", append(append([]string{"mariadb"}, connect...), empty)).Seconds())
	if round > 0 {
		x.drop(empty)
		return
	}
	x.restored = dsn
	x.mydumper(empty, connect)
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
	if _, err := os.Stat(key); err != nil {
		x.pipe(nil, "", []string{"age-keygen", "-o", key})
	}
	return [][]string{{"age", "--encrypt", "--identity", key}}
}

// mydumper measures mydumper and myloader on a database, where they are installed, with two threads each.
func (x *bench) mydumper(from string, connect []string) {
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
	x.figure("mydumper-s", took.Seconds())
	into, _ := x.server.Database(b)
	took = x.pipe(nil, "", append(append([]string{"myloader"}, connect...), "--threads=2", "--overwrite-tables", "--database="+into, "--directory="+dir))
	x.figure("myloader-s", took.Seconds())
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
