package apply

import (
	"strings"

	"github.com/omsync/omsync/apply/reserve"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/schema"
)

// maxKeysTogether is how many keys an import holds at most beside others: there is room in memory for one that holds more.
const maxKeysTogether = 1 << 17

// alone returns errAlone if other imports run beside this one.
func (v *resolver) alone() error {
	if v.reserve.Alone() {
		return nil
	}
	return errAlone
}

// reserveFrom reserves the keys of the dictionary from one on, which something may refer to.
func (v *resolver) reserveFrom(first uint32) error {
	if v.reserve.Alone() {
		return nil
	}
	if v.keys.n > maxKeysTogether {
		return errAlone
	}
	keys := make([]uint32, 0, uint32(v.keys.n)+batch.FirstRef-first)
	for i := first; i < uint32(v.keys.n)+batch.FirstRef; i++ {
		keys = append(keys, i)
	}
	return v.take(keys, false)
}

// reserveRows reserves the keys of rows that the batch brings.
func (v *resolver) reserveRows(keys []uint32) error {
	if v.reserve.Alone() {
		return nil
	}
	return v.take(keys, true)
}

func (v *resolver) take(keys []uint32, write bool) error {
	out := make([]reserve.Key, len(keys))
	for n, i := range keys {
		out[n] = v.reserved(i)
	}
	if !v.reserve.Reserve(out, write) {
		return errAlone
	}
	return nil
}

// reserved is what stands for an entry of the dictionary. Of a key that is no uuid, texts count for nothing: two that differ may be one for the
// server, by the column's collation.
func (v *resolver) reserved(i uint32) reserve.Key {
	e := v.keys.at(i)
	if e.root == nil {
		return reserve.Table("")
	}
	k := reserve.Table(e.root.Name)
	if e.root.Key == schema.KeyUUID {
		return k.With(strings.TrimRight(e.canonical(), " "))
	}
	for _, to := range v.keys.refs(e) {
		if to != 0 {
			k = k.WithKey(v.reserved(to))
		} else {
			k = k.With("")
		}
	}
	return k
}
