package export

import (
	"fmt"
	"strings"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// keyWriter is what a dictionary hands the keys to: the batch under way, or what hashes them for a digest.
type keyWriter interface {
	Table(batch.Table) (uint32, error)
	Keys(table uint32, parts []batch.Values) (first uint32, err error)
	ResetDict() error
	DictLen() int
	DictBytes() int
}

// keyHasher holds of each key that is taken into the dictionary its hash alone.
type keyHasher struct {
	*digest.Hasher
	catalogue *schema.Catalogue
	tables    []*schema.Table // by number
	hashes    hashes
	parts     []digest.Value
}

func (k *keyHasher) Table(t batch.Table) (uint32, error) {
	k.tables = append(k.tables, k.catalogue.Table(t.Name))
	return uint32(len(k.tables) - 1), nil
}

func (k *keyHasher) Keys(table uint32, parts []batch.Values) (first uint32, err error) {
	t := k.tables[table]
	first = batch.FirstRef + uint32(k.hashes.n)
	n := 0
	for _, p := range parts {
		n = max(n, len(p.Bytes), len(p.Refs))
	}
	for i := range n {
		k.parts = k.parts[:0]
		for j, p := range parts {
			v := k.hashes.value(p, i)
			if v.Ref == nil && v.Bytes != nil {
				v.Bytes = journal.CanonicalBytes(t.KeyColumns[j], v.Bytes)
			}
			k.parts = append(k.parts, v)
		}
		k.hashes.add(k.Key(t.Name, k.parts))
	}
	return first, nil
}

// hashes are those of the keys in the dictionary, by their indexes. They stay where they are when there come more.
type hashes struct {
	pages []*[pageSize]digest.KeyHash
	n     int
}

func (h *hashes) add(k digest.KeyHash) {
	if h.n%pageSize == 0 {
		h.pages = append(h.pages, new([pageSize]digest.KeyHash))
	}
	h.pages[h.n/pageSize][h.n%pageSize] = k
	h.n++
}

// of returns the hash of the key of an index.
func (h *hashes) of(index uint32) *digest.KeyHash {
	i := index - batch.FirstRef
	return &h.pages[i/pageSize][i%pageSize]
}

// value returns a value of a column of a block: a reference as the hash of the key that it names.
func (h *hashes) value(v batch.Values, i int) digest.Value {
	if v.Refs != nil {
		switch r := v.Refs[i]; {
		case r >= batch.FirstRef:
			return digest.Value{Ref: h.of(r)}
		case r == batch.RefNowhere:
			return digest.Nowhere()
		}
	}
	if v.Bytes == nil {
		return digest.Value{}
	}
	return digest.Value{Bytes: v.Bytes[i]}
}

func (k *keyHasher) ResetDict() error {
	k.hashes = hashes{} // values of the block before may still point to them
	return nil
}

// DictLen counts a hash as a quarter of a key: it takes that much less room.
func (k *keyHasher) DictLen() int { return k.hashes.n / 4 }

func (k *keyHasher) DictBytes() int { return 0 }

// digested are the columns of a table as a digest names them; with an error that says which of them are not here.
func digested(t *schema.Table, names []string) (out []*schema.Column, missing []string) {
	for _, name := range names {
		if c := t.Column(name); c != nil {
			out = append(out, c)
		} else {
			missing = append(missing, fmt.Sprintf("%s.%s", t.Name, name))
		}
	}
	return out, missing
}

// without reports whether a list of TABLE and TABLE.COLUMN names a table, or a column of it.
func without(list []string, table, column string) bool {
	for _, w := range list {
		if strings.EqualFold(w, table) || column != "" && strings.EqualFold(w, table+"."+column) {
			return true
		}
	}
	return false
}
