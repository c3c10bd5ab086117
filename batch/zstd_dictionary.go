package batch

import (
	"crypto/sha256"
	_ "embed"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// ZstdDictionary is the feature of files that are compressed with the compression dictionary: bytes that writer and reader both have, as
// if they stood before the stream. In such a file the stream begins with a hash of the clear header, not with the header.
const ZstdDictionary = "zstd-dictionary"

// headerHash is how many bytes of the hash of a header are kept: nobody finds another header with the same 128 bits.
const headerHash = 16

// zstdDictionary is the compression dictionary: descriptions of the tables of OpenMRS, and rows of a generated clinic without their keys.
// Every byte of it is part of the format: another dictionary is another feature. TestMakeZstdDictionary in cmd/omsync made it.
//
//go:embed zstd-1.dict
var zstdDictionary []byte

// HasZstdDictionary reports whether the batch may use [ZstdDictionary].
func (h *Header) HasZstdDictionary() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == ZstdDictionary })
}

// Opening returns what the stream of a batch begins with, so that it goes under no other header than its own: the header, given as head,
// or with [ZstdDictionary] a byte string of the first 16 bytes of its SHA-256.
func (h *Header) Opening(head []byte) []byte {
	if !h.HasZstdDictionary() {
		return head
	}
	sum := sha256.Sum256(head)
	return append([]byte{majorBytes<<5 | headerHash}, sum[:headerHash]...)
}

// encoderOptions returns how a stream is compressed. The dictionary has no number: the header says that it is used.
func (h *Header) encoderOptions() []zstd.EOption {
	if !h.HasZstdDictionary() {
		return nil
	}
	return []zstd.EOption{zstd.WithEncoderDictRaw(0, zstdDictionary)}
}

// decoderOptions returns how one is read. A stream that uses the dictionary though its header does not say so is not understood.
func (h *Header) decoderOptions() []zstd.DOption {
	if !h.HasZstdDictionary() {
		return nil
	}
	return []zstd.DOption{zstd.WithDecoderDictRaw(0, zstdDictionary)}
}
