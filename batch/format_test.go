package batch

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestFormatExamples packs each worked example of FORMAT.md, and reads it.
func TestFormatExamples(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]Kind{"bytes": KindBytes, "text": KindText, "int": KindInt, "decimal": KindDecimal, "datetime": KindDateTime, "date": KindDate, "uuid": KindUUID}
	examples := regexp.MustCompile(`(?m)^    (\w+) (\[.*\]) ([=<]) ([0-9a-f ]+)$`).FindAllStringSubmatch(string(text), -1)
	if len(examples) < 15 {
		t.Fatalf("only %d examples found", len(examples))
	}
	for _, e := range examples {
		want, err := hex.DecodeString(strings.ReplaceAll(e[4], " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", e[0], err)
		}
		d := &in{r: bufio.NewReader(bytes.NewReader(want)), budget: MaxHeld}
		var encode func(p *packer)
		if e[1] == "series" || e[1] == "refs" {
			var v []uint64
			if err := json.Unmarshal([]byte(e[2]), &v); err != nil {
				t.Fatalf("%s: %v", e[0], err)
			}
			encode = func(p *packer) { p.series(v) }
			read := func() []uint64 { return d.series("series", len(v)) }
			if e[1] == "refs" {
				var refs []uint32
				for _, x := range v {
					refs = append(refs, uint32(x))
				}
				encode = func(p *packer) { p.column(KindInt, Values{Refs: refs}) }
				read = func() []uint64 { return widen(new([]uint64), d.column(len(v)).Refs) }
			}
			if got := read(); !reflect.DeepEqual(got, v) {
				t.Errorf("%s reads as %d, %v", e[0], got, d.err)
			}
		} else {
			var strs []*string
			if err := json.Unmarshal([]byte(e[2]), &strs); err != nil {
				t.Fatalf("%s: %v", e[0], err)
			}
			v := make([][]byte, len(strs))
			for i, s := range strs {
				if s != nil {
					v[i] = []byte(*s)
				}
			}
			encode = func(p *packer) { p.column(kinds[e[1]], Values{Bytes: v}) }
			if got := d.column(len(v)).Bytes; !reflect.DeepEqual(got, v) {
				t.Errorf("%s reads as %q, %v", e[0], got, d.err)
			}
		}
		if rest, err := io.ReadAll(d.r); err != nil || d.err != nil || len(rest) > 0 {
			t.Errorf("%s: %v, %v, %d bytes left", e[0], err, d.err, len(rest))
		}
		if e[3] == "<" {
			continue
		}
		b, err := io.ReadAll(decoder(encode).r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, want) {
			t.Errorf("%s %s = % x", e[1], e[2], b)
		}
	}
}

// TestFormatLimits looks for every limit in FORMAT.md.
func TestFormatLimits(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"1,048,576", "65,536", "4,194,304", "67,108,864", "4,096", "253402300799999999", Domain[:len(Domain)-1]} {
		if !strings.Contains(string(text), limit) {
			t.Errorf("FORMAT.md does not say %q", limit)
		}
	}
}
