package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// Position names an epoch of one node beyond doubt: its number and its random
// token.
type Position struct {
	Epoch, Token uint64
}

// MarshalCBOR writes the position as an array of its two numbers.
func (p Position) MarshalCBOR() ([]byte, error) {
	return cbor.Marshal([2]uint64{p.Epoch, p.Token})
}

// UnmarshalCBOR reads what MarshalCBOR wrote.
func (p *Position) UnmarshalCBOR(b []byte) error {
	var a []uint64
	if err := cbor.Unmarshal(b, &a); err != nil {
		return err
	}
	if len(a) != 2 {
		return fmt.Errorf("position has %d numbers, not 2", len(a))
	}
	p.Epoch, p.Token = a[0], a[1]
	return nil
}

// Header is the clear part of a batch.
type Header struct {
	Sender     string     `cbor:"1,keyasint,omitzero"`   // node name
	Receiver   string     `cbor:"2,keyasint,omitzero"`   // node name
	History    uint64     `cbor:"3,keyasint,omitzero"`   // the sender's history id
	Earlier    []uint64   `cbor:"4,keyasint,omitempty"`  // the sender's earlier histories
	Link       uint64     `cbor:"5,keyasint,omitzero"`   // number of the link at the sender's end
	PeerLink   uint64     `cbor:"6,keyasint,omitzero"`   // and at the receiver's; 0: unknown
	Base       Position   `cbor:"7,keyasint,omitzero"`   // the batch takes the receiver from here
	Upto       Position   `cbor:"8,keyasint,omitzero"`   // to here
	Ahead      bool       `cbor:"9,keyasint,omitzero"`   // base is not acknowledged yet
	Chain      []Position `cbor:"10,keyasint,omitempty"` // ends of earlier batches between base and upto
	AckHistory uint64     `cbor:"11,keyasint,omitzero"`  // the receiver's history that Ack belongs to
	Ack        Position   `cbor:"12,keyasint,omitzero"`  // what the sender has applied of the receiver's epochs
	Resent     []uint64   `cbor:"13,keyasint,omitempty"` // the sender's epochs that only send again
	Requests   []string   `cbor:"14,keyasint,omitempty"` // see TableRequests, Reads, Waits and Needs
	Load       uint64     `cbor:"15,keyasint,omitzero"`  // random id of a full load in parts; 0: not split
	Part       uint32     `cbor:"16,keyasint,omitzero"`  // number of the part, from 1
	Last       bool       `cbor:"17,keyasint,omitzero"`  // nothing of the load follows; true if not split
	LoadHave   uint64     `cbor:"18,keyasint,omitzero"`  // id of a load that the sender is receiving
	PartHave   uint32     `cbor:"19,keyasint,omitzero"`  // last part of it that was applied
	Schema     string     `cbor:"20,keyasint,omitzero"`  // fingerprint of the sender's catalogue
	Time       int64      `cbor:"21,keyasint,omitzero"`  // microseconds since 1970 UTC
	Missing    Position   `cbor:"22,keyasint,omitzero"`  // what the last batch that the sender could not apply was built on
	LoadUpto   Position   `cbor:"23,keyasint,omitzero"`  // where the load that the sender is receiving ends
}

// check returns what a header may not be, whoever wrote it.
func (h *Header) check() error {
	for _, f := range []struct{ what, s string }{{"sender", h.Sender}, {"receiver", h.Receiver}} {
		if f.s == "" {
			return fmt.Errorf("header names no %s", f.what)
		}
		if err := checkName(f.what, f.s); err != nil {
			return err
		}
	}
	if err := checkName("schema fingerprint", h.Schema); err != nil {
		return err
	}
	for _, t := range h.Requests {
		if err := checkName("request", t); err != nil {
			return err
		}
	}
	if err := checkTime(h.Time); err != nil {
		return err
	}
	switch {
	case len(h.Requests) > MaxTables:
		return fmt.Errorf("header has %d requests, more than %d", len(h.Requests), MaxTables)
	case h.Load == 0 && !h.Last:
		return errors.New("header of a batch that is no part of a load must be the last")
	case h.Load != 0 && h.Part == 0:
		return errors.New("parts of a load are counted from 1")
	}
	return nil
}

func checkName(what, s string) error {
	if len(s) > MaxName {
		return fmt.Errorf("%s is longer than %d bytes", what, MaxName)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %q is not UTF-8", what, s)
	}
	return nil
}

func checkTime(t int64) error {
	if t < 0 || t > MaxTime {
		return fmt.Errorf("time %d is outside the years 1970 to 9999", t)
	}
	return nil
}

// marshal returns the one encoding of the header (RFC 8949, 4.2.1).
func (h *Header) marshal() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	b, err := mode.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode header: %w", err)
	}
	if len(b) > MaxHeader {
		return nil, fmt.Errorf("header of %d bytes is larger than %d", len(b), MaxHeader)
	}
	return b, nil
}

func unmarshalHeader(b []byte) (*Header, error) {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   4,
		MaxArrayElements:  MaxHeader,
		MaxMapPairs:       32,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	h := new(Header)
	if err := mode.Unmarshal(b, h); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrCorrupt, err)
	}
	again, err := h.marshal()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if !bytes.Equal(b, again) {
		return nil, fmt.Errorf("%w: header is not in its canonical form", ErrCorrupt)
	}
	return h, nil
}

// ReadHeader reads the clear header at the start of a batch, for which no keys
// are needed. Nothing vouches for it, nor for a *TooNewError: only Open and
// Verify check the signature.
// Errors: *TooNewError, ErrVersion, ErrTruncated, ErrCorrupt, or those of r.
func ReadHeader(r io.Reader) (*Header, error) {
	h, _, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// readHeader returns the header and its bytes; with a *TooNewError the part of
// the header that every format keeps.
func readHeader(r io.Reader) (*Header, []byte, error) {
	var lead [5]byte
	n, err := io.ReadFull(r, lead[:])
	if n > 0 && lead[0] < Version {
		return nil, nil, noBatch(lead[0])
	}
	later := n > 0 && lead[0] > Version
	if err != nil && later {
		return nil, nil, noBatch(lead[0])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read header: %w", truncated(err))
	}
	size := binary.BigEndian.Uint32(lead[1:])
	if size > MaxHeader && later {
		return nil, nil, noBatch(lead[0])
	}
	if size > MaxHeader {
		return nil, nil, fmt.Errorf("%w: header of %d bytes is larger than %d", ErrCorrupt, size, MaxHeader)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(size)); err != nil {
		if err = truncated(err); later && err == ErrTruncated { // of whatever the file is
			return nil, nil, noBatch(lead[0])
		}
		return nil, nil, fmt.Errorf("read header: %w", err)
	}
	var h *Header
	err = noBatch(lead[0])
	if !later {
		h, err = unmarshalHeader(b.Bytes())
	}
	if err != nil {
		if e, tooNew := readEnvelope(lead[0], b.Bytes()); tooNew != nil {
			return e, b.Bytes(), tooNew
		}
		return nil, nil, err
	}
	return h, b.Bytes(), nil
}

// noBatch is the error for a file that begins as no batch does that this
// program knows of.
func noBatch(first byte) error { return fmt.Errorf("%w (first byte 0x%02x)", ErrVersion, first) }

// truncated turns the end of a file where more was due into ErrTruncated.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return err
}
