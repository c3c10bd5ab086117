package journal

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/merge"
)

var update = flag.Bool("update", false, "write the golden files of the stored records anew")

// form is one kind of record as this omsync stores it, with its values behind any.
type form struct {
	name       string
	encode     func(any) ([]byte, error)
	decode     func([]byte) (any, error)
	ofFormat1  func([]byte) (any, error) // nil: format 1 had none
	values     *rapid.Generator[any]
	oneUnknown string // a record with a field that is not known, deep inside where there is an inside
}

func formOf[T any](name string, encode func(T) ([]byte, error), decode, ofFormat1 func([]byte) (T, error), values *rapid.Generator[T], oneUnknown string) form {
	boxed := func(f func([]byte) (T, error)) func([]byte) (any, error) {
		return func(b []byte) (any, error) { return f(b) }
	}
	f := form{name, func(v any) ([]byte, error) { return encode(v.(T)) }, boxed(decode), nil, values.AsAny(), oneUnknown}
	if ofFormat1 != nil {
		f.ofFormat1 = boxed(ofFormat1)
	}
	return f
}

func forms() []form {
	return []form{
		formOf("link", func(l merge.Link) ([]byte, error) { return encodeLink(&l) }, decodeLink,
			func(b []byte) (merge.Link, error) {
				l, err := linkOfFormat1(b)
				if err != nil {
					return merge.Link{}, err
				}
				return *l, nil
			}, rapid.Custom(drawLink), `{"version":1,"applied":{"epoch":1,"token":2,"mark":3}}`),
		formOf("requests", encodeRequests, decodeRequests, requestsOfFormat1, rapid.Custom(drawRequests), `{"version":1,"wants":{"person":3}}`),
		formOf("columns", encodeColumns, decodeColumns, columnsOfFormat1, rapid.Custom(drawColumns), `{"version":1,"columns":[{"name":"a","bit":1,"b":2}]}`),
		formOf("flow", encodeFlow, decodeFlow, flowOfFormat1, rapid.Custom(drawFlow), `{"version":1,"held":[]}`),
		formOf("made", encodeMade, decodeMade, nil, rapid.Custom(drawMade), `{"version":1,"created":""}`),
		formOf("heard", encodeHeard, decodeHeard, nil, rapid.Custom(drawHeard), `{"version":1,"history":1,"features":[]}`),
		formOf("content", encodeContent, decodeContent, nil, rapid.Custom(drawContent), `{"version":1,"references":{"a":{"table":"b","key":"c","text":"d"}}}`),
		formOf("used", encodeUsed, decodeUsed, nil, rapid.Custom(drawUsed), `{"version":1,"stopped":{"quota":"authors","why":""}}`),
		formOf("rules", encodeRules, decodeRules, nil, rapid.Custom(drawRules), `{"version":1,"told":{"obs":{"direction":"up","why":""}}}`),
		formOf("histories", encodeHistories, decodeHistories, historiesOfFormat1, rapid.Custom(drawHistories), `{"version":1,"earlier":[1]}`),
	}
}

// later are values of the records that format 1 did not have.
func later() map[string]any {
	plain, bytes, key, binaryKey := "a <b>", "\xff\x00", "w-1\x1ftag", "\xfe"
	return map[string]any{
		"used": access.Used{Amounts: access.Amounts{access.Authors: 12, access.ConflictBytes: 1<<64 - 1},
			Stopped: &access.OverQuota{Quota: access.Authors, Used: 12, More: 1<<64 - 2, Limit: 13}},
		"rules": Rules{Preset: access.Collect, Said: []access.Said{{Tables: "obs*", Direction: access.Up}, {Tables: "obs", Column: "place", Pattern: "x*", Direction: access.None}},
			Told:  map[string]access.Way{"person": {Direction: access.Up, Staff: true, NotUp: []string{"a"}, NotDown: []string{"b"}, Rows: []access.Rows{{Column: "c", Pattern: "d"}}}},
			Epoch: 7, History: 1<<64 - 1, Offered: true, Seen: map[string]access.Way{"obs": {Direction: access.Own}}, Allowed: map[string]access.Way{"obs": {Direction: access.Add}}},
		"made":  Made{Table: "2026-05-01 10:00:00", Triggers: "2026-05-01 10:00:01.25", Journal: "2026-05-01 09:00:00", Replaced: true, LastChange: 1<<64 - 1},
		"heard": features.Heard{Reads: []string{"rows-that-wait", "routes"}, History: 1<<64 - 1, Epoch: 1<<64 - 2, Time: 1779494400000000},
		"content": Content{"name": {Text: &plain}, "note": {}, "scan": {Text: &bytes}, "ward_id": {Text: &key, Table: "ward_tag"},
			"value": {Text: &binaryKey, Table: "concept"}},
	}
}

// What a peer's headers said, and rows that were deleted, are of later formats only. Each golden file of format 1 was written by the program of then, with every field filled. The upgrade makes of it what the golden file
// of this format has, and that reads back as the same.
func TestRecordsAreAsTheGoldenFilesHaveThem(t *testing.T) {
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			old := later()[f.name]
			if f.ofFormat1 != nil {
				var err error
				if old, err = f.ofFormat1(golden(t, f.name+"_1")); err != nil {
					t.Fatal(err)
				}
			}
			got, err := f.encode(old)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", f.name+".golden")
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want := golden(t, f.name)
			if !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			back, err := f.decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, old) {
				t.Errorf("got  %+v\nwant %+v", back, old)
			}
		})
	}
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b, []byte("\n"))
}

func TestRecordsReadBackAsTheyWere(t *testing.T) {
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				v := f.values.Draw(t, "value")
				b, err := f.encode(v)
				if err != nil {
					t.Fatal(err)
				}
				got, err := f.decode(b)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, v) {
					t.Fatalf("got  %+v\nwant %+v\nfrom %s", got, v, b)
				}
			})
		})
	}
}

func TestRecordsThatAreNotRead(t *testing.T) {
	for _, f := range forms() {
		good := string(golden(t, f.name))
		bad := map[string]string{
			"nothing":                   "",
			"null":                      "null",
			"no version":                strings.Replace(good, `"version":1,`, "", 1),
			"version 0":                 strings.Replace(good, `"version":1`, `"version":0`, 1),
			"a field that is not known": f.oneUnknown,
			"a field at the end":        strings.TrimSuffix(good, "}") + `,"later":1}`,
			"something after it":        good + "{}",
			"half of it":                good[:len(good)-1],
		}
		if f.ofFormat1 != nil {
			bad["format 1"] = string(golden(t, f.name+"_1"))
		}
		for what, b := range bad {
			if v, err := f.decode([]byte(b)); err == nil {
				t.Errorf("%s, %s: passed as %+v", f.name, what, v)
			}
		}
		_, err := f.decode([]byte(`{"version":2,"later":1}`))
		var newer *newerRecordError
		if !errors.As(err, &newer) || !strings.Contains(err.Error(), "install the newer omsync") {
			t.Errorf("%s of version 2: %v", f.name, err)
		}
	}
}

func TestFormat1ThatIsNotRead(t *testing.T) {
	for _, f := range forms() {
		if f.ofFormat1 == nil {
			continue
		}
		for what, b := range map[string]string{
			"nothing":              "",
			"of this format":       string(golden(t, f.name)),
			"something after it":   string(golden(t, f.name+"_1")) + " 1",
			"another kind of JSON": `"text"`,
		} {
			if v, err := f.ofFormat1([]byte(b)); err == nil {
				t.Errorf("%s, %s: passed as %+v", f.name, what, v)
			}
		}
	}
}

// No field of a link is left out: a link with every field set comes back, and the golden file of format 1 sets every field. Only the
// imports have a table of their own.
func TestNoFieldOfALinkIsForgotten(t *testing.T) {
	var l merge.Link
	n := uint64(0)
	fill(reflect.ValueOf(&l).Elem(), &n)
	l.Imports = nil
	b, err := encodeLink(&l)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeLink(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, l) {
		t.Errorf("got  %+v\nwant %+v", got, l)
	}
	old, err := linkOfFormat1(golden(t, "link_1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []merge.Link{got, *old} {
		v.Imports = []merge.AppliedBatch{{Position: merge.Position{Epoch: 1, Token: 1}, OwnEpoch: 1}}
		v.Sending.Bytes, v.Sending.Again, v.Sending.At, v.Doubted = 1, 1, 1, true
		v.Copies = merge.Copies{Displaced: []uint64{1}, Rival: merge.Rival{History: 1, Epoch: 1, At: 1}, GivenUp: []uint64{1}} // format 1 had none of them
		set(t, "Link", reflect.ValueOf(v))
	}
}

// fill gives every field another value that is not zero.
func fill(v reflect.Value, n *uint64) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(*n)
	case reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.SetMapIndex(key, value)
	default:
		panic("fill: " + v.Type().String())
	}
}

// set finds fields that are zero.
func set(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			set(t, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	} else if v.IsZero() {
		t.Errorf("%s is not set", path)
	}
}

// The record of a row is at most a third longer than its values, whatever they hold.
func TestContentDoesNotGrow(t *testing.T) {
	for _, pattern := range []string{"\x01", `"`, `\`, "<a>", "x", "\xff", "\n", "ab\x02cd", "é"} {
		text := strings.Repeat(pattern, 100_000)
		c := Content{"body": {Text: &text}}
		b, err := encodeContent(c)
		if err != nil {
			t.Fatal(err)
		}
		if 3*len(b) > 4*c.Size() {
			t.Errorf("%q: %d bytes of record, its size is said to be %d", pattern, len(b), c.Size())
		}
		back, err := decodeContent(b)
		if err != nil || *back["body"].Text != text {
			t.Errorf("%q does not come back: %v", pattern, err)
		}
	}
}
