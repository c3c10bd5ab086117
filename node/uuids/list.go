package uuids

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/journal"
)

// ListName is the list's file in the home folder.
const ListName = "uuids.jsonl"

// maxLine is how long a line of a list may be, in bytes: a local key has 700, some of which JSON writes as six.
const maxLine = 16 << 10

// item is a line of a list: which row was given which uuid. The row is that of a database and of its copies alone.
type item struct {
	Table string `json:"table"`
	Int   int64  `json:"id,omitempty"`
	Key   []byte `json:"key,omitempty"` // of a row without an integer key: its local key
	UUID  string `json:"uuid"`          // 32 hexadecimal digits in groups, as RFC 9562 writes them
	// At is when it was given, in microseconds since 1970 UTC. Where it is taken from a list, the row counts as changed then, and not when
	// the list came: what the other site has changed since is later.
	At int64 `json:"at"`
	// Values is a digest of the other columns, which the uuid salts.
	Values []byte `json:"values"`
}

// place is where a row is in its database.
type place struct {
	table string
	journal.Row
}

func (x item) place() place { return place{x.Table, journal.Row{Int: x.Int, Key: string(x.Key)}} }

// list is the lines of a file, of each row the last.
type list map[place]item

// readList reads a list; an empty one if there is no such file and none need be. What a crash left of its last line counts for nothing.
func readList(path string, must bool) (list, error) {
	out := list{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the list of uuids: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF: // the whole lines are written before anything is given
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("read the list of uuids %s, line %d: %w", path, n, err)
		}
		var x item
		if err := json.Unmarshal(line, &x); err != nil || x.Table == "" || !isUUID(x.UUID) {
			return nil, fmt.Errorf("%s, line %d, is not a line of a list of uuids: give the %s of the home folder at the site where they were given", path, n, ListName)
		}
		out[x.place()] = x
	}
}

// isUUID reports whether s is what newUUID makes.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !bytes.ContainsRune([]byte("0123456789abcdef"), rune(c)) {
			return false
		}
	}
	return true
}

// add appends lines to the list of a home folder, which are on the disk when it returns. What is left of a line that a crash cut off goes.
func add(home string, items []item) error {
	if len(items) == 0 {
		return nil
	}
	var lines bytes.Buffer
	for _, x := range items {
		line, err := json.Marshal(x)
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	f, err := os.OpenFile(filepath.Join(home, ListName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("write down which uuids are given: %w", err)
	}
	end, err := wholeLines(f)
	if err == nil {
		if err = f.Truncate(end); err == nil {
			_, err = f.WriteAt(lines.Bytes(), end)
		}
	}
	if err == nil {
		err = durable.Synced(f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = durable.SyncDir(home)
	}
	if err != nil {
		return fmt.Errorf("write down which uuids are given: %w", err)
	}
	return nil
}

// wholeLines returns where the last whole line of a list ends.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return 0, err
	}
	tail := make([]byte, min(end, maxLine))
	if _, err := f.ReadAt(tail, end-int64(len(tail))); err != nil {
		return 0, err
	}
	at := bytes.LastIndexByte(tail, '\n')
	if at < 0 && end > int64(len(tail)) {
		return 0, fmt.Errorf("%s is not a list of uuids", f.Name())
	}
	return end - int64(len(tail)-at-1), nil
}
