package openmrs

import (
	"fmt"
	"strconv"
	"strings"

	data "github.com/omsync/omsync/testdata/openmrs"
)

// concept is a line of concepts.tsv.
type concept struct {
	number                 int
	class, datatype        string
	name, french, swahili  string
	extra                  string
	low, high              float64 // of a numeric concept
	units                  string
	decimals               int
	answers, members, pack []string // of a coded concept, a set, a drug
}

// concepts reads the dictionary that every site has.
func concepts() []concept {
	lines := strings.Split(strings.TrimSpace(data.Concepts), "\n")[1:]
	list := make([]concept, len(lines))
	for i, line := range lines {
		f := strings.Split(line, "\t")
		c := concept{class: f[1], datatype: f[2], name: f[3], french: f[4], swahili: f[5], extra: f[6]}
		c.number = atoi(f[0])
		switch {
		case c.datatype == "Numeric":
			x := strings.Split(c.extra, "|")
			c.low, c.high, c.units, c.decimals = atof(x[0]), atof(x[1]), x[2], atoi(x[3])
		case c.datatype == "Coded":
			c.answers = strings.Split(c.extra, ";")
		case strings.HasSuffix(c.class, "Set"):
			c.members = strings.Split(c.extra, ";")
		case c.class == "Drug":
			c.pack = strings.Split(c.extra, ";")
		}
		list[i] = c
	}
	for i, c := range list { // "@Diagnosis": every concept of that class
		if class, ok := strings.CutPrefix(c.extra, "@"); ok {
			list[i].answers = namesOf(list, class)
		}
	}
	return list
}

// namesOf are the names of the concepts of a class.
func namesOf(list []concept, class string) []string {
	var names []string
	for _, c := range list {
		if c.class == class {
			names = append(names, c.name)
		}
	}
	return names
}

// uuid is of one of the shapes seen in the field: the dictionaries that most sites took over number their concepts
// 1001AAAA… (36 characters, not RFC 4122), and some uuids are in upper case.
func (c concept) uuid() string {
	switch c.number % 5 {
	case 0:
		return metadataUUID("concept", c.name)
	case 1:
		return strings.ToUpper(metadataUUID("concept", c.name))
	}
	n := strconv.Itoa(c.number)
	return n + strings.Repeat("A", 36-len(n))
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(fmt.Sprintf("openmrs: concepts.tsv: %v", err))
	}
	return n
}

func atof(s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(fmt.Sprintf("openmrs: concepts.tsv: %v", err))
	}
	return n
}
