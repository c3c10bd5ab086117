package batch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// FileName is the name that a sender gives to a batch file:
//
//	SENDER-to-RECEIVER-BASE-UPTO-ID.omsync
//	SENDER-to-RECEIVER-BASE-UPTO-ID-partNNNN.omsync    a part of a full load
//
// BASE and UPTO are epochs, in decimal, with zeros in front up to 10 digits, so
// that a node's batches sort by the order in which they apply; ID is 6
// hexadecimal digits, NNNN decimal with zeros in front up to 4 digits. FAT and
// exFAT take such names. A name is a hint: only the signed header counts.
type FileName struct {
	// Route is SENDER-to-RECEIVER. It stays in one piece since the name of a
	// node may hold "-to-": who knows both nodes asks Between.
	Route string
	Base  uint64 // the epochs between which the batch takes its receiver
	Upto  uint64
	ID    uint32 // 24 random bits: no two batches of a node have one name
	Part  uint32 // of a full load in parts, from 1; 0: it is none
}

// fileName is the grammar. Its end has one reading, whatever a route holds.
var fileName = regexp.MustCompile(`^(.+-to-.+)-([0-9]{10,20})-([0-9]{10,20})-([0-9a-f]{6})(?:-part([0-9]{4,10}))?\.omsync$`)

// NewFileName returns the name of the batch with this header. Of id, a random
// number, the lowest 24 bits count.
func NewFileName(h *Header, id uint64) FileName {
	n := FileName{Route: route(h.Sender, h.Receiver), Base: h.Base.Epoch, Upto: h.Upto.Epoch, ID: uint32(id & 0xffffff)}
	if h.Load != 0 {
		n.Part = h.Part
	}
	return n
}

func route(sender, receiver string) string { return sender + "-to-" + receiver }

// String returns the name as it is on a disk.
func (n FileName) String() string {
	part := ""
	if n.Part != 0 {
		part = fmt.Sprintf("-part%04d", n.Part)
	}
	return fmt.Sprintf("%s-%010d-%010d-%06x%s.omsync", n.Route, n.Base, n.Upto, n.ID, part)
}

// ParseFileName reads what String writes, and nothing else: people rename files,
// and those are no batches to a program that goes by names.
func ParseFileName(s string) (FileName, error) {
	m := fileName.FindStringSubmatch(s)
	if m == nil {
		return FileName{}, fmt.Errorf("%.300q is no name of a batch as its sender gives it", s)
	}
	// What does not fit its field comes out as another text below.
	base, _ := strconv.ParseUint(m[2], 10, 64)
	upto, _ := strconv.ParseUint(m[3], 10, 64)
	id, _ := strconv.ParseUint(m[4], 16, 32)
	part, _ := strconv.ParseUint("0"+m[5], 10, 32)
	n := FileName{Route: m[1], Base: base, Upto: upto, ID: uint32(id), Part: uint32(part)}
	if n.String() != s {
		return FileName{}, fmt.Errorf("%.300q is no name of a batch as its sender gives it", s)
	}
	return n, nil
}

// Between reports whether sender gives this name to batches for receiver.
func (n FileName) Between(sender, receiver string) bool { return n.Route == route(sender, receiver) }

// MayBeFor reports whether a file's name, one that was changed at its start or
// end included, may be of a batch for receiver. It is for stores where each
// look into a file costs much; the header says for whom a file is.
func MayBeFor(name, receiver string) bool { return strings.Contains(name, route("", receiver)+"-") }
