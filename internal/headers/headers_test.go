package headers_test

import (
	"reflect"
	"testing"

	"github.com/omsync/omsync/internal/headers"
	"github.com/omsync/omsync/merge"
)

// Every field of the rules' header, with a value of its own, comes through a batch's header unchanged.
func TestThereAndBack(t *testing.T) {
	var h merge.Header
	v := reflect.ValueOf(&h).Elem()
	n := uint64(0)
	for i := range v.NumField() {
		f := v.Field(i)
		n += 2
		switch f.Interface().(type) {
		case int64:
			f.SetInt(int64(n))
		case uint64, uint32:
			f.SetUint(n)
		case bool:
			f.SetBool(true)
		case []uint64:
			f.Set(reflect.ValueOf([]uint64{n, n + 1}))
		case merge.Position:
			f.Set(reflect.ValueOf(merge.Position{Epoch: n, Token: n + 1}))
		case []merge.Position:
			f.Set(reflect.ValueOf([]merge.Position{{Epoch: n, Token: n + 1}, {Epoch: n + 2, Token: n}}))
		default:
			t.Fatalf("a field of type %s: say here what its value is", f.Type())
		}
	}
	if got := headers.ToRules(headers.FromRules(h)); !reflect.DeepEqual(got, h) {
		t.Errorf("got  %+v\nwant %+v", got, h)
	}
}
