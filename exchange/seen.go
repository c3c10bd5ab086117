package exchange

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/journal"
)

// maxSeen is how many digests are remembered: two of each file.
const maxSeen = 8192

// seen remembers, in the home folder, which files were applied, by digests of their headers and names. A file that goes on
// lying in a folder must not count as arriving again at each import: its sender would be told each time what it knows, and
// a large one would be read each time for nothing. It is no more than that: whether a file is applied is the database's to
// say.
type seen struct {
	path    string
	digests []string // oldest first
	added   bool
}

func readSeen(home string) (*seen, error) {
	s := &seen{path: filepath.Join(home, "seen")}
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the list of files seen: %w", err)
	}
	s.digests = strings.Fields(string(b))
	return s, nil
}

func digest(h *batch.Header) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", *h))
	return hex.EncodeToString(sum[:16])
}

// named is the digest of a file's name, without the folder that it is in.
func named(name string) string {
	sum := sha256.Sum256([]byte("name " + filepath.Base(name)))
	return hex.EncodeToString(sum[:16])
}

func (s *seen) has(h *batch.Header) bool { return slices.Contains(s.digests, digest(h)) }

func (s *seen) add(h *batch.Header, name string) {
	for _, d := range []string{digest(h), named(name)} {
		if !slices.Contains(s.digests, d) {
			s.digests, s.added = append(s.digests, d), true
		}
	}
}

// settled says whether a file was applied at an earlier run. A sender that was restored may need it again.
func (s *seen) settled(h *batch.Header, sender *journal.Peer) bool {
	return h.Upto.Epoch <= sender.Link.Applied.Epoch && s.has(h)
}

// settledName is settled where a file's name is all that is known of it, and the store is the sender's own. Names tell the
// epoch they reach; no two batches of a node have the same.
func (s *seen) settledName(name string, sender *journal.Peer, self string) bool {
	n, err := batch.ParseFileName(name)
	return err == nil && n.Between(sender.Name, self) && n.Upto <= sender.Link.Applied.Epoch && slices.Contains(s.digests, named(name))
}

// save writes the list. Without it the files are read again, which does no harm.
func (s *seen) save() error {
	if !s.added {
		return nil
	}
	var b bytes.Buffer
	for _, d := range s.digests[max(0, len(s.digests)-maxSeen):] {
		fmt.Fprintln(&b, d)
	}
	if err := durable.Write(s.path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the list of files seen: %w", err)
	}
	return nil
}
