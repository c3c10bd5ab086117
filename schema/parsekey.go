package schema

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseLocalKey takes a local key apart: the values of the table's LocalColumns as [Column.Select] reads them in UTC; nil
// is NULL. A key that was cut for its length cannot be taken apart: an error.
func ParseLocalKey(t *Table, key string) ([][]byte, error) { return ParseKey(t.LocalColumns, key) }

// ParseKey takes apart what [KeySQL] made of these columns.
func ParseKey(columns []*Column, key string) ([][]byte, error) {
	if strings.Contains(key, "#") {
		return nil, errors.New("the key was too long to be kept whole")
	}
	parts := strings.Split(key, ",")
	if len(parts) != len(columns) {
		return nil, fmt.Errorf("the key has %d parts and the table %d", len(parts), len(columns))
	}
	out := make([][]byte, len(parts))
	for i, p := range parts {
		if p == "-" {
			continue
		}
		var err error
		switch keyPartKind(columns[i]) {
		case keyNumber:
			out[i] = []byte(p)
		case keyFloat:
			out[i], err = parseFloatPart(p)
		case keyBit:
			var n uint64
			n, err = strconv.ParseUint(p, 10, 64)
			size := (columns[i].bits() + 7) / 8
			out[i] = make([]byte, size)
			for b := size - 1; b >= 0; b-- {
				out[i][b] = byte(n)
				n >>= 8
			}
		case keyTime:
			whole, fraction, cut := strings.Cut(p, ".")
			var n int64
			n, err = strconv.ParseInt(whole, 10, 64)
			out[i] = []byte(time.Unix(n, 0).UTC().Format(time.DateTime))
			if n == 0 {
				out[i] = []byte("0000-00-00 00:00:00")
			}
			if cut {
				out[i] = append(append(out[i], '.'), fraction...)
			}
		default:
			out[i], err = hex.DecodeString(p)
			if out[i] == nil {
				out[i] = []byte{}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("read part %d of a key: %w", i+1, err)
		}
	}
	return out, nil
}

// parseFloatPart returns the number that a part with 30 decimal places stands for. A number that differs beyond them, or is larger than
// 35 digits before the point, cannot be told from its part.
func parseFloatPart(p string) ([]byte, error) {
	f, err := strconv.ParseFloat(p, 64)
	if err != nil {
		return nil, err
	}
	v := strconv.AppendFloat(nil, f, 'g', -1, 64)
	if string(appendFloat(nil, v)) != p || f != 0 && math.Abs(f) < 1e-13 || math.Abs(f) > 1e34 {
		return v, errInexact
	}
	return v, nil
}

// errInexact says that a key does not tell a value to the last digit.
var errInexact = errors.New("the key holds a number that is too small or too large to be kept whole")

// bits returns the width of a BIT column: bit(9) is 9.
func (c *Column) bits() int {
	_, width, _ := strings.Cut(c.FullType, "(")
	n, err := strconv.Atoi(strings.TrimRight(width, ")"))
	if err != nil {
		return 1
	}
	return n
}
