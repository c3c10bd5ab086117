package sites

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/export"
)

// Digest makes the digest file of the rows that a peer is to have.
func (s *Site) Digest(to *Site, d export.DigestOptions) *File {
	s.t.Helper()
	var files []*File
	made, err := export.WriteDigest(context.Background(), s.J, to.Name, d, export.Options{
		Wait: Wait, Features: s.Features,
		Create: func(name string) (export.File, error) {
			return &memory{name: name, done: &files, f: &File{From: s, To: to}}, nil
		},
		Encrypt: func(w io.Writer) (io.WriteCloser, error) { return open{w}, nil },
		Sign:    func(message []byte) ([]byte, error) { return sign(s.Name, message), nil },
	})
	if err != nil {
		s.t.Fatalf("at %s: %v", s.Name, err)
	}
	files[0].Made = made
	return files[0]
}

// Compare compares the rows here with a digest file.
func (s *Site) Compare(f *File) *export.Compared {
	s.t.Helper()
	c, err := s.CompareErr(f)
	if err != nil {
		s.t.Fatalf("at %s: %v", s.Name, err)
	}
	return c
}

// CompareErr is Compare for files that may be refused.
func (s *Site) CompareErr(f *File) (*export.Compared, error) {
	r, err := batch.Open(bytes.NewReader(f.Data), int64(len(f.Data)), func(h *batch.Header, message, signature []byte) error {
		if h.Receiver != s.Name || !bytes.Equal(signature, sign(h.Sender, message)) {
			return ErrForged
		}
		return nil
	}, func(r io.Reader) (io.Reader, error) { return r, nil })
	if err != nil {
		return nil, err
	}
	defer r.Close()
	item, err := r.Next()
	if err != nil {
		return nil, err
	}
	if _, err := r.Next(); err != io.EOF {
		return nil, errors.Join(errors.New("more than a digest"), err)
	}
	there, err := digest.Parse(item.(*batch.DigestItem).Data)
	if err != nil {
		return nil, err
	}
	return export.CompareDigest(context.Background(), s.J, r.Header().Sender, r.Header(), there, s.t.TempDir(), export.Options{Wait: Wait, Features: s.Features})
}
