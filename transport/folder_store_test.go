package transport_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/storetest"
)

// planted is a folder into which other programs write, too.
type planted struct{ *transport.Folder }

func (p planted) Plant(t *testing.T, name string, content []byte) bool {
	path := filepath.Join(p.Path(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	return os.WriteFile(path, content, 0o666) == nil
}

func openPlanted(t *testing.T, path string) planted {
	t.Helper()
	f, err := transport.OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return planted{f}
}

func TestFolderIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) transport.Store { return openPlanted(t, t.TempDir()) })
}
