package keys

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

var (
	// ErrNotForUs means that an age file is whole, as far as seen, but encrypted
	// to others.
	ErrNotForUs = errors.New("not encrypted to this node's key: the sender has to use this node's present card")
	// ErrDamaged means that what should be an age file is none, was changed or
	// is cut short.
	ErrDamaged = errors.New("encrypted data is damaged or cut short: copy the file again, or ask the sender for it")
)

// Encrypt starts an age file (C2SP age specification, age-encryption.org/v1)
// to the card's recipient. What is written to the result is encrypted in
// chunks of 64 KiB; the file is whole once Close, which leaves w open, has
// returned nil.
func (c Card) Encrypt(w io.Writer) (io.WriteCloser, error) {
	r, err := parseRecipient(c.Recipient)
	if err != nil {
		return nil, fmt.Errorf("encrypt to %q: %w", c.Name, err)
	}
	return startAge(w, fmt.Sprintf("%q", c.Name), r)
}

// startAge starts an age file to a recipient, which has a name for errors.
func startAge(w io.Writer, to string, r age.Recipient) (io.WriteCloser, error) {
	sink := &watchedWriter{w: w}
	out, err := age.Encrypt(sink, r)
	if err != nil {
		return nil, fmt.Errorf("encrypt to %s: %w", to, sink.cause(err))
	}
	return &encryptWriter{out, sink}, nil
}

// Decrypt opens an age file that was encrypted to this node, by its present or its former keys. The result gives
// authenticated data only, in chunks; that the file ends where its sender
// ended it is known at io.EOF and not before. Errors, here or from Read:
// [ErrNotForUs], [ErrDamaged], or what r returned.
func (id *Identity) Decrypt(r io.Reader) (io.Reader, error) {
	if id.age.Identity == nil {
		return nil, errors.New("decrypt: this identity has no keys; load them first")
	}
	ids := []age.Identity{id.age.Identity}
	for _, f := range id.former {
		ids = append(ids, f.age.Identity)
	}
	return openAge(r, ErrNotForUs, ids...)
}

// openAge opens an age file; other is the error of one that is for none of the identities.
func openAge(r io.Reader, other error, ids ...age.Identity) (io.Reader, error) {
	src := &watchedReader{r: r, other: other}
	plain, err := age.Decrypt(src, ids...)
	if err != nil {
		return nil, src.explain(err)
	}
	return &decryptReader{plain, src}, nil
}

// age words its errors in its own way, so the two sides are watched for errors
// of theirs and everything else gets one of this package's sentences.

type watchedReader struct {
	r     io.Reader
	err   error // the first error other than io.EOF
	other error // what it is if the file is not for the identity
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF && w.err == nil {
		w.err = err
	}
	return n, err
}

func (w *watchedReader) explain(err error) error {
	var noMatch *age.NoIdentityMatchError
	switch {
	case w.err != nil:
		return fmt.Errorf("read encrypted data: %w", w.err)
	case errors.As(err, &noMatch):
		return w.other
	}
	return ErrDamaged
}

type decryptReader struct {
	plain io.Reader
	src   *watchedReader
}

func (d *decryptReader) Read(p []byte) (int, error) {
	n, err := d.plain.Read(p)
	if err != nil && err != io.EOF {
		err = d.src.explain(err)
	}
	return n, err
}

type watchedWriter struct {
	w   io.Writer
	err error // the first error
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

func (w *watchedWriter) cause(err error) error {
	if w.err != nil {
		return w.err
	}
	return err
}

type encryptWriter struct {
	out  io.WriteCloser
	sink *watchedWriter
}

func (e *encryptWriter) Write(p []byte) (int, error) {
	n, err := e.out.Write(p)
	if err != nil {
		err = fmt.Errorf("write encrypted data: %w", e.sink.cause(err))
	}
	return n, err
}

func (e *encryptWriter) Close() error {
	if err := e.out.Close(); err != nil {
		return fmt.Errorf("write encrypted data: %w", e.sink.cause(err))
	}
	return nil
}
