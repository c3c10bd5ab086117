package batch

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestKinds packs columns of values that fit, that nearly fit and that do not,
// under every kind, alone and among others.
func TestKinds(t *testing.T) {
	hard := texts("\x00", "", "0", "-0", "00", "+1", "-1", "1.", ".5", "0.5", "-0.5", "-0.0", "00.5", "36.60", "1e5", " 1", "1 ",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "99999999999999999999",
		"999999999999999999", "1000000000000000000", "0.000000000000000001", "-123456789012345.678", "0.0000000000000000000",
		"0000-00-00", "2024-02-31", "9999-12-31", "2024-13-01", "2024-12-32", "2024-1-01", "20240-1-01", "2024-01-01 ",
		"0000-00-00 00:00:00", "2024-02-29 23:59:59", "2024-02-29 24:00:00", "2024-02-29 23:60:00", "2024-02-29 23:59:60", "2024-02-29T23:59:59",
		"2024-02-29 23:59:59.", "2024-02-29 23:59:59.1", "2024-02-29 23:59:59.000001", "2024-02-29 23:59:59.0000001", "9999-12-31 23:59:59.999999",
		"-838:59:59", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8xx",
		"6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b8109dad11d180b400c04fd430c8", "1234AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"------------------------------------", "a\x00b", "\xff\xfe", strings.Repeat("x", 1000))
	for kind := range Kind(9) {
		for _, v := range hard {
			roundTrip(t, kind, [][]byte{v})
			for _, other := range hard {
				roundTrip(t, kind, [][]byte{v, other})
				roundTrip(t, kind, [][]byte{other, v, v, v, v, nil, v, v, v})
			}
		}
		roundTrip(t, kind, hard)
		roundTrip(t, kind, append(bytes.Split(bytes.Repeat([]byte("x,yy,"), 500), []byte(",")), hard...))
	}
}

func roundTrip(t interface{ Fatalf(string, ...any) }, kind Kind, v [][]byte) {
	d := decoder(func(p *packer) { p.column(kind, Values{Bytes: v}) })
	got := d.column(len(v))
	if d.err != nil || !reflect.DeepEqual(got.Bytes, v) {
		t.Fatalf("kind %d: %q came back as %q, %v", kind, v, got.Bytes, d.err)
	}
	if _, err := d.r.ReadByte(); err == nil {
		t.Fatalf("kind %d: %q leaves bytes behind", kind, v)
	}
}

func TestSeries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(
			rapid.SliceOfN(rapid.Uint64(), 0, 50),
			rapid.SliceOfN(rapid.Uint64Range(0, 3), 0, 500),
			rapid.SliceOfN(rapid.SampledFrom([]uint64{0, 1, math.MaxUint64, math.MaxInt64, 1 << 63, 1 << 40}), 0, 100),
			rapid.Map(rapid.SliceOfN(rapid.Uint64Range(0, 1000), 0, 300), func(v []uint64) []uint64 {
				for i := 1; i < len(v); i++ {
					v[i] += v[i-1] - 300 // below zero too
				}
				return v
			}),
		).Draw(t, "series")
		d := decoder(func(p *packer) { p.series(v) })
		got := d.series("series", len(v))
		if d.err != nil || len(got) != len(v) || len(v) > 0 && !reflect.DeepEqual(got, v) {
			t.Fatalf("%d came back as %d, %v", v, got, d.err)
		}
	})
}

// TestEncodings makes sure that the columns for which encodings exist use them.
func TestEncodings(t *testing.T) {
	random := func(format string) [][]byte {
		v := make([][]byte, 300)
		for i := range v {
			v[i] = fmt.Appendf(nil, format, i*7919%1000, i*31%10)
		}
		return v
	}
	var uuids [][]byte
	for i := range 300 {
		uuids = append(uuids, []byte(uuid(fmt.Sprint(i))))
	}
	few := random("%[2]d hundred patients")
	nulls := random("%d%d")
	nulls[7] = nil
	for _, c := range []struct {
		kind Kind
		v    [][]byte
		want int
	}{
		{KindText, texts("a", "a", "a"), encConst},
		{KindText, texts("\x00", "\x00"), encConst},
		{KindText, random("text %d of %d"), encPlain},
		{KindText, few, encDict},
		{KindInt, nulls, encSplit},
		{KindInt, random("-1%d%d"), encInt},
		{KindDecimal, random("%d.%d"), encDecimal},
		{KindDateTime, random("2%03d-12-31 23:59:5%d"), encDateTime},
		{KindDateTime, random("2024-12-31 23:59:59.%03d%d"), encDateTime},
		{KindDate, random("2%03d-12-3%[2]d")[:2], encDate},
		{KindUUID, uuids, encUUID},
		{KindBytes, uuids, encUUID},
		{KindUUID, append(texts("1234AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), uuids...), encSplit},
	} {
		d := decoder(func(p *packer) { p.column(c.kind, Values{Bytes: c.v}) })
		d.array("column", 1, 4)
		if enc := d.uint("encoding", 99); enc != uint64(c.want) || d.err != nil {
			t.Errorf("kind %d, %q…: encoding %d, want %d", c.kind, c.v[0], enc, c.want)
		}
	}
}
