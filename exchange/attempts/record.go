package attempts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/durable"
)

// name is the record's in a home folder, version the one that this program writes.
const (
	name    = "attempts.json"
	version = 1
)

// maxFiles is how many files of a kind are remembered. Of more, those that were tried longest ago are forgotten.
const maxFiles = 1024

// maxWhy bounds what is kept of a reason, in bytes.
const maxWhy = 1000

// died is the reason of an attempt that never ended.
const died = "the program ended while it was at work on this file"

// File is what is remembered of a file. Times are UTC; zero: never.
type File struct {
	Size   int64     `json:"size,omitempty"`   // bytes: another file of the name has another size
	Sender string    `json:"sender,omitempty"` // the peer that it is from
	Failed int       `json:"failed,omitempty"` // attempts that failed, one that is under way included
	Shaken int       `json:"shaken,omitempty"` // attempts that ended for a reason that is not the file's, as far as is known
	Last   time.Time `json:"last,omitzero"`    // when the last attempt that counts began
	Why    string    `json:"why,omitempty"`    // what the last one found
	// Dropped: a person threw it away, and it is not taken again.
	Dropped bool `json:"dropped,omitempty"`
	// Deletions are too many for the file to be applied before a person has agreed to them; none: it waits for nobody.
	Deletions []Deletions `json:"deletions,omitempty"`
	// UnderWay: an attempt has begun, and nobody has said how it ended.
	UnderWay bool `json:"under_way,omitempty"`
}

// Deletions are what a file deletes of one table.
type Deletions struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`           // that it deletes
	Of    int64  `json:"of"`             // that the table had
	Since int64  `json:"since,omitzero"` // that its sender deleted in the day before
}

// Trouble reports whether an attempt at the file did not end well.
func (f File) Trouble() bool { return f.Failed+f.Shaken > 0 }

// Record is what a home folder remembers of attempts. Without it every file is tried anew, which does no harm but takes time. So one
// that is damaged or of a newer version is passed over. Two runs must not change it at once: the node's lock is for that.
type Record struct {
	// Files that were to be applied: by name those of the inbox, by path those of other folders.
	Files map[string]File
	// Fetches are files in stores that came damaged.
	Fetches map[string]File
	// Owed is how many rows that wait are to be tried again: see [Turn].
	Owed int64

	path    string
	changed bool
	before  map[string]File // those under way, as they were
}

type content struct {
	Version int             `json:"omsync_attempts"`
	Files   map[string]File `json:"files,omitempty"`
	Fetches map[string]File `json:"fetches,omitempty"`
	Owed    int64           `json:"owed,omitempty"`
}

// Read reads the record of a home folder. Of one without it the record is empty.
func Read(home string) (*Record, error) {
	r := &Record{path: filepath.Join(home, name), before: map[string]File{}}
	b, err := os.ReadFile(r.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the record of attempts: %w", err)
	}
	var c content
	if err != nil || json.Unmarshal(b, &c) != nil || c.Version != version {
		c = content{}
	}
	r.Files, r.Fetches, r.Owed = c.Files, c.Fetches, c.Owed
	if r.Files == nil {
		r.Files = map[string]File{}
	}
	if r.Fetches == nil {
		r.Fetches = map[string]File{}
	}
	for key, f := range r.Files {
		if f.UnderWay {
			f.UnderWay, f.Why = false, died
			r.Files[key], r.changed = f, true
		}
	}
	return r, nil
}

// Of returns what is remembered of a file, which has this size.
func (r *Record) Of(key string, size int64) File {
	if f := r.Files[key]; f.Size == size {
		return f
	}
	return File{Size: size}
}

// Begin counts an attempt, on the disk when it returns. Exactly one of Done, Failed, Asks and NotTheFile ends it.
func (r *Record) Begin(key string, size int64, sender string, now time.Time) error {
	f := r.Of(key, size)
	r.before[key] = f
	f.Sender, f.UnderWay, f.Last = sender, true, now.UTC().Truncate(time.Second)
	f.Failed++
	r.Files[key], r.changed = f, true
	return r.Save()
}

// Done ends an attempt at a file that is of no more concern.
func (r *Record) Done(key string) {
	delete(r.before, key)
	r.Forget(key)
}

// Failed ends an attempt that failed, and returns what is known of the file.
func (r *Record) Failed(key, why string) File {
	delete(r.before, key)
	f := r.Files[key]
	f.UnderWay, f.Why, f.Deletions = false, bounded(why), nil
	r.Files[key], r.changed = f, true
	return f
}

// Asks ends an attempt at a file that is not applied before a person has agreed to what it deletes. It does not count.
func (r *Record) Asks(key, why string, deletions []Deletions) {
	f, before := r.Files[key], r.before[key]
	delete(r.before, key)
	f.UnderWay, f.Failed, f.Why, f.Deletions = false, before.Failed, bounded(why), deletions
	r.Files[key], r.changed = f, true
}

// Asking returns the files of a sender that wait for a person, by name.
func (r *Record) Asking(sender string) (keys []string) {
	for key, f := range r.Files {
		if f.Sender == sender && f.Deletions != nil && !f.Dropped {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Ending is why an attempt that says nothing of the file ended.
type Ending uint8

const (
	Untouched   Ending = iota // somebody ended the run, or another file must come first
	NoServer                  // the database is gone: nobody knows whether the file is why
	ServersLack               // the database answers, and lacks room or memory, or rows that the file takes to be there, or holds locks
)

// NotTheFile ends an attempt that does not count.
func (r *Record) NotTheFile(key string, how Ending) {
	f, now := r.before[key], r.Files[key].Last
	delete(r.before, key)
	f.Sender = r.Files[key].Sender
	if how != Untouched {
		f.Shaken++
	}
	if how == ServersLack {
		f.Last = now
	}
	if f.Trouble() || f.Deletions != nil {
		r.Files[key] = f
	} else {
		delete(r.Files, key)
	}
	r.changed = true
}

// Put remembers a file as it is now.
func (r *Record) Put(key string, f File) { r.Files[key], r.changed = f, true }

// Forget forgets a file.
func (r *Record) Forget(key string) {
	if _, ok := r.Files[key]; ok {
		delete(r.Files, key)
		r.changed = true
	}
}

// FetchFailed counts a file in a store that came damaged.
func (r *Record) FetchFailed(key, sender, why string, now time.Time) {
	f := r.Fetches[key]
	f.Sender, f.Why, f.Last = sender, bounded(why), now.UTC().Truncate(time.Second)
	f.Failed++
	r.Fetches[key], r.changed = f, true
}

// Turn is [Turn] for what the record says is owed, which it keeps.
func (r *Record) Turn(cameIn, waiting int64) int64 {
	rows, left := Turn(r.Owed, cameIn, waiting)
	r.changed = r.changed || left != r.Owed
	r.Owed = left
	return rows
}

// Fetched forgets what came damaged before.
func (r *Record) Fetched(key string) {
	if _, ok := r.Fetches[key]; ok {
		delete(r.Fetches, key)
		r.changed = true
	}
}

// ForgetElsewhere forgets all that is not in the home folder: what came damaged in stores, and files of other folders.
func (r *Record) ForgetElsewhere() {
	r.changed = r.changed || len(r.Fetches) > 0
	clear(r.Fetches)
	for key := range r.Files {
		if Elsewhere(key) {
			r.Forget(key)
		}
	}
}

// Elsewhere reports whether a key of Files is a path, and not a name in the inbox.
func Elsewhere(key string) bool { return strings.ContainsRune(key, filepath.Separator) }

// NextDue returns when the first of the files that wait for their turn is due; zero: none waits.
func (r *Record) NextDue(now time.Time) time.Time {
	var first time.Time
	for _, f := range r.Files {
		if verdict, at := f.Judge(now); verdict == Wait && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// Save writes the record, if it changed.
func (r *Record) Save() error {
	if !r.changed {
		return nil
	}
	bound(r.Files)
	bound(r.Fetches)
	b, err := json.MarshalIndent(content{version, r.Files, r.Fetches, r.Owed}, "", "\t")
	if err != nil {
		return err
	}
	if err := durable.Write(r.path, b, 0o600); err != nil {
		return fmt.Errorf("write the record of attempts: %w", err)
	}
	r.changed = false
	return nil
}

// bounded returns a reason that is not too long.
func bounded(why string) string { return strings.ToValidUTF8(why[:min(len(why), maxWhy)], "") }

// bound forgets the files that were tried longest ago if there are too many.
func bound(files map[string]File) {
	for len(files) > maxFiles {
		oldest, found := "", false
		for key, f := range files {
			if !f.UnderWay && (!found || f.Last.Before(files[oldest].Last)) {
				oldest, found = key, true
			}
		}
		if !found {
			return
		}
		delete(files, oldest)
	}
}
