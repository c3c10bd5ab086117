package apply_test

import (
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
)

// Texts that look like numbers, in a column of numbers and in a key of numbers: the row is refused, as one of which the table does not take
// the values, and no statement is made of them.
func TestTextsThatLookLikeNumbers(t *testing.T) {
	hub, honest, _, f := wardNetwork(t)
	sized := batch.Table{Name: "ward", Root: "ward", Key: uuidKey, Columns: []batch.Column{{Name: "size", Slot: 1}}}
	for _, text := range []string{"-", "1-1", "1) OR (1", "1e-9e", "0x41", "1/**/", "1e", "1e-"} {
		_, err := hub.ImportErr(forge(t, f, func(w *batch.Writer) error {
			n, err := w.Table(sized)
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte("w-1")}}})
			if err != nil {
				return err
			}
			return w.Rows(&batch.Rows{Table: n, Keys: []uint32{first}, Columns: []batch.Values{{Bytes: [][]byte{[]byte(text)}}},
				Masks: []uint64{3}, Times: []int64{time.Now().UnixMicro()}, Authors: []string{"stolen"}, Epochs: []uint64{1000}})
		}), signed)
		if err == nil && strings.HasPrefix(text, "1e") && hub.One("SELECT size FROM ward WHERE uuid = 'w-1'") == "1" { // what MySQL 5.6 takes it for
			break
		}
		if err == nil || !strings.Contains(err.Error(), "the table does not take it") || strings.Contains(err.Error(), "1064") {
			t.Errorf("%s: %v", text, err)
		}
	}
	exchangeGoesOn(t, hub, honest)
}
