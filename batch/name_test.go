package batch

import (
	"math"
	"testing"
)

func TestFileName(t *testing.T) {
	for want, h := range map[string]*Header{
		"hub-to-kisumu-0000000000-0000000002-58a859.omsync":        {Sender: "hub", Receiver: "kisumu", Upto: Position{Epoch: 2, Token: 9}},
		"hub-to-kisumu-0000000010-0000000020-58a859.omsync":        {Sender: "hub", Receiver: "kisumu", Base: Position{Epoch: 10}, Upto: Position{Epoch: 20}, Part: 4},
		"a-to-b-to-c-0000000000-0000000001-58a859-part0003.omsync": {Sender: "a-to-b", Receiver: "c", Upto: Position{Epoch: 1}, Load: 7, Part: 3},
		"0-to-1-18446744073709551615-18446744073709551615-58a859-part4294967295.omsync": {Sender: "0", Receiver: "1",
			Base: Position{Epoch: math.MaxUint64}, Upto: Position{Epoch: math.MaxUint64}, Load: 1, Part: math.MaxUint32},
	} {
		n := NewFileName(h, 0xffff000000|0x58a859)
		if n.String() != want {
			t.Errorf("%s, not %s", n, want)
		}
		if back, err := ParseFileName(want); err != nil || back != n {
			t.Errorf("%s reads as %+v, %v", want, back, err)
		}
		if !n.Between(h.Sender, h.Receiver) || n.Between(h.Receiver, h.Sender) || n.Between(h.Sender, h.Receiver+"x") {
			t.Errorf("%s is not from %s to %s alone", n, h.Sender, h.Receiver)
		}
		if !MayBeFor(want, h.Receiver) || MayBeFor(want, h.Sender+"x") {
			t.Errorf("%s is not for %s alone", want, h.Receiver)
		}
	}
}

// A reader by prefix and suffix would take one node's file for another's here.
func TestFileNameIsOfOneRoute(t *testing.T) {
	n, err := ParseFileName("hub-to-kisumu-0000000003-0000000000-0000000001-58a859.omsync")
	if err != nil {
		t.Fatal(err)
	}
	if n.Between("hub", "kisumu") || !n.Between("hub", "kisumu-0000000003") {
		t.Errorf("route %s", n.Route)
	}
}

func TestNamesOfNoBatch(t *testing.T) {
	const tail = "-0000000000-0000000001-58a859"
	for _, s := range []string{
		"", ".omsync", "hub" + tail + ".omsync", "-to-" + tail + ".omsync", "hub-to-" + tail + ".omsync", "hub-to-kisumu.omsync",
		"hub-to-kisumu" + tail, "hub-to-kisumu" + tail + ".OMSYNC", "hub-to-kisumu" + tail + " (1).omsync", "hub-to-kisumu" + tail + ".omsync\n",
		"hub-to-kisumu-000000000-0000000001-58a859.omsync",            // nine digits
		"hub-to-kisumu-00000000000-0000000001-58a859.omsync",          // eleven, with a zero in front
		"hub-to-kisumu-0000000000-18446744073709551616-58a859.omsync", // over 64 bits
		"hub-to-kisumu-0000000000-0000000001-58A859.omsync",           // capitals
		"hub-to-kisumu-0000000000-0000000001-58a85.omsync",            // five digits
		"hub-to-kisumu" + tail + "-part0000.omsync",                   // parts are counted from 1
		"hub-to-kisumu" + tail + "-part001.omsync",                    // three digits
		"hub-to-kisumu" + tail + "-part00001.omsync",                  // five, with a zero in front
		"hub-to-kisumu" + tail + "-part4294967296.omsync",             // over 32 bits
		"hub-to-kisumu" + tail + "-part0001-part0001.omsync",          // twice
		"a\n-to-kisumu" + tail + ".omsync",                            // more than a line
	} {
		if n, err := ParseFileName(s); err == nil {
			t.Errorf("%q was read as %+v", s, n)
		}
	}
	// What people make of names in a bucket is looked into.
	if !MayBeFor("Copy of hub-to-kisumu"+tail+" (1).omsync", "kisumu") || MayBeFor("hub-to-kisumu2"+tail+".omsync", "kisumu") {
		t.Error("a renamed file is not seen as what it may be")
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("hub", "kisumu", uint64(0), uint64(2), uint64(0x58a859), uint64(0), uint32(0), "hub-to-kisumu-0000000000-0000000002-58a859.omsync")
	f.Add("a-to-b", "c-part0001", uint64(1)<<63, uint64(9_999_999_999), uint64(1)<<40, uint64(5), uint32(10_000),
		"a-to-b-to-c-0000000000-0000000001-000000-part0001.omsync")
	f.Fuzz(func(t *testing.T, sender, receiver string, base, upto, id, load uint64, part uint32, s string) {
		if n, err := ParseFileName(s); err == nil && n.String() != s {
			t.Errorf("%q reads as %+v, which is written %q", s, n, n)
		}
		for _, name := range []string{sender, receiver} {
			if name == "" || !isLine(name) {
				return // no name of a node
			}
		}
		if load != 0 && part == 0 {
			return // no header of a batch
		}
		n := NewFileName(&Header{Sender: sender, Receiver: receiver, Base: Position{Epoch: base}, Upto: Position{Epoch: upto}, Load: load, Part: part}, id)
		back, err := ParseFileName(n.String())
		if err != nil || back != n {
			t.Fatalf("%+v is written %q and reads as %+v, %v", n, n, back, err)
		}
		if !back.Between(sender, receiver) || back.Base != base || back.Upto != upto || load != 0 && back.Part != part {
			t.Errorf("%q reads as %+v", n, back)
		}
	})
}

// isLine reports whether s has printable ASCII alone.
func isLine(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
