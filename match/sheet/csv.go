package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/omsync/omsync/match"
)

// columns are the columns of the file, in order.
var columns = [...]string{"table", "key_here", "key_there", "label_here", "label_there", "state", "evidence", "rows_waiting", "decision"}

const mark = "\uFEFF"

// WriteCSV writes lines of a report, with commas, in UTF-8. Where there are other characters than ASCII's, a byte order mark says so: without it,
// some spreadsheets take them for others.
func WriteCSV(w io.Writer, rows []Row) error {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.Write(columns[:])
	for _, r := range rows {
		out.Write([]string{cell(r.Table), cell(r.KeyHere), cell(r.KeyThere), cell(r.LabelHere), cell(r.LabelThere), cell(r.State), cell(r.Evidence),
			strconv.FormatInt(r.Waiting, 10), cell(r.Decision)})
	}
	if out.Flush(); out.Error() != nil {
		return out.Error()
	}
	if bytes.ContainsFunc(b.Bytes(), func(r rune) bool { return r >= utf8.RuneSelf }) {
		if _, err := io.WriteString(w, mark); err != nil {
			return err
		}
	}
	_, err := b.WriteTo(w)
	return err
}

// cell returns a text so that no spreadsheet takes it for a formula: with an apostrophe before it if it begins like one.
func cell(s string) string {
	if startsFormula(s) {
		return "'" + s
	}
	return s
}

// startsFormula reports whether a spreadsheet may take a text for a formula, or for one that was guarded.
func startsFormula(s string) bool {
	rest := strings.TrimLeftFunc(s, unicode.IsSpace)
	return s != "" && (rest != s || strings.ContainsAny(rest[:1], "=+-@'|%"))
}

// uncell takes back what cell did. Spreadsheets take the apostrophe away themselves, or keep it.
func uncell(s string) string {
	if rest, ok := strings.CutPrefix(s, "'"); ok && startsFormula(rest) {
		return rest
	}
	return s
}

const (
	maxFile  = 64 << 20 // bytes
	maxLines = 1_000_000
)

// ReadCSV reads the decisions in a file: of the lines that have one. Each error that it returns names its line.
func ReadCSV(r io.Reader) ([]match.Decision, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, fmt.Errorf("the file is larger than %d MiB: leave the lines with a decision, and the first one", maxFile>>20)
	}
	text = bytes.TrimPrefix(text, []byte(mark))
	if !utf8.Valid(text) {
		return nil, errors.New("the file is not in UTF-8: save it as CSV UTF-8")
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.Comma, in.FieldsPerRecord, in.LazyQuotes = separator(text), -1, true
	head, err := in.Read()
	if err != nil {
		return nil, errors.New("the file is empty: decide in the file that omsync match --csv writes")
	}
	place := map[string]int{}
	for i, name := range head {
		place[strings.ToLower(strings.TrimSpace(name))] = i
	}
	for _, name := range columns {
		if _, ok := place[name]; !ok && name != "evidence" && name != "rows_waiting" && name != "state" {
			return nil, fmt.Errorf("line 1: there is no column %s: decide in the file that omsync match --csv writes, and keep its first line", name)
		}
	}
	return readLines(in, place)
}

func readLines(in *csv.Reader, place map[string]int) (out []match.Decision, err error) {
	var wrong []error
	for n := 0; ; n++ {
		fields, err := in.Read()
		if err == io.EOF {
			return out, errors.Join(wrong...)
		}
		if err != nil {
			return nil, fmt.Errorf("the file is no CSV: %w", err)
		}
		if n >= maxLines {
			return nil, fmt.Errorf("the file has more than %d lines: leave the lines with a decision, and the first one", maxLines)
		}
		line, _ := in.FieldPos(0)
		field := func(name string) string {
			if i := place[name]; i < len(fields) {
				return uncell(fields[i])
			}
			return ""
		}
		said := strings.TrimSpace(field("decision"))
		if said == "" {
			continue
		}
		d := match.Decision{Table: strings.TrimSpace(field("table")), Here: strings.TrimSpace(field("key_here")), LabelHere: field("label_here"), Line: line}
		if d.Kind, d.There, err = parse(said); err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", line, err))
			continue
		}
		there := strings.TrimSpace(field("key_there"))
		if d.Kind == match.Apart {
			d.There = there
		}
		if d.Kind == match.Same && d.There == "" {
			d.There = there
		}
		if d.There == there {
			d.LabelThere = field("label_there")
		}
		out = append(out, d)
	}
}

// separator returns what stands between the fields: what the first line has most of.
func separator(text []byte) rune {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	best, n := ',', bytes.Count(first, []byte(","))
	for _, c := range ";\t" {
		if m := bytes.Count(first, []byte(string(c))); m > n {
			best, n = c, m
		}
	}
	return best
}

// parse reads a decision.
func parse(said string) (match.Kind, string, error) {
	words := strings.Fields(said)
	lower := strings.ToLower(strings.Join(words, " "))
	switch {
	case lower == "send":
		return match.Send, "", nil
	case lower == "keep apart":
		return match.Apart, "", nil
	case lower == "open":
		return match.Open, "", nil
	case lower == "same":
		return match.Same, "", nil
	case strings.HasPrefix(lower, "same as "):
		key := strings.TrimSpace(said)
		for range 2 { // the key may hold blanks
			key = strings.TrimLeftFunc(strings.TrimLeftFunc(key, func(r rune) bool { return !unicode.IsSpace(r) }), unicode.IsSpace)
		}
		return match.Same, key, nil
	case lower == "same as":
		return "", "", errors.New("same as which row? write same as KEY, with a key from the column key_there")
	}
	return "", "", fmt.Errorf("%.60q is no decision: write same as KEY, send, keep apart, or open to take one back; or leave the field empty", said)
}
