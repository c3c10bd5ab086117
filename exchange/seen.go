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
// lying in a folder must not count as arriving again at each import: its sender would get a header with what it knows each time,
// and a large one would be read each time for nothing. It is no more than that: whether a file is applied is the database's to
// say.
//
// The file has a digest on each line, 32 hexadecimal digits, oldest first. It needs no version: a line of another form equals no
// digest, so what another program keeps in it does no harm, and a digest that is missing costs one more reading of a file.
type seen struct {
	path    string
	digests []string // oldest first
	changed bool     // there is something to save
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

// headerDigest returns the digest of a batch by its header.
func headerDigest(h *batch.Header) string { return shortDigest(headerText(h)) }

// nameDigest returns the digest of a batch by its file's name, without the folder that it is in.
func nameDigest(name string) string { return shortDigest("name " + filepath.Base(name)) }

func shortDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// headerText returns a header as the text that its digest is made from. The text is this one for good, whatever the fields are
// called now: digests in home folders were made from it. A field that is new in headers need not be in it, for sender, link,
// positions and time already tell a batch from all others.
func headerText(h *batch.Header) string {
	position := func(p batch.Position) string { return fmt.Sprintf("{Epoch:%d Token:%d}", p.Epoch, p.Token) }
	chain := make([]string, len(h.Chain))
	for i, p := range h.Chain {
		chain[i] = position(p)
	}
	return fmt.Sprintf("{Sender:%s Receiver:%s History:%d Earlier:%d Link:%d PeerLink:%d Base:%s Upto:%s Ahead:%t Chain:%s AckHistory:%d Ack:%s"+
		" Again:%d Ask:%s Load:%d Part:%d Last:%t LoadHave:%d PartHave:%d Schema:%s Time:%d Missing:%s LoadUpto:%s}",
		h.Sender, h.Receiver, h.History, h.Earlier, h.Link, h.PeerLink, position(h.Base), position(h.Upto), h.Ahead, chain, h.AckHistory, position(h.Ack),
		h.Resent, h.Requests, h.Load, h.Part, h.Last, h.LoadHave, h.PartHave, h.Schema, h.Time, position(h.Missing), position(h.LoadUpto))
}

func (s *seen) has(h *batch.Header) bool { return slices.Contains(s.digests, headerDigest(h)) }

func (s *seen) add(h *batch.Header, name string) {
	for _, d := range []string{headerDigest(h), nameDigest(name)} {
		if !slices.Contains(s.digests, d) {
			s.digests, s.changed = append(s.digests, d), true
		}
	}
}

// applied reports whether a file was applied at an earlier run. A sender that was restored may need it again.
func (s *seen) applied(h *batch.Header, sender *journal.Peer) bool {
	return h.Upto.Epoch <= sender.Link.Applied.Epoch && s.has(h)
}

// appliedByName reports the same where a file's name is all that is known of it, and the store is the sender's own. Names tell the
// epoch they reach; no two batches of a node have the same.
func (s *seen) appliedByName(name string, sender *journal.Peer, self string) bool {
	n, err := batch.ParseFileName(name)
	return err == nil && n.Between(sender.Name, self) && n.Upto <= sender.Link.Applied.Epoch && slices.Contains(s.digests, nameDigest(name))
}

// save writes the list. Without it the files are read again, which does no harm.
func (s *seen) save() error {
	if !s.changed {
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
