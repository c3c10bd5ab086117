package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/durable"
)

// FormerName is the folder, in that of a node's keys, with the keys that it had before: a folder for each pair, named after the time when another
// came in its place, in microseconds since 1970 UTC.
const FormerName = "former-keys"

// nextName is the folder with new keys until they stand in the place of the old ones.
const nextName = "next-keys"

// maxFormer bounds how many former pairs are read.
const maxFormer = 256

// Former is keys that a node had before.
type Former struct {
	*Identity
	Until time.Time // when others came in their place
}

// Former returns the keys that the node had before, the latest first.
func (id *Identity) Former() []Former { return id.former }

// Kind returns the kind of the age identity.
func (id *Identity) Kind() Kind {
	if strings.HasPrefix(id.age.recipient, "age1pq1") {
		return Hybrid
	}
	return X25519
}

// Rotate makes new keys for node name, whose keys are in dir, and puts them in the place of the old ones, which it keeps: see [Identity.Former].
// at is when. A run that is killed leaves either the old keys or the new ones; what is left to do, the next Rotate does.
func Rotate(dir, name string, kind Kind, at time.Time) (*Identity, error) {
	return rotate(dir, name, kind, at, func(string) error { return nil })
}

// rotate is Rotate with a way to stop after each step, which has a name.
func rotate(dir, name string, kind Kind, at time.Time, step func(string) error) (*Identity, error) {
	if err := finish(dir, name, step); err != nil {
		return nil, fmt.Errorf("end an earlier rotation of keys: %w", err)
	}
	old, err := Load(dir, name)
	if err != nil {
		return nil, err
	}
	if len(old.former) > 0 && !at.After(old.former[0].Until) { // the clock was set back
		at = old.former[0].Until.Add(time.Microsecond)
	}
	if err := keepPair(dir, name, old.Card(), at, step); err != nil {
		return nil, fmt.Errorf("keep the old keys: %w", err)
	}
	making := filepath.Join(dir, nextName+".new")
	if err := os.RemoveAll(making); err != nil { // of a run that was killed: nobody has seen them
		return nil, err
	}
	if _, err := Create(making, name, kind); err != nil {
		return nil, err
	}
	if err := step("made"); err != nil {
		return nil, err
	}
	if err := moveDir(making, filepath.Join(dir, nextName)); err != nil {
		return nil, fmt.Errorf("put the new keys in their place: %w", err)
	}
	if err := step("taken"); err != nil {
		return nil, err
	}
	if err := finish(dir, name, step); err != nil {
		return nil, fmt.Errorf("put the new keys in their place: %w", err)
	}
	return Load(dir, name)
}

// keepPair copies the pair in dir to the former ones.
func keepPair(dir, name string, present Card, at time.Time, step func(string) error) error {
	all := filepath.Join(dir, FormerName)
	if err := os.MkdirAll(all, dirMode); err != nil {
		return err
	}
	times, err := formerTimes(dir)
	if err != nil {
		return err
	}
	for _, t := range times { // a run was killed that had come so far
		if id, err := loadPair(name, inFolder(formerFolder(dir, t))); err == nil && id.Card().Fingerprint() == present.Fingerprint() {
			return moveDir(formerFolder(dir, t), formerFolder(dir, at))
		}
	}
	making := filepath.Join(all, "new")
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := os.Mkdir(making, dirMode); err != nil {
		return err
	}
	agePath, pemPath := Files(dir, name)
	for _, path := range []string{agePath, pemPath} {
		b, err := readPrivate(path)
		if err != nil {
			return err
		}
		if err := durable.Create(filepath.Join(making, filepath.Base(path)), b, fileMode); err != nil {
			return err
		}
	}
	if err := durable.SyncDir(making); err != nil {
		return err
	}
	if err := step("copied"); err != nil {
		return err
	}
	if err := moveDir(making, formerFolder(dir, at)); err != nil {
		return err
	}
	return errors.Join(durable.SyncDir(dir), step("kept"))
}

func moveDir(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(to))
}

// finish moves new keys that are whole into the place of the old ones.
func finish(dir, name string, step func(string) error) error {
	next := filepath.Join(dir, nextName)
	if _, err := os.Lstat(next); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	agePath, pemPath := Files(dir, name)
	for _, path := range []string{pemPath, agePath} {
		if err := os.Rename(filepath.Join(next, filepath.Base(path)), path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := step("moved " + filepath.Base(path)); err != nil {
			return err
		}
	}
	if err := durable.SyncDir(dir); err != nil {
		return err
	}
	if err := os.Remove(next); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// formerTimes returns when each former pair was replaced, the latest first. What is no pair's folder is passed over.
func formerTimes(dir string) ([]time.Time, error) {
	entries, err := os.ReadDir(filepath.Join(dir, FormerName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []time.Time
	for _, e := range entries {
		if at, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && e.IsDir() {
			out = append(out, time.UnixMicro(at))
		}
	}
	if len(out) > maxFormer {
		return nil, fmt.Errorf("%s holds more than %d pairs of keys", filepath.Join(dir, FormerName), maxFormer)
	}
	slices.SortFunc(out, func(a, b time.Time) int { return b.Compare(a) })
	return out, nil
}

// loadFormer reads the former keys of node name, the latest first, but for a copy of the present ones: a run was killed then.
func loadFormer(dir, name string, present Card) ([]Former, error) {
	times, err := formerTimes(dir)
	if err != nil {
		return nil, err
	}
	var out []Former
	for _, at := range times {
		folder := formerFolder(dir, at)
		id, err := loadPair(name, inFolder(folder))
		if err != nil {
			return nil, fmt.Errorf("former keys (hint: if they are of no use any more, move %s away): %w", folder, err)
		}
		if id.Card().Fingerprint() != present.Fingerprint() {
			out = append(out, Former{id, at})
		}
	}
	return out, nil
}

func inFolder(dir string) func(file string) string {
	return func(file string) string { return filepath.Join(dir, file) }
}

func formerFolder(dir string, until time.Time) string {
	return filepath.Join(dir, FormerName, strconv.FormatInt(until.UnixMicro(), 10))
}

// Forget removes former keys. What is encrypted to them alone cannot be read any more.
func Forget(dir string, f Former) error {
	if err := os.RemoveAll(formerFolder(dir, f.Until)); err != nil {
		return fmt.Errorf("remove former keys: %w", err)
	}
	return nil
}
