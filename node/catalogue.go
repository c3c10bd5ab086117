package node

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/schema"
)

// catalogueName is the file that keeps what the server said of its tables. To ask takes a server longer than all else of a small exchange, and it hardly
// ever says another thing. A file that is missing, damaged, another program's or another database's says nothing: then the server is asked.
const catalogueName = "catalogue"

// kept is what is in it, after four bytes of a CRC-32.
type kept struct {
	Asked   string         // what was asked: see [schema.Questions]
	Moment  capture.Moment // before it was
	Answers *schema.Answers
}

// keptCatalogue is readCatalogue for a command that has looked ahead: it does not ask the server what it said last time, where it was told nothing since that could
// change it.
func (n *Node) keptCatalogue(ctx context.Context, p *schema.Profile) (*schema.Catalogue, error) {
	if n.ahead == nil {
		return n.readCatalogue(ctx, p)
	}
	k := n.readKept()
	now := n.ahead.Moment()
	if k == nil || !k.Moment.Holds(now.Server, now.At) {
		answers, err := schema.Ask(ctx, n.DB, n.Database)
		if err != nil {
			return nil, err
		}
		k = &kept{Asked: schema.Questions(), Moment: now, Answers: answers}
		if err := n.keep(k); err != nil {
			return nil, err
		}
	}
	cat, err := schema.Build(k.Answers, p)
	if err != nil {
		return nil, err
	}
	return cat, n.CheckTables(cat)
}

// readKept returns what the file says of the database; nil: nothing.
func (n *Node) readKept() *kept {
	content, err := os.ReadFile(filepath.Join(n.Home, catalogueName))
	if err != nil || len(content) < crc32.Size || !bytes.Equal(content[:crc32.Size], sum(content[crc32.Size:])) {
		return nil
	}
	k := &kept{}
	if gob.NewDecoder(bytes.NewReader(content[crc32.Size:])).Decode(k) != nil || k.Asked != schema.Questions() || k.Answers == nil || k.Answers.Database != n.Database {
		return nil
	}
	return k
}

// keep writes the file; where the server does not say how far it has come, there is nothing to keep.
func (n *Node) keep(k *kept) error {
	if !k.Moment.Holds(k.Moment.Server, k.Moment.At) {
		return nil
	}
	b := bytes.NewBuffer(make([]byte, crc32.Size))
	if err := gob.NewEncoder(b).Encode(k); err != nil {
		return fmt.Errorf("keep what the server said of its tables: %w", err)
	}
	copy(b.Bytes(), sum(b.Bytes()[crc32.Size:]))
	if err := durable.Write(filepath.Join(n.Home, catalogueName), b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("keep what the server said of its tables: %w", err)
	}
	return nil
}

func sum(b []byte) []byte {
	h := crc32.NewIEEE()
	h.Write(b)
	return h.Sum(nil)
}
