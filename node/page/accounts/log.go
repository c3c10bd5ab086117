package accounts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Entry is one thing that somebody did or looked at.
type Entry struct {
	At   time.Time `json:"at"`
	Who  string    `json:"who"`
	From string    `json:"from,omitempty"` // the address of the computer
	What string    `json:"what"`
	// Result is what came of it: nothing yet, done, or why not.
	Result string `json:"result,omitempty"`
}

// Bounds of an entry's texts and of what is read of the log, in bytes.
const (
	maxText = 4 << 10 // an act on a hundred rows
	maxTail = 256 << 10
)

func (a *Accounts) log() string { return filepath.Join(a.folder, "audit.jsonl") }

// LogPath returns the file of the log: a line of JSON for each entry. The program never changes what is in it.
func (a *Accounts) LogPath() string { return a.log() }

// Note appends an entry, which is on the disk when it returns.
func (a *Accounts) Note(e Entry) error {
	e.At = a.Now().UTC().Truncate(time.Millisecond)
	for _, s := range []*string{&e.Who, &e.From, &e.What, &e.Result} {
		*s = (*s)[:min(len(*s), maxText)]
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(a.log(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// Last returns the last entries, the newest first, n at most. A line that cannot be read, such as one that a power cut halved, is left out.
func (a *Accounts) Last(n int) (out []Entry, err error) {
	f, err := os.Open(a.log())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	from := max(0, info.Size()-maxTail)
	b, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	lines := bytes.Split(b, []byte("\n"))
	for i := len(lines) - 1; i >= 0 && len(out) < n; i-- {
		var e Entry
		if json.Unmarshal(lines[i], &e) == nil {
			out = append(out, e)
		}
	}
	return out, nil
}
