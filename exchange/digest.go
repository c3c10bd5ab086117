package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport"
)

// ErrNoDigest means that there is no digest to compare with.
var ErrNoDigest = errors.New("no digest to compare with")

// ExportDigest writes a digest of the rows that a peer is to have into a folder.
func (n *Node) ExportDigest(ctx context.Context, p *journal.Peer, folder *transport.Folder, d export.DigestOptions) (export.Batch, error) {
	return n.exportDigest(ctx, p, func(ctx context.Context, name string) (*transport.File, error) {
		return folder.CreateBeside(ctx, name, batch.DigestSuffix)
	}, d)
}

func (n *Node) exportDigest(ctx context.Context, p *journal.Peer, create func(context.Context, string) (*transport.File, error), d export.DigestOptions) (export.Batch, error) {
	seal, err := n.sealing(p)
	if err != nil {
		return export.Batch{}, err
	}
	bar := n.bar("for "+p.Name, Rows)
	defer bar.Done()
	return export.WriteDigest(ctx, n.Journal, p.Name, d, export.Options{
		Wait: n.Wait, Features: n.Features,
		Create: func(name string) (export.File, error) {
			f, err := create(ctx, name)
			if err != nil {
				return nil, err
			}
			return f, nil
		},
		Encrypt: seal.to.Encrypt, Sign: seal.by.Sign, Progress: bar.Show,
	})
}

// DigestFile is a peer's digest.
type DigestFile struct {
	Header *batch.Header
	Digest *digest.Digest
	// Raw is the file as it came; nil: it has more than maxRaw bytes.
	Raw []byte
}

// maxRaw is the size of the largest digest file that is held as it came. One that names a quarter of a million rows has a third of it.
const maxRaw = 32 << 20

// FindDigests returns the newest digest file of each of some peers that is in a folder, by the peer's name; or the one file that path is. Nothing
// vouches for them yet.
func (n *Node) FindDigests(ctx context.Context, peers []*journal.Peer, path string) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	names := []string{filepath.Base(path)}
	dir := filepath.Dir(path)
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		names, dir = nil, path
		for _, e := range entries {
			if name := e.Name(); e.Type().IsRegular() && !strings.HasPrefix(name, ".") && strings.HasSuffix(strings.ToLower(name), batch.DigestSuffix) {
				names = append(names, name)
			}
		}
	}
	out, made := map[string]string{}, map[string]int64{}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file := filepath.Join(dir, name)
		h, err := matchHeader(file)
		if err != nil && !info.IsDir() {
			return nil, fmt.Errorf("%s: %w", printable(file), err)
		}
		if err != nil || !h.IsDigest() || h.Receiver != n.Name || h.Time < made[h.Sender] {
			continue
		}
		for _, p := range peers {
			if p.Name == h.Sender {
				out[p.Name], made[p.Name] = file, h.Time
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w for %s in %s", ErrNoDigest, n.Name, printable(path))
	}
	return out, nil
}

// ReadDigest reads a digest, which must be signed by the peer, and for this node.
func (n *Node) ReadDigest(ctx context.Context, p *journal.Peer, path string) (*DigestFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d, err := n.openDigest(p, f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable(path), err)
	}
	return d, nil
}

func (n *Node) openDigest(p *journal.Peer, f io.ReaderAt, size int64) (*DigestFile, error) {
	verify, err := n.verifier(p)
	if err != nil {
		return nil, err
	}
	r, err := batch.Open(f, size, verify, n.Keys.Decrypt)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	h := r.Header()
	if err := batch.CheckNeeds(h, append(n.Features.Names(), batch.DigestFeature)); err != nil {
		return nil, err
	}
	item, err := r.Next()
	if err != nil {
		return nil, err
	}
	d, ok := item.(*batch.DigestItem)
	if !ok {
		return nil, fmt.Errorf("%w: it is a batch", ErrNoDigest)
	}
	if _, err := r.Next(); err != io.EOF {
		return nil, errors.Join(batch.ErrCorrupt, err)
	}
	sum, err := digest.Parse(d.Data)
	if err != nil {
		return nil, err
	}
	out := &DigestFile{Header: h, Digest: sum}
	if size <= maxRaw {
		out.Raw = make([]byte, size)
		if _, err := f.ReadAt(out.Raw, 0); err != nil && err != io.EOF {
			return nil, err
		}
	}
	return out, nil
}

// Compare compares the rows here with a peer's digest, and changes nothing.
func (n *Node) Compare(ctx context.Context, p *journal.Peer, d *DigestFile) (*export.Compared, error) {
	bar := n.bar("with "+p.Name, Rows)
	defer bar.Done()
	return export.CompareDigest(ctx, n.Journal, p.Name, d.Header, d.Digest, n.Home, export.Options{Wait: n.Wait, Features: n.Features, Progress: bar.Show})
}
