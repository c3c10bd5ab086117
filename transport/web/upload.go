package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/omsync/omsync/transport"
)

const (
	tusVersion  = "1.0.0"
	offsetType  = "application/offset+octet-stream"
	smallBody   = 64 << 10 // bytes: bodies up to this carry a digest
	chunk       = 64 << 10 // bytes
	maxMetadata = 4 << 10  // bytes
)

// options tells tus clients what there is.
func (s *Server) options(c *call) error {
	h := c.Header()
	h.Set("Tus-Resumable", tusVersion)
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Extension", "creation")
	h.Set("Tus-Max-Size", strconv.FormatInt(s.o.MaxFile, 10))
	c.WriteHeader(http.StatusNoContent)
	return nil
}

// tus checks the version of the protocol.
func tus(c *call) error {
	c.Header().Set("Tus-Resumable", tusVersion)
	c.Header().Set("Cache-Control", "no-store")
	if c.r.Header.Get("Tus-Resumable") != tusVersion {
		c.Header().Set("Tus-Version", tusVersion)
		return problem(http.StatusPreconditionFailed, "tus", "uploads follow tus %s", tusVersion)
	}
	return nil
}

// number reads a header that is a count of bytes.
func number(c *call, name string) (int64, error) {
	n, err := strconv.ParseUint(c.r.Header.Get(name), 10, 63)
	if err != nil {
		return 0, problem(http.StatusBadRequest, "request", "%s is missing or no number", name)
	}
	return int64(n), nil
}

// parseMetadata reads Upload-Metadata: pairs of a key and a value in base64, parted by commas; the value may be missing.
func parseMetadata(text string) (map[string]string, error) {
	if len(text) > maxMetadata {
		return nil, errors.New("upload-metadata is too long")
	}
	out := map[string]string{}
	if text == "" {
		return out, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if _, twice := out[key]; key == "" || twice {
			return nil, errors.New("upload-metadata has a key twice, or an empty one")
		}
		plain, err := base64.StdEncoding.Strict().DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("upload-metadata, %q: %w", key, err)
		}
		out[key] = string(plain)
	}
	return out, nil
}

// readUpload reads what a node wants to store.
func (s *Server) readUpload(c *call) (upload, error) {
	u := upload{Node: c.node}
	var err error
	if u.Length, err = number(c, "Upload-Length"); err != nil {
		return u, err
	}
	if c.r.ContentLength != 0 {
		return u, problem(http.StatusBadRequest, "request", "send the file with PATCH")
	}
	meta, err := parseMetadata(c.r.Header.Get("Upload-Metadata"))
	if err != nil {
		return u, problem(http.StatusBadRequest, "request", "%v", err)
	}
	u.Name = meta["filename"]
	if err := transport.CheckName(u.Name); err != nil {
		return u, problem(http.StatusBadRequest, "name", "%v", err)
	}
	if u.Digest = []byte(meta["digest"]); len(u.Digest) != sha256.Size {
		return u, problem(http.StatusBadRequest, "request", "upload-metadata: digest is to be a SHA-256 of 32 bytes")
	}
	if most := min(s.o.MaxFile, s.o.MaxPartial); u.Length > most {
		return u, problem(http.StatusRequestEntityTooLarge, "large", "a file may have at most %d bytes here", most)
	}
	return u, nil
}

// create begins an upload, finds the one that began before, or says that the file is stored already.
func (s *Server) create(c *call) error {
	if err := tus(c); err != nil {
		return err
	}
	u, err := s.readUpload(c)
	if err != nil {
		return err
	}
	s.up.sweep()
	id := u.id()
	release, err := s.turn(c, id)
	if err != nil {
		return err
	}
	defer release()
	if done, again, err := s.stored(c, u); err != nil {
		return err
	} else if done != nil {
		s.up.drop(c.node, id)
		receipt := Receipt{Outcome: done.Outcome, Why: done.Why}
		if again {
			ctx, cancel := s.outlive(c)
			defer cancel()
			c.during(func() { s.arrived(ctx, u, &receipt) })
		}
		s.addMail(c, &receipt)
		return s.stand(c, u, u.Length, http.StatusOK, &receipt)
	}
	if _, err := s.up.load(c.node, id); errors.Is(err, fs.ErrNotExist) {
		if err := s.begin(c.r.Context(), u); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	at, err := s.synced(u)
	if err != nil {
		return err
	}
	if at == u.Length { // nothing to send, or a server that stopped before it was through
		return s.complete(c, u)
	}
	return s.stand(c, u, at, http.StatusCreated, nil)
}

func (s *Server) begin(ctx context.Context, u upload) error {
	s.up.begin.Lock()
	defer s.up.begin.Unlock()
	waiting, err := s.waiting(ctx, u.Node)
	if err != nil {
		return err
	}
	if err := s.up.room(u, s.o.MaxPartial-waiting); err != nil {
		return err
	}
	return s.up.save(infoName(u.Node, u.id()), u)
}

// waiting is how many bytes of a node are in the inbox.
func (s *Server) waiting(ctx context.Context, node string) (sum int64, err error) {
	if s.o.Mine == nil {
		return 0, nil
	}
	list, err := s.o.Inbox.List(ctx)
	for _, e := range list {
		if s.o.Mine(node, e.Name) {
			sum += e.Size
		}
	}
	return sum, err
}

// stored finds out whether the file is stored already: a marker says so, or it is in the inbox. again: the server stopped, or
// its disk was full, before it noted that.
func (s *Server) stored(c *call, u upload) (m *marker, again bool, err error) {
	if m := s.up.done(u.Node, u.Name); m != nil && m.ID == u.id() {
		return m, false, nil
	}
	f, size, err := s.o.Inbox.Open(c.r.Context(), u.Name)
	if err != nil {
		return nil, false, nil // it will show when the file is put there
	}
	defer f.Close()
	if size != u.Length {
		return nil, false, nil
	}
	if sum, err := tailDigest(f, size); err != nil || !bytes.Equal(sum, u.Digest) {
		return nil, false, nil
	}
	m = &marker{ID: u.id(), Outcome: "stored"}
	return m, true, s.up.save(doneName(u.Node, u.Name), m)
}

// synced is how much of an upload is safe on the disk.
func (s *Server) synced(u upload) (int64, error) {
	f, err := s.up.open(partName(u.Node, u.id()))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := transport.Synced(f.Sync()); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// stand answers how far an upload is.
func (s *Server) stand(c *call, u upload, at int64, status int, receipt *Receipt) error {
	h := c.Header()
	h.Set("Location", s.o.Prefix+"/v1/uploads/"+u.id())
	h.Set("Upload-Offset", strconv.FormatInt(at, 10))
	h.Set("Upload-Length", strconv.FormatInt(u.Length, 10))
	if receipt != nil {
		return c.json(status, receipt)
	}
	c.WriteHeader(status)
	return nil
}

func noUpload() error {
	return problem(http.StatusNotFound, "missing", "there is no such upload: begin it again")
}

// take finds an upload and waits for the turn at it.
func (s *Server) take(c *call, id string) (u upload, release func(), err error) {
	if err := tus(c); err != nil {
		return u, nil, err
	}
	if !isID(id) {
		return u, nil, noUpload()
	}
	if release, err = s.turn(c, id); err != nil {
		return u, nil, err
	}
	if u, err = s.up.load(c.node, id); err != nil {
		release()
		if errors.Is(err, fs.ErrNotExist) {
			err = noUpload()
		}
	}
	return u, release, err
}

// offset answers HEAD: how far an upload is.
func (s *Server) offset(c *call, id string) error {
	u, release, err := s.take(c, id)
	if err != nil {
		return err
	}
	defer release()
	at, err := s.synced(u)
	if err != nil {
		return err
	}
	return s.stand(c, u, at, http.StatusOK, nil)
}

// patch adds to an upload. What has arrived counts, whatever becomes of the rest.
func (s *Server) patch(c *call, id string) error {
	if c.r.Header.Get("Content-Type") != offsetType {
		return problem(http.StatusUnsupportedMediaType, "tus", "the content type is to be %s", offsetType)
	}
	from, err := number(c, "Upload-Offset")
	if err != nil {
		return err
	}
	want, err := bodyDigest(c)
	if err != nil {
		return err
	}
	u, release, err := s.take(c, id)
	if err != nil {
		return err
	}
	defer release()
	at := s.up.size(c.node, id)
	c.Header().Set("Upload-Offset", strconv.FormatInt(at, 10))
	switch {
	case from != at:
		return problem(http.StatusConflict, "offset", "the upload is at byte %d, not %d", at, from)
	case c.r.ContentLength > u.Length-at:
		return problem(http.StatusRequestEntityTooLarge, "large", "the file was announced with %d bytes: this is more", u.Length)
	}
	end, err := s.receive(c, u, at, want)
	c.Header().Set("Upload-Offset", strconv.FormatInt(end, 10))
	if err != nil {
		return err
	}
	if end == u.Length {
		return s.complete(c, u)
	}
	return s.stand(c, u, end, http.StatusNoContent, nil)
}

// bodyDigest is what the body's digest must be (RFC 9530); nil for larger bodies.
func bodyDigest(c *call) ([]byte, error) {
	values := c.r.Header.Values("Content-Digest")
	if len(values) == 0 {
		if n := c.r.ContentLength; n > 0 && n <= smallBody {
			return nil, problem(http.StatusBadRequest, "digest", "content-digest is missing")
		}
		return nil, nil
	}
	d, err := httpsfv.UnmarshalDictionary(values)
	if err == nil {
		member, _ := d.Get("sha-256")
		item, _ := member.(httpsfv.Item)
		if sum, ok := item.Value.([]byte); ok && len(sum) == sha256.Size {
			return sum, nil
		}
	}
	return nil, problem(http.StatusBadRequest, "digest", "content-digest has no sha-256")
}

// receive writes the body to the end of an upload. It returns where the upload ends then.
func (s *Server) receive(c *call, u upload, at int64, want []byte) (end int64, err error) {
	f, err := s.up.open(partName(u.Node, u.id()))
	if err != nil {
		return at, err
	}
	var sum hash.Hash
	if want != nil {
		sum = sha256.New()
	}
	end = at
	var cut error
	left := c.r.ContentLength
	c.read()
	buf := make([]byte, chunk)
	for beat := time.Now(); left > 0 && cut == nil && err == nil; {
		c.extend()
		var n int
		n, cut = c.r.Body.Read(buf[:min(left, chunk)])
		c.in += int64(n)
		left -= int64(n)
		if n > 0 {
			if sum != nil {
				sum.Write(buf[:n])
			}
			n, err = f.WriteAt(buf[:n], end)
			end += int64(n)
		}
		if time.Since(beat) > c.every() {
			beat = time.Now()
			c.beat()
		}
	}
	superseded := c.stop()
	if left == 0 && sum != nil && !bytes.Equal(sum.Sum(nil), want) {
		f.Close()
		if err := s.up.truncate(u, at); err != nil {
			return at, err
		}
		return at, problem(http.StatusBadRequest, "digest", "the bytes are not those of content-digest")
	}
	if e := transport.Synced(f.Sync()); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	switch {
	case err != nil || left == 0:
		return end, err
	case superseded:
		return end, problem(http.StatusConflict, "offset", "another request goes on with this upload")
	case slow(cut):
		return end, problem(http.StatusRequestTimeout, "slow", "no byte came for %v: go on at byte %d", c.stall, end)
	}
	return end, problem(http.StatusBadRequest, "cut", "the body was cut off: go on at byte %d", end)
}
