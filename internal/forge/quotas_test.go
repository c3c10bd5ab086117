package forge_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/forge"
)

// next makes the next file go on where the last one ended, as the files of an honest clinic do.
func (w *network) next() {
	h := w.forger.Header
	h.Base, h.Chain = h.Upto, nil
	h.Upto = batch.Position{Epoch: h.Upto.Epoch + 1, Token: rand.Uint64()}
	h.Time++
}

// takes has the hub take a forged file.
func (w *network) takes(t *testing.T, name string, items func(s *forge.Stream)) {
	t.Helper()
	w.attack(t, name, items, "")
	w.next()
}

// stops has the hub stop the clinic over a forged file: it says so, and status says it until a person has raised the quota.
func (w *network) stops(t *testing.T, name, quota string, items func(s *forge.Stream)) {
	t.Helper()
	w.attack(t, name, items, "kisumu is stopped, for it is over its quota of "+quota)
	if out := w.must(hub, "status").Stdout; !strings.Contains(out, "STOPPED: kisumu is stopped, for it is over its quota of "+quota) {
		t.Errorf("status says\n%s", out)
	}
}

// header changes the header of the next file, and returns what takes the change back.
func (w *network) header(change func(h *batch.Header)) (back func()) {
	was := *w.forger.Header
	change(w.forger.Header)
	return func() { *w.forger.Header = was }
}

func end(items, rows, deletions, records int) func(s *forge.Stream) {
	return func(s *forge.Stream) { s.Item(forge.End, items, rows, deletions, records) }
}

// configure gives the hub smaller quotas, so that a test reaches them soon.
func (w *network) configure(lines string) {
	path := filepath.Join(w.path(hub), "omsync.toml")
	b, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	if i := bytes.Index(b, []byte("\n[quota]\n")); i >= 0 {
		b = b[:i]
	}
	if err := os.WriteFile(path, append(b, "\n[quota]\n"+lines+"\n"...), 0o600); err != nil {
		w.Fatal(err)
	}
}

// Names of authors that nobody has heard of: so many for a lifetime, whatever fails; and what the hub has, every clinic takes.
func TestForgedAuthors(t *testing.T) {
	w := newNetwork(t)
	by := func(first, n int) func(s *forge.Stream) {
		return func(s *forge.Stream) {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprintf("forged-%d", first+i))
			}
			s.Item(site...)
			s.Item(forge.Keys, 0, 2, n, []any{[]any{forge.Int, forge.Run(uint64(1000+first), 1)}})
			s.Item(forge.Rows, 0, n, forge.Run(2, 1), nil, nil, forge.Run(3, 0), forge.Run(5, 0), []any{names, forge.Run(0, 1)}, forge.Run(w.forger.Header.Upto.Epoch, 0), []any{forge.All([]byte("by nobody"))})
			s.Item(forge.End, 3, n, 0, 0)
		}
	}
	for i := range 3 {
		w.stops(t, "too many authors", "names of authors", by(i*2000, 1001))
	}
	if n := w.one[hub]("SELECT COUNT(*) FROM omsync_node WHERE name LIKE 'forged-%'"); n != "0" {
		t.Errorf("%s names or numbers are used up", n)
	}
	w.takes(t, "as many authors as may be", by(0, 1000))
	w.stops(t, "one author more", "names of authors", by(1000, 1))
	w.takes(t, "no author more", by(0, 500))
	if n := w.one[honest]("SELECT COUNT(*) FROM omsync_node WHERE name LIKE 'forged-%'"); n != "1000" {
		t.Errorf("the honest clinic has %s of the names, want the 1000 that the hub has", n)
	}
	w.configure("authors = 6000")
	w.takes(t, "more, for a person wants it so", by(1000, 4000))
	w.takes(t, "and more", by(5000, 1000))
	w.exchange(honest)
	if n := w.one[honest]("SELECT COUNT(*) FROM omsync_node WHERE name LIKE 'forged-%'"); n != "6000" {
		t.Errorf("the honest clinic has %s of the names, want 6000", n)
	}
}

// Conflict records and deletions: so many, and of so many bytes; none with a key that would be cut.
func TestForgedRecordsAndDeletions(t *testing.T) {
	w := newNetwork(t)
	w.configure("conflicts = 500\nconflict_bytes = \"8MiB\"\ntombstones = 5000")
	records := func(first, n, bytesOfValue int) func(s *forge.Stream) {
		return func(s *forge.Stream) {
			s.Item(note...)
			s.Item(forge.Keys, 0, 2, n, []any{[]any{forge.Int, forge.Run(uint64(1000+first), 1)}})
			author := forge.Authors(thief)
			s.Item(forge.Records, 0, n, forge.Run(2, 1), forge.Authors("body"), forge.All(bytes.Repeat([]byte("x"), bytesOfValue)), nil,
				forge.Run(5, 0), author, forge.Run(6, 0), author, forge.Run(7, 0), forge.Run(w.forger.Header.Upto.Epoch, 0))
			end(3, 0, 0, n)(s)
		}
	}
	deletions := func(first, n int, key func(s *forge.Stream)) func(s *forge.Stream) {
		return func(s *forge.Stream) {
			s.Item(site...)
			if key(s); n > 0 {
				for from := 0; from < n; from += batch.MaxBlockRows {
					some := min(batch.MaxBlockRows, n-from)
					s.Item(forge.Keys, 0, 2, some, []any{[]any{forge.Int, forge.Run(uint64(1000+first+from), 1)}})
					s.Item(forge.Deletions, 0, some, forge.Run(2, 1), forge.Run(5, 0), forge.Authors(thief), forge.Run(w.forger.Header.Upto.Epoch, 0))
					s.Item(forge.Reset)
				}
				end(1+3*((n+batch.MaxBlockRows-1)/batch.MaxBlockRows), 0, n, 0)(s)
			}
		}
	}
	none := func(*forge.Stream) {}
	long := func(n int) func(s *forge.Stream) {
		return func(s *forge.Stream) {
			s.Item(forge.Table, 0, "label", "label", []any{forge.Column("name", batch.KindText, false, 0)}, []any{forge.Column("v", batch.KindText, false, 1)})
			s.Item(forge.Keys, 0, 2, 1, []any{forge.All(bytes.Repeat([]byte("k"), n))})
			author := forge.Authors(thief)
			s.Item(forge.Records, 0, 1, forge.Run(2, 0), forge.Authors("v"), forge.All([]byte("lost")), nil,
				forge.Run(5, 0), author, forge.Run(6, 0), author, forge.Run(7, 0), forge.Run(w.forger.Header.Upto.Epoch, 0))
			end(3, 0, 0, 1)(s)
		}
	}
	w.attack(t, "a record with a key of 70 KB", long(70_000), excess)
	w.takes(t, "a record with the longest key", long(batch.MaxKey))
	w.stops(t, "records of 1 MB", "bytes of conflict records", records(0, 9, 1<<20))
	w.takes(t, "a few records of 1 MB", records(0, 7, 1<<20))
	w.takes(t, "the same again", records(0, 7, 1<<20))
	w.stops(t, "one more", "bytes of conflict records", records(10, 1, 1<<20))
	w.stops(t, "very many small records", "conflict records", records(100, 500, 1))
	w.takes(t, "as many records as may be", records(100, 492, 1))
	w.stops(t, "one record more", "conflict records", records(1000, 1, 1))
	if n := w.one[honest]("SELECT CONCAT(COUNT(*), ' of ', SUM(LENGTH(value)) >> 20, ' MiB') FROM omsync_conflict"); n != "500 of 7 MiB" {
		t.Errorf("the honest clinic has %s records", n)
	}
	// Half a million deletions, as a file of a clinic may have.
	w.stops(t, "500,000 deletions", "deletions of rows never seen here", deletions(0, 500_000, none))
	w.takes(t, "as many deletions as may be", deletions(0, 5000, none))
	w.takes(t, "the same deletions again", deletions(0, 5000, none))
	w.stops(t, "one deletion more", "deletions of rows never seen here", deletions(5000, 1, none))
	if n := w.one[honest]("SELECT COUNT(*) FROM omsync_tombstone"); n != "5000" {
		t.Errorf("the honest clinic has %s deletions, want 5000", n)
	}
}

// Headers that make this node or others begin anew, and lists of histories that nobody had.
func TestForgedHistories(t *testing.T) {
	w := newNetwork(t)
	w.configure("new_histories = 3\nrestores = 4")
	empty := end(0, 0, 0, 0)
	history := "SELECT CONCAT(history, ' ', LENGTH(earlier)) FROM omsync_node WHERE id = 1"
	falseAck := func(h *batch.Header) {
		fmt.Sscan(w.one[hub]("SELECT history FROM omsync_node WHERE id = 1"), &h.AckHistory)
		h.Ack = batch.Position{Epoch: 1 << 40, Token: 7}
	}
	for i := range 3 {
		before := w.one[hub](history)
		back := w.header(falseAck)
		w.attack(t, fmt.Sprint("false acknowledgement ", i), empty, "")
		back()
		w.next()
		if after := w.one[hub](history); after == before {
			t.Errorf("the attack does nothing: %s", after)
		}
	}
	before := w.one[hub](history)
	back := w.header(falseAck)
	w.stops(t, "one false acknowledgement more", "new histories that it made this node begin", empty)
	back()
	if after := w.one[hub](history); after != before {
		t.Errorf("a new history began: %s, before %s", after, before)
	}
	link := "SELECT LENGTH(link) FROM omsync_peer WHERE name = 'kisumu'"
	anew := func(earlier int) func(h *batch.Header) {
		return func(h *batch.Header) {
			h.Earlier = append(h.Earlier, h.History)
			h.History = rand.Uint64()
			for range earlier {
				h.Earlier = append(h.Earlier, rand.Uint64())
			}
			h.Link++
		}
	}
	small := w.one[hub](link)
	back = w.header(anew(10_000))
	w.stops(t, "ten thousand earlier histories", "earlier histories in its headers", empty)
	back()
	if now := w.one[hub](link); len(now) > len(small)+1 {
		t.Errorf("the link's record has %s bytes, before %s", now, small)
	}
	for i := range 4 {
		anew(100)(w.forger.Header)
		w.forger.Header.Base = batch.Position{}
		w.attack(t, fmt.Sprint("a new history with base 0, ", i), empty, "")
		w.next()
	}
	anew(1)(w.forger.Header)
	w.forger.Header.Base = batch.Position{}
	w.stops(t, "one new history more", "times that it began anew", empty)
	w.forger.Header.History, w.forger.Header.Earlier = w.forger.Header.Earlier[0], nil
	t.Logf("the link's record has %s bytes, the hub's histories %s", w.one[hub](link), w.one[hub](history))
}

// Asking for a table again and again: it goes to who asks, and to nobody else.
func TestForgedRequests(t *testing.T) {
	w := newNetwork(t)
	for range 11 {
		w.sql[hub]("INSERT INTO site (uuid, name) SELECT UUID(), LEFT(SHA2(RAND(), 256), 40) FROM site")
	}
	w.exchange(honest)
	w.exchange(thief)
	size := func(to string) (sum int64) {
		t.Helper()
		stick := t.TempDir()
		w.must(hub, "export", "--to", stick)
		files, err := filepath.Glob(filepath.Join(stick, "hub-to-"+to+"-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			sum += info.Size()
		}
		return sum
	}
	w.must(thief, "export", "--to", w.stick("ahead"))
	var applied, token uint64
	fmt.Sscan(w.one[hub]("SELECT applied_epoch FROM omsync_peer WHERE name = 'kisumu'"), &applied)
	fmt.Sscan(w.one[thief](fmt.Sprintf("SELECT token FROM omsync_epoch WHERE id = %d", applied)), &token)
	w.forger.Header.Upto = batch.Position{Epoch: applied, Token: token}
	w.next()
	for i := range 3 {
		w.forger.Header.Requests = []string{fmt.Sprintf("site#%d", 1000+i), fmt.Sprintf("note#%d", 1000+i), fmt.Sprintf("visit#%d", 1000+i)}
		w.attack(t, fmt.Sprint("asking ", i), end(0, 0, 0, 0), "")
		w.next()
	}
	w.sql[hub]("INSERT INTO site (uuid, name) VALUES (UUID(), 'news')")
	toHonest, toThief := size(honest), size(thief)
	t.Logf("%d bytes for the honest clinic, %d for the one that asks", toHonest, toThief)
	if toHonest > 10_000 || toThief < 30_000 {
		t.Errorf("%d bytes for the honest clinic, %d for the one that asks", toHonest, toThief)
	}
}
