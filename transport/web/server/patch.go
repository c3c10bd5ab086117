package server

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"net/http"
	"strconv"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/upload"
)

// patch adds to an upload. What has arrived counts, whatever becomes of the rest.
func (s *Server) patch(c *call, id string) error {
	if c.r.Header.Get("Content-Type") != web.OffsetType {
		return web.NewProblem(http.StatusUnsupportedMediaType, web.TypeTus, "the content type is to be %s", web.OffsetType)
	}
	from, err := byteCount(c, "Upload-Offset")
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
	at := s.uploads.Size(c.node, id)
	c.Header().Set("Upload-Offset", strconv.FormatInt(at, 10))
	switch {
	case from != at:
		return web.NewProblem(http.StatusConflict, web.TypeOffset, "the upload is at byte %d, not %d", at, from)
	case c.r.ContentLength > u.Length-at:
		return web.NewProblem(http.StatusRequestEntityTooLarge, web.TypeLarge,
			"the file was announced with %d bytes: this is more", u.Length)
	}
	if err := s.uploads.Fits(c.r.ContentLength); err != nil {
		return err
	}
	end, err := s.receive(c, u, at, want)
	c.Header().Set("Upload-Offset", strconv.FormatInt(end, 10))
	if err != nil {
		return err
	}
	if end == u.Length {
		return s.complete(c, u)
	}
	return s.answerOffset(c, u, end, http.StatusNoContent, nil)
}

// bodyDigest returns what the body's digest must be (RFC 9530); nil for larger bodies.
func bodyDigest(c *call) ([]byte, error) {
	values := c.r.Header.Values("Content-Digest")
	if len(values) == 0 {
		if n := c.r.ContentLength; n > 0 && n <= web.MaxDigested {
			return nil, web.NewProblem(http.StatusBadRequest, web.TypeDigest, "content-digest is missing")
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
	return nil, web.NewProblem(http.StatusBadRequest, web.TypeDigest, "content-digest has no sha-256")
}

// readSize is how much of a body is read at once, in bytes.
const readSize = 64 << 10

// receive writes the body to the end of an upload. It returns where the upload ends then.
func (s *Server) receive(c *call, u upload.Upload, at int64, want []byte) (end int64, err error) {
	f, err := s.uploads.OpenPart(u)
	if err != nil {
		return at, err
	}
	var sum hash.Hash
	if want != nil {
		sum = sha256.New()
	}
	c.read()
	end, whole, cut, err := c.copyBody(reserving{f, s.uploads}, at, sum)
	superseded := c.stop()
	if whole && sum != nil && !bytes.Equal(sum.Sum(nil), want) {
		f.Close()
		if err := s.uploads.Truncate(u, at); err != nil {
			return at, err
		}
		return at, web.NewProblem(http.StatusBadRequest, web.TypeDigest, "the bytes are not those of content-digest")
	}
	if e := durable.Synced(f.Sync()); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	switch {
	case err != nil || whole:
		return end, err
	case superseded:
		return end, web.NewProblem(http.StatusConflict, web.TypeOffset, "another request goes on with this upload")
	case isSlow(cut):
		return end, web.NewProblem(http.StatusRequestTimeout, web.TypeSlow, "no byte came for %v: go on at byte %d", c.stall, end)
	}
	return end, web.NewProblem(http.StatusBadRequest, web.TypeCut, "the body was cut off: go on at byte %d", end)
}

// reserving is a part that leaves the reserve of its disk free, whoever else writes to the disk meanwhile.
type reserving struct {
	upload.Part
	store *upload.Store
}

func (r reserving) WriteAt(p []byte, off int64) (int, error) {
	if err := r.store.Fits(int64(len(p))); err != nil {
		return 0, err
	}
	return r.Part.WriteAt(p, off)
}

// copyBody writes the body to a file from at on, and to sum if that is not nil. It returns where the file ends then, whether the
// body came whole, what cut it off, and the error of the file.
func (c *call) copyBody(f upload.Part, at int64, sum hash.Hash) (end int64, whole bool, cut, err error) {
	end = at
	left := c.r.ContentLength
	buf := make([]byte, readSize)
	for last := time.Now(); left > 0 && cut == nil && err == nil; {
		c.extend()
		var n int
		n, cut = c.r.Body.Read(buf[:min(left, readSize)])
		c.in += int64(n)
		left -= int64(n)
		if n > 0 {
			if sum != nil {
				sum.Write(buf[:n])
			}
			n, err = f.WriteAt(buf[:n], end)
			end += int64(n)
		}
		if time.Since(last) > c.progressInterval() {
			last = time.Now()
			c.sendProgress()
		}
	}
	return end, left == 0, cut, err
}
