package exchange

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
)

// folderSize adds up what a folder holds, hidden files included.
func folderSize(t *testing.T, dir string) (files int, bytes int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		files, bytes = files+1, bytes+info.Size()
	}
	return files, bytes
}

// sparse makes the beginning of a batch, and its end if need be, a file of a size that was never written.
func sparse(t *testing.T, from, to string, size int64, end bool) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if end {
		if _, err := f.WriteAt(b[len(b)/2:], size-int64(len(b)-len(b)/2)); err != nil {
			t.Fatal(err)
		}
	}
}

// Somebody without any key puts files of 8 GB on a stick that begin like an honest batch. Nothing of them is copied, they cost no
// time, and the honest file beside them is applied.
func TestSparseFileWithACopiedHeader(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	stick := t.TempDir()
	kisumu.write("k1", "honest")
	kisumu.sync(stick)
	honest := batches(t, stick)
	if len(honest) != 1 {
		t.Fatalf("on the stick: %v", honest)
	}
	forged := func(i string) string {
		return filepath.Join(stick, strings.Replace(honest[0], "-0000000000-", "-000000000"+i+"-", 1))
	}
	const size = 8 << 30
	sparse(t, filepath.Join(stick, honest[0]), forged("1"), size, false)
	sparse(t, filepath.Join(stick, honest[0]), forged("2"), size, true)
	began := time.Now()
	hub.sync(stick)
	took := time.Since(began)
	t.Logf("the run took %v; told %q", took, hub.told)
	if took > 5*time.Second {
		t.Errorf("the run took %v", took)
	}
	told := strings.Join(hub.told, "\n")
	if !strings.Contains(told, "applied kisumu") || strings.Count(told, "nothing but zeros") != 2 {
		t.Errorf("told %q", hub.told)
	}
	if files, bytes := folderSize(t, filepath.Join(hub.x.Home, "inbox")); files != 0 || bytes != 0 {
		t.Errorf("the inbox holds %d files of %d bytes", files, bytes)
	}
}

// boasting is a store that says that a file is huge.
type boasting struct {
	transport.Store
	file string
	size int64
}

func (b *boasting) List(ctx context.Context) ([]transport.Entry, error) {
	entries, err := b.Store.List(ctx)
	for i := range entries {
		if entries[i].Name == b.file {
			entries[i].Size = b.size
		}
	}
	return entries, err
}

// A file that the disk has no room for, or that is larger than a file may be, keeps no other out.
func TestHugeFileKeepsNobodyOut(t *testing.T) {
	hub, all := tree(t, "kisumu", "migori")
	stick := t.TempDir()
	for _, name := range []string{"kisumu", "migori"} {
		all[name].write(name, "honest")
		all[name].sync(stick)
	}
	files := batches(t, stick)
	f, err := transport.OpenFolder(stick)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, c := range []struct {
		size, most int64
		want       string
	}{
		{1 << 60, 0, "no room left"},
		{1001, 1000, "raise max_file"},
		{1 << 60, 1 << 40, "raise max_file"},
	} {
		hub.x.MaxFile = c.most
		p, err := hub.x.Pull(t.Context(), &Link{Store: &boasting{f, files[0], c.size}, Name: stick}, func(Transfer) {})
		if err != nil || len(p.Notes) != 1 || !strings.Contains(p.Notes[0].Error(), c.want) || len(p.InInbox) != 1 || p.InInbox[0] != files[1] {
			t.Errorf("%d bytes, %d at most: %+v, %v", c.size, c.most, p, err)
		}
	}
	hub.x.MaxFile = 1000
	p, err := hub.x.Pull(t.Context(), &Link{Store: f, Name: stick}, func(Transfer) {})
	if err != nil || len(p.InInbox) != 2 {
		t.Errorf("at the bound: %+v, %v", p, err)
	}
}

// counting counts how often a file was got from a store that cannot be read in place.
type counting struct {
	transport.Store
	gets int
}

func (c *counting) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	c.gets++
	return c.Store.Get(ctx, name, offset)
}

// The same without zeros: it is read where it is, once, and not copied; a good copy in its place is taken at once.
func TestDamagedFileIsNotCopied(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	stick := t.TempDir()
	kisumu.write("k1", bulk(300_000))
	kisumu.sync(stick)
	path := filepath.Join(stick, batches(t, stick)[0])
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := []byte(string(good))
	bad[len(bad)/2] ^= 1
	write := func(b []byte, age time.Duration) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(bad, time.Hour)
	f, err := transport.OpenFolder(stick)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	counted := &counting{Store: f}
	for i := range 2 {
		p, err := hub.x.Pull(t.Context(), &Link{Store: counted, Name: stick}, func(Transfer) { t.Error("it was taken") })
		if err != nil || len(p.Notes) != 1 {
			t.Fatalf("pull %d: %v, %v", i, p.Notes, err)
		}
	}
	p, err := hub.x.Pull(t.Context(), &Link{Store: f, Name: stick}, func(Transfer) { t.Error("it was taken") })
	if err != nil || len(p.Notes) != 1 {
		t.Fatalf("pull in place: %v, %v", p, err)
	}
	if files, _ := folderSize(t, filepath.Join(hub.x.Home, "inbox")); files != 0 {
		t.Errorf("%d files stay in the inbox", files)
	}
	if counted.gets != 3 {
		t.Errorf("what cannot be read in place was asked for %d times, not for its header twice and whole once", counted.gets)
	}
	write(good, 0)
	hub.sync(stick)
	if !strings.Contains(strings.Join(hub.told, "\n"), "applied kisumu") {
		t.Errorf("told %q", hub.told)
	}
}
