package tlspin_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/omsync/omsync/transport/web/tlspin"
)

func TestCertificateMadeTwiceAtOnce(t *testing.T) {
	dir := t.TempDir()
	pins := make([]string, 8)
	var wg sync.WaitGroup
	for i := range pins {
		wg.Go(func() {
			var err error
			if _, pins[i], err = tlspin.Certificate(dir, []string{"hub"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range pins {
		if p != pins[0] {
			t.Errorf("pins %q", pins)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
	os.Remove(filepath.Join(dir, "tls.key"))
	if _, _, err := tlspin.Certificate(dir, nil); err == nil {
		t.Error("a certificate without its key is replaced")
	}
}
