package batch

import (
	"errors"
	"strings"
)

// Version is the first byte of every batch file of this format.
const Version = 1

// Domain opens the message that is signed, so that a signature made for
// another purpose with the same key never passes for one of a batch.
const Domain = "omsync batch v1\n"

// SignatureSize is the length in bytes of the signature that ends a file
// (Ed25519, RFC 8032).
const SignatureSize = 64

// Limits that a writer keeps and a reader enforces.
const (
	MaxHeader     = 1 << 20                        // bytes of the encoded header
	MaxName       = 255                            // bytes of a node, table, column or author name
	MaxTables     = 4096                           // tables of one file; requests of its header
	MaxColumns    = 4096                           // columns, and key columns, of one table
	MaxSlot       = 1918                           // highest version bit
	maxFewSlot    = 63                             // highest one in a file that does not need ManyColumns
	MaxDict       = 1 << 19                        // entries of the dictionary of keys
	MaxBlockRows  = 1 << 12                        // rows of one block, keys of one Keys call
	MaxBlockCells = 1 << 21                        // rows times columns of one block
	MaxVersions   = 1 << 18                        // version groups of one block
	MaxWideMasks  = 1 << 16                        // those of them whose masks are of slots above 62: see ManyColumns
	MaxValue      = 64 << 20                       // bytes of one value
	MaxBlock      = 64 << 20                       // bytes of the values of one block, its longest not counted
	MaxNote       = 4096                           // bytes of the note of a conflict record
	MaxTime       = 253402300799999999             // microseconds since 1970: the end of the year 9999
	maxWindow     = 8 << 20                        // bytes that the compression looks back
	maxRef        = uint64(FirstRef) + MaxDict - 1 // highest index
)

// Errors that callers tell apart. Each comes wrapped with what was found.
var (
	ErrVersion   = errors.New("not a batch, or one of a newer format: update omsync on this node")
	ErrTooNew    = errors.New("batch is too new for this program") // see TooNewError
	ErrTruncated = errors.New("batch is cut short: copy the file again")
	ErrCorrupt   = errors.New("batch is damaged: copy the file again, or have its sender export it anew")
	ErrSignature = errors.New("signature of the batch not accepted: copy the file again, and compare the card of its sender")
	ErrHeader    = errors.New("clear header and encrypted header differ: delete the file, and have its sender export it anew")
)

// Kind hints at what a column's values look like, and so how to pack them.
// It is never a promise: any value comes back exactly under any kind.
type Kind uint8

// The kinds. Others, up to 255, are kept and packed as KindBytes.
const (
	KindBytes    Kind = iota // anything
	KindText                 // text
	KindInt                  // decimal text of an int64
	KindDecimal              // decimal text with or without a point: 36.6
	KindDateTime             // YYYY-MM-DD hh:mm:ss, with up to six digits of a fraction
	KindDate                 // YYYY-MM-DD
	KindUUID                 // RFC 4122 text in lower case, 36 characters
)

// Indexes of references. An entry of the dictionary has an index of FirstRef
// or above.
const (
	RefNull    uint32 = 0 // no reference: NULL, or a plain value
	RefNowhere uint32 = 1 // a reference to a row that does not exist at the sender
	FirstRef   uint32 = 2 // index of the first entry of the dictionary
)

// Column describes a column, or a part of a key.
type Column struct {
	Name string
	Kind Kind
	Ref  bool   // values may be references
	Slot uint16 // bit of the version masks, which columns may share; 0: no version. 1 to 63, or to MaxSlot: see ManyColumns
}

// BesideSuffix ends the name of a column that has the keys of what another column, of the name before the suffix, refers to. That one has
// plain values: a reader that does not know of the reference takes those, and leaves out the column that it does not have.
const BesideSuffix = "#key"

// IntegerColumn is the name of a column that has the sender's own integers of the rows, without references or a version. A reader that does
// not know it leaves it out.
const IntegerColumn = "#integer"

// policyMark stands in the names of columns that say policies.
const policyMark = "#policy="

// PolicyColumn returns the name of a column, without values, references or a version, that says by what the sender decides conflicts in a
// column of the table; "": in all of them. A reader that does not know it leaves it out.
func PolicyColumn(column, policy string) string { return column + policyMark + policy }

// ParsePolicyColumn reads such a name; false if it is none.
func ParsePolicyColumn(name string) (column, policy string, ok bool) {
	return strings.Cut(name, policyMark)
}

// Table describes a table. Root is the table whose rows' keys these are: Name,
// unless the key is an ancestor's.
type Table struct {
	Name, Root string
	Key        []Column // at least one
	Columns    []Column
}

// Values are the values of one column in one block.
//
// With Bytes alone all are plain, nil being NULL. With Refs alone all are
// references. With both, Refs[i] counts where it is not RefNull (Bytes[i] is
// not carried there and comes back nil), Bytes[i] elsewhere. With neither the
// column is absent from the block.
type Values struct {
	Bytes [][]byte
	Refs  []uint32
}

// Rows is a block of rows of one table.
type Rows struct {
	Table   uint32
	Keys    []uint32 // index of each row's key
	Columns []Values // parallel to the table's columns
	Acks    []uint64 // acknowledged epoch per row; nil: the header's
	Groups  []int    // version groups per row; nil: one each

	// One element per version group, row by row.
	Masks   []uint64 // bit 0: the row's existence; bit s: columns with Slot s, but see ManyColumns. Never of nothing, disjoint within a row
	Times   []int64  // microseconds since 1970 UTC
	Authors []string
	Epochs  []uint64 // the sender's epoch; 0: it came from the receiver
}

// Deletions is a block of deleted rows of one table.
type Deletions struct {
	Table   uint32
	Keys    []uint32
	Times   []int64 // microseconds since 1970 UTC
	Authors []string
	Epochs  []uint64   // the sender's epoch; 0: it came from the receiver
	Owners  [][]string // whose the rows were, by the keys of owners; nil: nothing is said. See [Scopes]
}

// Records is a block of conflict records of one table: values that lost.
type Records struct {
	Table       uint32
	Keys        []uint32
	Columns     []string // "": the deletion, or the whole row
	Values      [][]byte // the losing value, nil being NULL; how a whole row is written is the caller's business
	Notes       []string // remark for people, up to MaxNote bytes each; nil: none
	LostTimes   []int64  // stamp of the loser
	LostAuthors []string
	WonTimes    []int64 // stamp of the winner
	WonAuthors  []string
	At          []int64 // when it was noticed, microseconds since 1970 UTC
	Epochs      []uint64
	Owners      [][]string // whose the rows were, as recorded; nil: nothing is said. See [Scopes]
}

// Remarks that readers know, of conflict records. A record that says what somebody decided about another has the other's digest as its
// value, the other's stamp as that of the loser, and the decision's as that of the winner.
const (
	NoteDeletion   = "deletion"    // what lost is the row's deletion
	NoteResolution = "resolution:" // and what was decided: lost, kept, dismissed, open, replaced
)

// TableItem says what a table's number stands for in the items that follow.
type TableItem struct {
	Number uint32
	Table  Table
}

// KeysItem adds N keys of a table to the dictionary, from index First on.
// Parts are parallel to the table's key columns.
type KeysItem struct {
	Table uint32
	First uint32
	N     int
	Parts []Values
}

// ResetItem empties the dictionary: the next entry has index FirstRef.
type ResetItem struct{}

// Item types within the stream.
const (
	itemEnd = iota
	itemTable
	itemKeys
	itemReset
	itemRows
	itemDeletions
	itemRecords
	itemRules
	itemScope
	itemDigest
	_ // not used, like the next
	_
	itemShortKeys
	itemShortCheck
)
