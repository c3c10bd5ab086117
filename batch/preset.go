package batch

import (
	"crypto/sha256"
	_ "embed"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Preset is the feature of files that are compressed with a preset dictionary: bytes that writer and reader both have, as if they stood
// before the stream. In such a file the stream begins with the hash of the clear header, not with the header.
const Preset = "preset"

// headerHash is the bytes of the hash of the header: nobody finds another header with the same 128 bits.
const headerHash = 16

// presetBytes is the preset dictionary: descriptions of the tables of OpenMRS, and rows of a generated clinic without their keys. Every
// byte of it is part of the format: another dictionary is another feature. TestMakePreset in cmd/omsync made it.
//
//go:embed preset-1.bin
var presetBytes []byte

// HasPreset reports whether the batch may use [Preset].
func (h *Header) HasPreset() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == Preset })
}

// Opening returns what the stream of a batch begins with, so that it goes under no other header than its own: the header, given as head,
// or with [Preset] a byte string of the first 16 bytes of its SHA-256.
func (h *Header) Opening(head []byte) []byte {
	if !h.HasPreset() {
		return head
	}
	sum := sha256.Sum256(head)
	return append([]byte{majorBytes<<5 | headerHash}, sum[:headerHash]...)
}

// presetOf returns how a stream is compressed. The dictionary has no number: the header says that it is used.
func (h *Header) presetOf() []zstd.EOption {
	if !h.HasPreset() {
		return nil
	}
	return []zstd.EOption{zstd.WithEncoderDictRaw(0, presetBytes)}
}

// presetFor returns how one is read. A stream that uses the dictionary though its header does not say so is not understood.
func (h *Header) presetFor() []zstd.DOption {
	if !h.HasPreset() {
		return nil
	}
	return []zstd.DOption{zstd.WithDecoderDictRaw(0, presetBytes)}
}
