package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

func (p *pair) count(node string) int {
	var n int
	if err := p.db[node].QueryRow("SELECT COUNT(*) FROM visit").Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// stored finds out which files of a node are known whole to the hub, with their sizes: those that it made or took in.
func (p *pair) stored(node string) map[string]int64 {
	lines := regexp.MustCompile(`msg="upload stored" node=kisumu name=(\S+) size=(\d+)`)
	if node == "hub" {
		lines = regexp.MustCompile(`msg=exported peer=kisumu file=(\S+) .*bytes=(\d+)`)
	}
	out := map[string]int64{}
	for _, m := range lines.FindAllStringSubmatch(p.log(), -1) {
		size, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		out[m[1]] = size
	}
	return out
}

// largest is the largest file of a node.
func (p *pair) largest(node string) string {
	name, files := "", p.stored(node)
	for n, size := range files {
		if name == "" || size > files[name] {
			name = n
		}
	}
	return name
}

// sent reports whether the clinic knows that the hub has a file, which the hub has stored: it has said so, or, if it was killed before it
// could, the file has left its outbox.
func (p *pair) sent(name string) bool {
	if name == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(p.home["kisumu"], "outbox", "hub", name))
	return bytes.Contains(p.said.Bytes(), []byte("sent "+name+" over ")) || errors.Is(err, fs.ErrNotExist)
}

// same compares the databases.
func (p *pair) same() {
	p.t.Helper()
	content := func(node string) string {
		var out strings.Builder
		for _, q := range []string{"SELECT uuid, name, '' FROM site ORDER BY uuid",
			"SELECT v.uuid, s.uuid, v.note FROM visit v JOIN site s ON s.id = v.site_id ORDER BY v.uuid"} {
			rows, err := p.db[node].Query(q)
			if err != nil {
				p.t.Fatal(err)
			}
			for rows.Next() {
				var a, b, c string
				if err := rows.Scan(&a, &b, &c); err != nil {
					p.t.Fatal(err)
				}
				fmt.Fprintf(&out, "%s %s %x\n", a, b, sha256.Sum256([]byte(c))) // not every server has MD5()
			}
			if err := rows.Err(); err != nil {
				p.t.Fatal(err)
			}
			rows.Close()
		}
		return out.String()
	}
	hub, clinic := content("hub"), content("kisumu")
	if hub != clinic {
		p.t.Errorf("the databases differ; hub:\n%s\nclinic:\n%s", hub, clinic)
	}
	if n := strings.Count(hub, "\n"); n != p.rows+1 || !strings.Contains(hub, "s1 renamed") {
		p.t.Errorf("there are %d rows, want %d", n, p.rows+1)
	}
}

// clean sees that no file waits anywhere, and that nothing half done is left.
func (p *pair) clean() {
	p.t.Helper()
	for node, home := range p.home {
		for _, folder := range []string{"inbox", "outbox", "uploads"} {
			err := filepath.WalkDir(filepath.Join(home, folder), func(path string, e fs.DirEntry, err error) error {
				if err == nil && !e.IsDir() && filepath.Base(filepath.Dir(path)) != "done" {
					p.t.Errorf("%s has %s left", node, strings.TrimPrefix(path, home))
				}
				return err
			})
			if err != nil && !os.IsNotExist(err) {
				p.t.Error(err)
			}
		}
	}
}

// onceOnly sees that no file was applied twice at either side.
func (p *pair) onceOnly() {
	p.t.Helper()
	for node, m := range map[string][][]string{
		"hub":    regexp.MustCompile(`msg=imported peer=kisumu file=(\S+) outcome=applied`).FindAllStringSubmatch(p.log(), -1),
		"kisumu": regexp.MustCompile(`(?m)^(\S+\.omsync): applied, `).FindAllStringSubmatch(p.said.String(), -1),
	} {
		times := map[string]int{}
		for _, file := range m {
			if times[file[1]]++; times[file[1]] == 2 {
				p.t.Errorf("%s applied %s twice", node, file[1])
			}
		}
		if len(times) == 0 {
			p.t.Errorf("%s applied nothing", node)
		}
	}
}

// secrets sees that nothing of the rows is in what the nodes print.
func (p *pair) secrets() {
	p.t.Helper()
	all := p.log() + p.said.String()
	for _, text := range append([]string{"Achieng", "Okoth", "renamed"}, p.texts...) {
		if strings.Contains(all, text) {
			p.t.Errorf("%q of a row was printed", text)
		}
	}
	for _, bad := range []string{"level=ERROR", "panic"} {
		if strings.Contains(all, bad) {
			p.t.Errorf("there is a %q in the log", bad)
		}
	}
}
