package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/omsync/omsync/transport"
)

const (
	markerLife  = 30 * 24 * time.Hour // how long a stored file is remembered, and an upload kept that nobody goes on with
	maxPartials = 1000                // unfinished uploads of one node
	idle        = 24 * time.Hour      // an upload that nobody went on with for so long may make room for another
	tailSize    = 4096                // bytes at the end that the digest covers
)

// upload is a file that a node wants to store.
type upload struct {
	Node   string `json:"node"`
	Name   string `json:"name"`
	Length int64  `json:"length"` // bytes
	Digest []byte `json:"digest"` // see tailDigest
}

// id is the same whenever the node offers the same file.
func (u upload) id() string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(u.Node), []byte(u.Name), u.Digest} {
		binary.Write(h, binary.BigEndian, uint64(len(part)))
		h.Write(part)
	}
	binary.Write(h, binary.BigEndian, u.Length)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func isID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) == 32 && id == strings.ToLower(id)
}

// tailDigest tells one file from another of the same name: the SHA-256 of its size, 8 bytes big-endian, and its last 4
// KiB, in which batches have their signature.
func tailDigest(r io.ReaderAt, size int64) ([]byte, error) {
	n := min(size, tailSize)
	tail := make([]byte, n)
	if got, err := r.ReadAt(tail, size-n); int64(got) < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	h := sha256.New()
	binary.Write(h, binary.BigEndian, size)
	h.Write(tail)
	return h.Sum(nil), nil
}

// marker remembers a file that was stored whole.
type marker struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome"`
	Why     string `json:"why,omitempty"`
}

// partFile is what uploads do with an *os.File.
type partFile interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
	Stat() (fs.FileInfo, error)
}

// uploads keeps, in one folder per node: NODE/ID.info, what is coming; NODE/ID.part, what has come of it; and
// NODE/done/KEY, the marker of the last file of a name that was stored. Small files that are being written have .new- and
// more after their names.
type uploads struct {
	root *os.Root
	path string
	open func(name string) (partFile, error) // to write; made if missing

	begin sync.Mutex // held while one begins, or two might take the same room

	mu    sync.Mutex
	calls map[string]*turn // by ID: who is at it
	swept time.Time
}

func openUploads(path string) (*uploads, error) {
	if err := makeDir(path); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open folder for uploads: %w", err)
	}
	u := &uploads{root: root, path: path, calls: map[string]*turn{}}
	u.open = func(name string) (partFile, error) { return root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666) }
	return u, nil
}

func infoName(node, id string) string { return node + "/" + id + ".info" }
func partName(node, id string) string { return node + "/" + id + ".part" }
func doneName(node, name string) string {
	sum := sha256.Sum256([]byte(name))
	return node + "/done/" + hex.EncodeToString(sum[:16])
}

// load finds an upload that has begun. fs.ErrNotExist: there is none.
func (p *uploads) load(node, id string) (upload, error) {
	var u upload
	raw, err := p.root.ReadFile(infoName(node, id))
	if err != nil {
		return u, err
	}
	if err := json.Unmarshal(raw, &u); err != nil || u.Node != node || u.id() != id {
		return u, fs.ErrNotExist // damaged: it can begin again
	}
	return u, nil
}

// save writes a small file whole or not at all.
func (p *uploads) save(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := p.root.MkdirAll(filepath.ToSlash(filepath.Dir(name)), 0o700); err != nil {
		return err
	}
	temp := name + ".new-" + rand.Text()
	f, err := p.root.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if e := transport.Synced(f.Sync()); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = p.root.Rename(temp, name)
	}
	if err != nil {
		p.root.Remove(temp)
	}
	return err
}

// size is how much of an upload has come.
func (p *uploads) size(node, id string) int64 {
	info, err := p.root.Stat(partName(node, id))
	if err != nil {
		return 0
	}
	return info.Size()
}

func (p *uploads) truncate(u upload, size int64) error {
	f, err := p.root.OpenFile(partName(u.Node, u.id()), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// drop gives an upload up.
func (p *uploads) drop(node, id string) {
	p.root.Remove(partName(node, id))
	p.root.Remove(infoName(node, id))
}

// done finds the marker of a name; nil: there is none.
func (p *uploads) done(node, name string) *marker {
	raw, err := p.root.ReadFile(doneName(node, name))
	var m marker
	if err != nil || json.Unmarshal(raw, &m) != nil || m.ID == "" {
		return nil
	}
	return &m
}

// forget removes the marker of a name.
func (p *uploads) forget(node, name string) error {
	if err := p.root.Remove(doneName(node, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// room makes sure that a node may begin another upload. Uploads that nobody went on with for a day make room for it.
func (p *uploads) room(u upload, most int64) error {
	entries, err := fs.ReadDir(p.root.FS(), u.Node)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sum, count := u.Length, 1
	var old []upload
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".info")
		if !ok || id == u.id() {
			continue
		}
		other, err := p.load(u.Node, id)
		if err != nil {
			p.drop(u.Node, id)
			continue
		}
		sum += other.Length
		count++
		if p.quiet(u.Node, id) > idle {
			old = append(old, other)
		}
	}
	for _, o := range old {
		if sum <= most && count <= maxPartials {
			break
		}
		p.drop(o.Node, o.id())
		sum -= o.Length
		count--
	}
	if sum > most || count > maxPartials {
		return problem(http.StatusRequestEntityTooLarge, "quota",
			"%s has too much here that is not complete or not imported yet: complete uploads first, or wait a day", u.Node)
	}
	return nil
}

// quiet is how long nothing happened to an upload. The times are the file system's and this computer's.
func (p *uploads) quiet(node, id string) time.Duration {
	p.mu.Lock()
	_, busy := p.calls[node+"/"+id]
	p.mu.Unlock()
	if busy {
		return 0
	}
	quiet := time.Duration(1<<63 - 1)
	for _, name := range []string{infoName(node, id), partName(node, id)} {
		if info, err := p.root.Stat(name); err == nil {
			quiet = min(quiet, time.Since(info.ModTime()))
		}
	}
	return quiet
}

// sweep removes what is older than markerLife, at most once a day.
func (p *uploads) sweep() {
	p.mu.Lock()
	due := time.Since(p.swept) > idle
	if due {
		p.swept = time.Now()
	}
	p.mu.Unlock()
	if !due {
		return
	}
	fs.WalkDir(p.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < markerLife {
			return nil
		}
		node, id, _ := strings.Cut(name, "/")
		id, kind, _ := strings.Cut(id, ".")
		if kind == "info" || kind == "part" {
			if p.quiet(node, id) > markerLife {
				p.drop(node, id)
			}
			return nil
		}
		p.root.Remove(name)
		return nil
	})
}
