package batch

import (
	"errors"
	"fmt"
	"slices"
)

// DigestNeed is what the header of a digest file says beside positions: who does not know it takes the file to be too new, and nobody
// applies it.
const DigestNeed = needsPrefix + DigestFeature + "@0.1.0"

// DigestFeature is its name there.
const DigestFeature = "digest"

// DigestSuffix ends the name of a digest file. Stores do not list it as a batch.
const DigestSuffix = ".omsync-digest"

// MaxDigest is the most bytes of a digest.
const MaxDigest = 32 << 20

// IsDigest reports whether the file holds a digest of rows: it is never applied, and moves no epoch.
func (h *Header) IsDigest() bool {
	return slices.ContainsFunc(h.Needs(), func(n Need) bool { return n.Feature == DigestFeature })
}

// DigestFileName returns the name of a digest file. Of id, a random number, the lowest 24 bits count.
func DigestFileName(h *Header, id uint64) string {
	return fmt.Sprintf("%s-%010d-%06x%s", route(h.Sender, h.Receiver), h.Upto.Epoch, id&0xffffff, DigestSuffix)
}

// DigestItem is a digest: the only item of its file. What its bytes are is package digest's business.
type DigestItem struct {
	Data []byte
}

// Digest writes a digest.
func (w *Writer) Digest(data []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case !w.mayDigest || w.items != 0:
		return errors.New("a digest stands alone in a file whose header says so")
	case len(data) > MaxDigest:
		return fmt.Errorf("a digest of %d bytes is longer than %d", len(data), MaxDigest)
	}
	w.pack.list(2, itemDigest)
	w.pack.bytes(data)
	return w.done()
}

func (r *Reader) readDigest() *DigestItem {
	if !r.mayDigest || r.items != 0 {
		r.fail("a digest in a batch, or after other items")
		return nil
	}
	item := &DigestItem{Data: r.value("digest", MaxDigest)}
	if r.in.err == nil && item.Data == nil {
		r.fail("a digest without bytes")
	}
	return item
}
