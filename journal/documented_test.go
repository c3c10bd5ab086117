package journal

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// documented returns the columns that doc.go names, by table.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`^// (omsync_[a-z]+): `)
	column := regexp.MustCompile(`^//\t([a-z_]+(?:, [a-z_]+)*)(?: |$)`)
	out := map[string][]string{}
	table := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if m := heading.FindStringSubmatch(line); m != nil {
			table = m[1]
			out[table] = nil
		} else if m := column.FindStringSubmatch(line); m != nil {
			out[table] = append(out[table], strings.Split(m[1], ", ")...)
		}
	}
	return out
}
