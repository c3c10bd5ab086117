package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/upload"
)

// options tells tus clients what there is.
func (s *Server) options(c *call, _ string) error {
	h := c.Header()
	h.Set("Tus-Resumable", web.TusVersion)
	h.Set("Tus-Version", web.TusVersion)
	h.Set("Tus-Extension", "creation")
	h.Set("Tus-Max-Size", strconv.FormatInt(s.o.MaxFile, 10))
	c.WriteHeader(http.StatusNoContent)
	return nil
}

// checkTus checks the version of the protocol.
func checkTus(c *call) error {
	c.Header().Set("Tus-Resumable", web.TusVersion)
	c.Header().Set("Cache-Control", "no-store")
	if c.r.Header.Get("Tus-Resumable") != web.TusVersion {
		c.Header().Set("Tus-Version", web.TusVersion)
		return web.NewProblem(http.StatusPreconditionFailed, web.TypeTus, "uploads follow tus %s", web.TusVersion)
	}
	return nil
}

// byteCount reads a header that is a count of bytes.
func byteCount(c *call, name string) (int64, error) {
	n, err := strconv.ParseUint(c.r.Header.Get(name), 10, 63)
	if err != nil {
		return 0, web.NewProblem(http.StatusBadRequest, web.TypeRequest, "%s is missing or no number", name)
	}
	return int64(n), nil
}

// parseMetadata reads Upload-Metadata: pairs of a key and a value in base64, parted by commas; the value may be missing.
func parseMetadata(text string) (map[string]string, error) {
	if len(text) > web.MaxMetadata {
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
func (s *Server) readUpload(c *call) (upload.Upload, error) {
	u := upload.Upload{Node: c.node}
	var err error
	if u.Length, err = byteCount(c, "Upload-Length"); err != nil {
		return u, err
	}
	if c.r.ContentLength != 0 {
		return u, web.NewProblem(http.StatusBadRequest, web.TypeRequest, "send the file with PATCH")
	}
	meta, err := parseMetadata(c.r.Header.Get("Upload-Metadata"))
	if err != nil {
		return u, web.NewProblem(http.StatusBadRequest, web.TypeRequest, "%v", err)
	}
	u.Name = meta["filename"]
	if err := transport.CheckName(u.Name); err != nil {
		return u, web.NewProblem(http.StatusBadRequest, web.TypeName, "%v", err)
	}
	if u.Digest = []byte(meta["digest"]); len(u.Digest) != sha256.Size {
		return u, web.NewProblem(http.StatusBadRequest, web.TypeRequest, "upload-metadata: digest is to be a SHA-256 of 32 bytes")
	}
	if most := min(s.o.MaxFile, s.o.MaxPartial); u.Length > most {
		return u, web.NewProblem(http.StatusRequestEntityTooLarge, web.TypeLarge, "a file may have at most %d bytes here", most)
	}
	return u, nil
}

// create begins an upload, finds the one that began before, or says that the file is stored already.
func (s *Server) create(c *call, _ string) error {
	if err := checkTus(c); err != nil {
		return err
	}
	u, err := s.readUpload(c)
	if err != nil {
		return err
	}
	s.uploads.Sweep()
	id := u.ID()
	release, err := s.lock(c, id)
	if err != nil {
		return err
	}
	defer release()
	if done, unmarked, err := s.findStored(c, u); err != nil {
		return err
	} else if done != nil {
		return s.repeatReceipt(c, u, *done, unmarked)
	}
	if _, err := s.uploads.Load(c.node, id); errors.Is(err, fs.ErrNotExist) {
		if err := s.begin(c.r.Context(), u); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	at, err := s.uploads.SyncedSize(u)
	if err != nil {
		return err
	}
	if at == u.Length { // nothing to send, or a server that stopped before it was through
		return s.complete(c, u)
	}
	return s.answerOffset(c, u, at, http.StatusCreated, nil)
}

// begin notes an upload, if the node may have so much here and the disk has room for it.
func (s *Server) begin(ctx context.Context, u upload.Upload) error {
	err := s.uploads.Begin(u, func() (upload.Quota, error) {
		waiting, err := s.waiting(ctx, u.Node)
		return upload.Quota{Most: s.o.MaxPartial, Waiting: waiting}, err
	})
	if errors.Is(err, upload.ErrQuota) {
		return web.NewProblem(http.StatusRequestEntityTooLarge, web.TypeQuota,
			"%s has too much here that is not complete or not imported yet: complete uploads first, or wait a day", u.Node)
	}
	return err
}

// waiting returns how many bytes of a node are in the inbox.
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

// findStored returns the marker of a file that is stored already: it is noted, or the file is in the inbox. unmarked: the server
// stopped, or its disk was full, before it noted that, and before it told Arrived.
func (s *Server) findStored(c *call, u upload.Upload) (m *upload.Marker, unmarked bool, err error) {
	if m := s.uploads.Marker(u.Node, u.Name); m != nil && m.ID == u.ID() {
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
	if sum, err := web.FileDigest(f, size); err != nil || !bytes.Equal(sum, u.Digest) {
		return nil, false, nil
	}
	m = &upload.Marker{ID: u.ID(), Outcome: outcomeStored}
	return m, true, s.uploads.Mark(u.Node, u.Name, *m)
}

// repeatReceipt answers for a file that is stored already.
func (s *Server) repeatReceipt(c *call, u upload.Upload, done upload.Marker, unmarked bool) error {
	s.uploads.Drop(u.Node, u.ID())
	receipt := web.Receipt{Outcome: done.Outcome, Why: done.Why}
	if unmarked {
		ctx, cancel := s.outlive(c)
		defer cancel()
		c.during(func() { s.arrived(ctx, u, &receipt) })
	}
	s.addMail(c, &receipt)
	return s.answerOffset(c, u, u.Length, http.StatusOK, &receipt)
}

// answerOffset answers how far an upload is, and with the receipt if it is complete.
func (s *Server) answerOffset(c *call, u upload.Upload, at int64, status int, receipt *web.Receipt) error {
	h := c.Header()
	h.Set("Location", s.o.Prefix+web.Root+web.PathUploads+"/"+u.ID())
	h.Set("Upload-Offset", strconv.FormatInt(at, 10))
	h.Set("Upload-Length", strconv.FormatInt(u.Length, 10))
	if receipt != nil {
		return c.json(status, receipt)
	}
	c.WriteHeader(status)
	return nil
}

func noUpload() error {
	return web.NewProblem(http.StatusNotFound, web.TypeMissing, "there is no such upload: begin it again")
}

// take finds an upload and locks it.
func (s *Server) take(c *call, id string) (u upload.Upload, release func(), err error) {
	if err := checkTus(c); err != nil {
		return u, nil, err
	}
	if !web.IsUploadID(id) {
		return u, nil, noUpload()
	}
	if release, err = s.lock(c, id); err != nil {
		return u, nil, err
	}
	if u, err = s.uploads.Load(c.node, id); err != nil {
		release()
		if errors.Is(err, fs.ErrNotExist) {
			err = noUpload()
		}
	}
	return u, release, err
}

// maxLockWait is how long a request waits for another that is at the same upload.
const maxLockWait = 20 * time.Second

// lock waits until no other request of the node is at something. A request whose body is being read is ended: the newer knows
// better.
func (s *Server) lock(c *call, id string) (release func(), err error) {
	release, err = s.uploads.Lock(c.r.Context(), c.node, id, c.interrupt, min(maxLockWait, c.stall/2))
	if errors.Is(err, upload.ErrBusy) {
		err = web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy, "the server is still at this file: try again soon")
	}
	return release, err
}

// offset answers HEAD: how far an upload is.
func (s *Server) offset(c *call, id string) error {
	u, release, err := s.take(c, id)
	if err != nil {
		return err
	}
	defer release()
	at, err := s.uploads.SyncedSize(u)
	if err != nil {
		return err
	}
	return s.answerOffset(c, u, at, http.StatusOK, nil)
}
