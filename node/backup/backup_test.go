package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node/config"
)

// home makes a home folder with keys.
func home(t *testing.T, node string) (*config.Config, *keys.Identity) {
	t.Helper()
	c := &config.Config{Node: node, DSN: "omsync@unix(/none)/openmrs", PasswordFile: "/etc/omsync-password", Home: filepath.Join(t.TempDir(), "home")}
	id, err := keys.Create(c.Home, node, keys.X25519)
	if err == nil {
		err = c.Write()
	}
	for name, mode := range map[string]fs.FileMode{"tls/tls.key": 0o600, "hooks/after": 0o700, "uuids.jsonl": 0o644, "lock": 0o600, "inbox/a.omsync": 0o600, "outbox/hub/b.omsync": 0o600,
		"aside/c": 0o600, ".links.json.new": 0o600, "peers/stale.card": 0o600} {
		path := filepath.Join(c.Home, name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, []byte(name), mode)
		}
	}
	if err == nil {
		err = os.Symlink("/etc/passwd", filepath.Join(c.Home, "link"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, id
}

// tree lists what a folder holds, with modes.
func tree(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		name, _ := filepath.Rel(dir, p)
		out = append(out, filepath.ToSlash(name)+" "+info.Mode().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBackup(t *testing.T) {
	c, id := home(t, "kisumu")
	var b bytes.Buffer
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	said, err := Write(&b, c, id, []Peer{{"hub", "parent", []byte("a card")}}, now)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(said.Left, []string{"link"}) || !slices.Equal(said.Outside, []string{"/etc/omsync-password"}) {
		t.Errorf("%+v", said)
	}
	to := filepath.Join(t.TempDir(), "a", "b")
	done, err := Restore(bytes.NewReader(b.Bytes()), to, id.Card().Fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"hooks/after -rwx------", "kisumu.identity.age.txt -rw-------", "kisumu.signing.pem -rw-------", "omsync.toml -rw-------", "peers/hub.card -rw-------", "tls/tls.key -rw-------", "uuids.jsonl -rw-r--r--"}
	if got := tree(t, to); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if done.Node != "kisumu" || !done.Made.Equal(now) || done.Put != len(want) || len(done.Kept) > 0 || len(done.Peers) != 1 || !slices.Equal(done.Outside, said.Outside) {
		t.Errorf("%+v", done)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) != 1 {
		t.Errorf("beside the home folder: %v, %v", left, err)
	}
	// Again: nothing is there to be done. What a run wrote since stays, and what is lost comes.
	if err := errors.Join(os.WriteFile(filepath.Join(to, "uuids.jsonl"), []byte("newer"), 0o600), os.Remove(filepath.Join(to, "kisumu.signing.pem"))); err != nil {
		t.Fatal(err)
	}
	done, err = Restore(bytes.NewReader(b.Bytes()), to, "")
	if err != nil || done.Put != 1 || !slices.Equal(done.Kept, []string{"uuids.jsonl"}) {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := keys.Load(to, "kisumu"); err != nil {
		t.Error(err)
	}
	// Another node's folder, one with other keys, another fingerprint.
	other, _ := home(t, "migori")
	again, _ := home(t, "kisumu")
	for _, dir := range []string{other.Home, again.Home} {
		before := tree(t, dir)
		if _, err := Restore(bytes.NewReader(b.Bytes()), dir, ""); err == nil || !strings.Contains(err.Error(), "holds keys that the backup does not") || !slices.Equal(tree(t, dir), before) {
			t.Errorf("%v", err)
		}
	}
	if _, err := Restore(bytes.NewReader(b.Bytes()), filepath.Join(t.TempDir(), "x"), "11111"); err == nil || !strings.Contains(err.Error(), id.Card().Fingerprint()) {
		t.Errorf("another fingerprint: %v", err)
	}
}

// The record of a backup counts until something changes that nobody can make again.
func TestRecord(t *testing.T) {
	c, _ := home(t, "kisumu")
	if r := ReadRecord(c.Home); r != nil {
		t.Errorf("%+v", r)
	}
	if err := SaveRecord(c, time.Now()); err != nil {
		t.Fatal(err)
	}
	r := ReadRecord(c.Home)
	if now, err := Digest(c); err != nil || r == nil || r.Digest != now {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := c.AddLink(config.Link{URL: "https://hub", Peer: "hub", Pin: "x"}, false); err != nil {
		t.Fatal(err)
	}
	if now, err := Digest(c); err != nil || r.Digest == now {
		t.Errorf("the configuration changed, and the record still counts, %v", err)
	}
}

// entry is one of a file that somebody else made.
type entry struct {
	h    tar.Header
	text string
}

func forgeFile(t *testing.T, manifest any, entries ...entry) []byte {
	t.Helper()
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range append([]entry{{tar.Header{Name: manifestName, Mode: 0o600}, string(text)}}, entries...) {
		if e.h.Name == "" { // blocks as they are
			err := w.Flush()
			if err == nil {
				_, err = io.WriteString(z, e.text)
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		e.h.Size = int64(len(e.text))
		if err := w.WriteHeader(&e.h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// block returns a header as GNU tar writes it, which the package tar writes for no sparse file, and what follows it. fields are by place.
func block(kind byte, name, content string, fields map[int]string) string {
	b := make([]byte, 512)
	copy(b, name)
	for at, s := range fields {
		copy(b[at:], s)
	}
	copy(b[100:], "0000600\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00", len(content)))
	copy(b[148:], "        ")
	b[156] = kind
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(b) + content + strings.Repeat("\x00", (512-len(content)%512)%512)
}

// record is one of PAX, of 10 to 99 bytes.
func record(key, value string) string {
	return fmt.Sprintf("%d %s=%s\n", len(key)+len(value)+5, key, value)
}

// What no omsync wrote puts nothing anywhere.
func TestHostile(t *testing.T) {
	c, id := home(t, "kisumu")
	var needed []entry // without which no backup is whole
	identity, signing := keys.Files(c.Home, c.Node)
	for _, path := range []string{filepath.Join(c.Home, config.Name), identity, signing} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		needed = append(needed, entry{tar.Header{Name: filepath.Base(path), Mode: 0o600}, string(text)})
	}
	good := Manifest{Version: 1, Node: "kisumu", Fingerprint: id.Card().Fingerprint()}
	file := func(name, text string) entry { return entry{tar.Header{Name: name, Mode: 0o600}, text} }
	newer := good
	newer.Version = 2
	stranger := good
	stranger.Peers = []Peer{{Name: "../../x", Role: "parent"}}
	many := make([]entry, maxEntries+1)
	for i := range many {
		many[i] = entry{tar.Header{Name: "d/", Typeflag: tar.TypeDir}, ""}
		many[i].h.Name = "d" + strings.Repeat("x", i%20) + string(rune('a'+i/20%26)) + string(rune('a'+i/520)) + "/"
	}
	other, another := good, keys.Card{Name: "kisumu"}
	other.Fingerprint = another.Fingerprint()
	forge := func(t *testing.T, manifest any, entries ...entry) []byte {
		return forgeFile(t, manifest, append(slices.Clone(needed), entries...)...)
	}
	whole := forge(t, good, file("a", "b"))
	if _, err := Restore(bytes.NewReader(whole), filepath.Join(t.TempDir(), "home"), ""); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing":                 nil,
		"no gzip":                 []byte("hello"),
		"no manifest":             forge(t, "x"),
		"cut short":               whole[:len(whole)-9],
		"something behind it":     append(slices.Clone(whole), 'x'),
		"a newer form":            forge(t, newer),
		"a peer with a path":      forge(t, stranger),
		"a path out of it":        forge(t, good, file("../evil", "x")),
		"an absolute path":        forge(t, good, file("/evil", "x")),
		"a path of Windows":       forge(t, good, file(`a\..\evil`, "x")),
		"a link":                  forge(t, good, entry{tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, ""}),
		"a link and a file in it": forge(t, good, entry{tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: ".."}, ""}, file("l/evil", "x")),
		"a link to a file":        forge(t, good, file("a", "x"), entry{tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "a"}, ""}),
		"a sparse file": forge(t, good, entry{text: block('S', "s", "x", map[int]string{257: "ustar  \x00", 386: "00000000000\x0000000000001\x00",
			483: fmt.Sprintf("%011o\x00", maxFile)})}),
		"a sparse file of PAX": forge(t, good, entry{text: block('x', "p", record("GNU.sparse.size", "1000000")+record("GNU.sparse.numblocks", "1")+record("GNU.sparse.map", "0,1"),
			map[int]string{257: "ustar\x0000"}) + block('0', "s", "x", map[int]string{257: "ustar\x0000"})}),
		"a device":              forge(t, good, entry{tar.Header{Name: "d", Typeflag: tar.TypeChar}, ""}),
		"a file twice":          forge(t, good, file("a", "x"), file("a", "y")),
		"too deep":              forge(t, good, file("a/b/c/d/e/evil", "x")),
		"a lock":                forge(t, good, file("lock", "x")),
		"another file of peers": forge(t, good, entry{tar.Header{Name: "peers/", Typeflag: tar.TypeDir}, ""}, file("peers/x", "x")),
		"too many":              forge(t, good, many...),
		"too long":              forge(t, good, file("big", strings.Repeat("\x00", maxFile+1))),
		"no configuration":      forgeFile(t, good, needed[1:]...),
		"no keys":               forgeFile(t, good, needed[0]),
		"another node's keys":   forge(t, other),
	} {
		dir := t.TempDir()
		if _, err := Restore(bytes.NewReader(b), filepath.Join(dir, "home"), ""); err == nil {
			t.Errorf("%s: it is put back", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: it left %v", name, left)
		}
		if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "evil")); err == nil {
			t.Errorf("%s: it wrote outside", name)
		}
	}
}

// What a home folder may hold can be put back, and nothing leads out of it.
func TestEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a./\\:]{0,12}`).Draw(t, "name")
		err := checkEntry(name, 0, 0)
		if err == nil && !filepath.IsLocal(name) {
			t.Fatalf("%q is taken", name)
		}
	})
	for _, c := range []struct {
		name          string
		backup, there bool
		equal         bool
		want          fate
		says          string
	}{
		{"omsync.toml", true, false, false, put, "it is not there"},
		{"omsync.toml", true, true, true, same, "it is there"},
		{"omsync.toml", true, true, false, differ, "another is there"},
		{"a.signing.pem", true, false, false, put, "a key that is lost"},
		{"a.signing.pem", true, true, true, same, "the same key"},
		{"a.signing.pem", true, true, false, refuse, "another key of this name"},
		{"b.identity.age.txt", false, true, false, refuse, "another node's key"},
		{"links.json", false, true, false, same, "a file of a run since"},
	} {
		if got := decide(c.name, c.backup, c.there, c.equal); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.name, c.says, got, c.want)
		}
	}
}

func TestMutants(t *testing.T) {
	mutation.Check(t, "^(TestEntries|TestHostile|TestBackup)$",
		mutation.Mutant{Rule: "nothing leads out of the folder", File: "rules.go", Old: `!fs.ValidPath(name) || name == "."`, New: `name == "."`},
		mutation.Mutant{Rule: "no links, no devices", File: "rules.go", Old: "!mode.IsRegular() && !mode.IsDir()", New: "false"},
		mutation.Mutant{Rule: "no sparse files of GNU, no hard links", File: "restore.go", Old: "return h.Typeflag != tar.TypeGNUSparse && h.Typeflag != tar.TypeLink", New: "return true"},
		mutation.Mutant{Rule: "no sparse files of PAX", File: "restore.go", Old: `strings.HasPrefix(key, "GNU.sparse.")`, New: `strings.HasPrefix(key, "-")`},
		mutation.Mutant{Rule: "a file is bounded", File: "rules.go", Old: "size < 0 || size > maxFile", New: "size < 0"},
		mutation.Mutant{Rule: "other keys are not written over", File: "rules.go", Old: "case isKey(name):\n\t\treturn refuse", New: "case false:\n\t\treturn refuse"},
		mutation.Mutant{Rule: "nothing is written over", File: "rules.go", Old: "	return differ", New: "	return put"},
		mutation.Mutant{Rule: "a file is whole", File: "restore.go", Old: "io.Copy(io.Discard, bounded)", New: "io.Copy(io.Discard, bytes.NewReader(nil))"},
		mutation.Mutant{Rule: "the keys are the node's", File: "restore.go", Old: "c.Node != m.Node || id.Card().Fingerprint() != m.Fingerprint", New: "c.Node != m.Node || id == nil"},
	)
}
