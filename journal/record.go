package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What has no columns of its own is stored as a record: JSON with a version, names of its own and no field that is not known. The
// types of merge may change their names; a record changes only with its version, and the upgrade of the tables reads the old one
// (see upgrade.go). Each record has a file testdata/NAME.golden.

// recordVersion is the version of every record of formats 2 to 5.
const recordVersion = 1

// newerRecordError means that a record is of a later version than this omsync knows.
type newerRecordError struct {
	name           string
	version, known int
}

func (e *newerRecordError) Error() string {
	return fmt.Sprintf("the stored %s is of version %d, and this omsync knows up to %d: install the newer omsync that wrote it", e.name, e.version, e.known)
}

// encodeRecord returns a record as it is stored.
func encodeRecord(name string, record any) ([]byte, error) {
	b, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("write the stored %s: %w", name, err)
	}
	return b, nil
}

// decodeRecord reads a stored record of the given version into a pointer to its struct. A newer version is a *newerRecordError; an
// unknown field, anything after the record and a record without a version are errors too: to go on with half of what was stored
// would be worse than to stop.
func decodeRecord(name string, version int, b []byte, into any) error {
	var tag struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &tag); err != nil {
		return fmt.Errorf("read the stored %s: %w", name, err)
	}
	switch {
	case tag.Version > version:
		return &newerRecordError{name, tag.Version, version}
	case tag.Version < version:
		return fmt.Errorf("read the stored %s: it is of version %d, not %d", name, tag.Version, version)
	}
	if err := decodeStrictly(b, into); err != nil {
		return fmt.Errorf("read the stored %s: %w", name, err)
	}
	return nil
}

// decodeStrictly reads JSON that has no field which into lacks, and nothing after it.
func decodeStrictly(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}
