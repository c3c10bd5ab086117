package bucket

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/minio/minio-go/v7"

	"github.com/omsync/omsync/transport"
)

// Put stores a file, see transport.Store and the package's comment.
func (s *Store) Put(ctx context.Context, name string, r io.ReaderAt, size int64, progress func(done int64)) error {
	if err := transport.CheckName(name); err != nil {
		return err
	}
	what := "write " + name + " to"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &put{Store: s, key: s.prefix + name, r: r, size: size, progress: progress, cancel: cancel}
	err := ctx.Err()
	switch {
	case err != nil:
	case size < 0:
		err = fmt.Errorf("a size of %d bytes", size)
	case size <= s.part:
		_, err = p.send(ctx, 0, size, func(r io.Reader) (string, error) {
			info, err := s.once.PutObject(ctx, s.bucket, p.key, r, size, "", "", minio.PutObjectOptions{})
			return info.ETag, err
		})
	default:
		err = p.sendParts(ctx)
	}
	if err == nil {
		p.report(size)
	}
	if broken := p.end(); broken != nil && err != nil {
		return fmt.Errorf("%s %s: %w", what, s, broken)
	}
	return s.wrap(ctx, what, err)
}

// put is a Put at work.
type put struct {
	*Store
	key    string
	size   int64
	cancel context.CancelFunc

	mu       sync.Mutex // what follows is also for requests that were given up and still read
	r        io.ReaderAt
	progress func(done int64)
	reported int64
	broken   error // what the reader said
	ended    bool
}

// end makes sure that nobody uses the reader any more, and tells what it said.
func (p *put) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	return p.broken
}

// report tells the caller how far it is. After a broken request it waits until that is made good.
func (p *put) report(done int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reportLocked(done)
}

func (p *put) reportLocked(done int64) {
	if p.progress != nil && !p.ended && (done > p.reported || done == p.size) {
		p.reported = done
		p.progress(done)
	}
}

// send makes a request with a piece of the file, and makes it again while the link is down, a few times. Each try has a
// reader of its own: one that was given up may go on reading for a moment.
func (p *put) send(ctx context.Context, from, to int64, request func(r io.Reader) (tag string, err error)) (tag string, err error) {
	return backoff.Retry(ctx, func() (string, error) {
		tag, err := request(&section{p, from, to})
		if err != nil && !errors.Is(p.explain(err), transport.ErrDown) {
			err = backoff.Permanent(err)
		}
		return tag, err
	}, backoff.WithMaxTries(tries), backoff.WithMaxElapsedTime(0), backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 200 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 2 * time.Second,
	}))
}

// section reads a piece of the file and tells about the progress. It ends the Put when the file itself cannot be read: that
// is no fault of the link.
type section struct {
	p      *put
	at, to int64
}

func (s *section) Read(b []byte) (int, error) {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return 0, context.Canceled
	}
	if b = b[:min(int64(len(b)), s.to-s.at)]; len(b) == 0 {
		return 0, io.EOF
	}
	n, err := p.r.ReadAt(b, s.at)
	s.at += int64(n)
	switch {
	case n == len(b):
		err = nil
	case err == io.EOF:
		err = fmt.Errorf("it ended after %d of %d bytes: %w", s.at, p.size, io.ErrUnexpectedEOF)
	}
	if err != nil {
		p.broken = err
		p.cancel()
		return n, err
	}
	p.reportLocked(s.at)
	return n, nil
}

// sendParts sends a file in parts, of which some may be there already.
func (p *put) sendParts(ctx context.Context) error {
	found, err := p.uploads(ctx)
	if err != nil {
		return err
	}
	var id string
	if len(found) > 0 {
		id = found[0]
	}
	for range 4 {
		err = p.upload(ctx, id)
		// Somebody else ended or aborted the upload, or sent other parts into it: have one of one's own.
		if c := errorCode(err); c != minio.NoSuchUpload && c != minio.InvalidPart {
			break
		}
		id = ""
	}
	if err != nil {
		return err
	}
	for _, other := range found { // of the same name, and now of no use
		if other != id {
			p.core.AbortMultipartUpload(ctx, p.bucket, p.key, other) // a courtesy
		}
	}
	return nil
}

// uploads returns unfinished uploads of the file, the newest first. Without the right to look there are none.
func (p *put) uploads(ctx context.Context) ([]string, error) {
	list, err := p.core.ListMultipartUploads(ctx, p.bucket, p.key, "", "", "", 1000)
	if err != nil {
		if c := errorCode(err); c == minio.AccessDenied || c == minio.NotImplemented || c == minio.MethodNotAllowed {
			return nil, nil
		}
		return nil, err
	}
	var out []string
	var newest minio.ObjectMultipartInfo
	for _, u := range list.Uploads {
		switch {
		case u.Key != p.key:
		case len(out) > 0 && !u.Initiated.After(newest.Initiated):
			out = append(out, u.UploadID)
		default:
			newest = u
			out = append([]string{u.UploadID}, out...)
		}
	}
	return out, nil
}

// upload makes one try, in an upload that is there or, without id, a new one.
func (p *put) upload(ctx context.Context, id string) error {
	part := max(p.part, (p.size+maxParts-1)/maxParts)
	there := map[int]minio.ObjectPart{}
	var err error
	if id != "" {
		there, err = p.listParts(ctx, id)
	} else {
		id, err = p.core.NewMultipartUpload(ctx, p.bucket, p.key, minio.PutObjectOptions{})
	}
	if err != nil {
		return err
	}
	var done []minio.CompletePart
	for from := int64(0); from < p.size; from += part {
		n, to := len(done)+1, min(from+part, p.size)
		tag, ok, err := p.findPart(there[n], from, to)
		if err != nil {
			return err
		}
		if ok {
			p.report(to)
		} else {
			tag, err = p.send(ctx, from, to, func(r io.Reader) (string, error) {
				made, err := p.once.PutObjectPart(ctx, p.bucket, p.key, id, n, r, to-from, minio.PutObjectPartOptions{})
				return made.ETag, err
			})
			if err != nil {
				return err
			}
		}
		done = append(done, minio.CompletePart{PartNumber: n, ETag: tag})
	}
	_, err = p.core.CompleteMultipartUpload(ctx, p.bucket, p.key, id, done, minio.PutObjectOptions{})
	if errorCode(err) == minio.NoSuchUpload && p.wasCompleted(ctx, done) {
		return nil
	}
	return err
}

// listParts returns the parts that an upload has, by number.
func (p *put) listParts(ctx context.Context, id string) (map[int]minio.ObjectPart, error) {
	out := map[int]minio.ObjectPart{}
	for marker := 0; ; {
		list, err := p.core.ListObjectParts(ctx, p.bucket, p.key, id, marker, 1000)
		if err != nil {
			if errorCode(err) == minio.AccessDenied {
				return out, nil
			}
			return nil, err
		}
		for _, o := range list.ObjectParts {
			out[o.PartNumber] = o
		}
		if !list.IsTruncated || list.NextPartNumberMarker <= marker {
			return out, nil
		}
		marker = list.NextPartNumberMarker
	}
}

// findPart reports whether a part that is there is that piece of the file, and returns its ETag.
func (p *put) findPart(there minio.ObjectPart, from, to int64) (tag string, ok bool, err error) {
	tag = strings.Trim(there.ETag, `"`)
	if there.PartNumber == 0 || there.Size != to-from || len(tag) != 2*md5.Size {
		return "", false, nil
	}
	sum := md5.New()
	if _, err := io.Copy(sum, io.NewSectionReader(transport.Unlimited(p.r), from, to-from)); err != nil {
		p.mu.Lock()
		p.broken = err
		p.mu.Unlock()
		return "", false, err
	}
	return tag, hex.EncodeToString(sum.Sum(nil)) == tag, nil
}

// wasCompleted reports whether an upload that is gone was completed by a request whose answer was lost: the ETag of a file from
// parts is the MD5 of the parts' MD5s and their number.
func (p *put) wasCompleted(ctx context.Context, parts []minio.CompletePart) bool {
	sum := md5.New()
	for _, o := range parts {
		b, err := hex.DecodeString(strings.Trim(o.ETag, `"`))
		if err != nil {
			return false
		}
		sum.Write(b)
	}
	info, err := p.core.StatObject(ctx, p.bucket, p.key, minio.StatObjectOptions{})
	return err == nil && info.Size == p.size && strings.Trim(info.ETag, `"`) == fmt.Sprintf("%x-%d", sum.Sum(nil), len(parts))
}

// errorCode returns what S3 calls an error, or empty.
func errorCode(err error) string {
	var r minio.ErrorResponse
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}
