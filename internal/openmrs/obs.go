package openmrs

import (
	"fmt"
	"math"
	"time"
)

// questions are the concepts that observations are about, with this database's integers.
type questions struct {
	numeric    []numericQuestion
	coded      []codedQuestion
	boolean    []id
	text       []id
	dates      []id
	complex    []id
	panels     []panel
	blood      panel // the one that test orders ask for
	medication id    // "Medication ordered"
	yes, no    id
	diagnoses  []string

	drugs       []drug
	frequencies []id
	last        id // the newest observation
}

type numericQuestion struct {
	id        id
	low, high float64
	decimals  int
}

type codedQuestion struct {
	id             id
	answers, names []id // names may be 0
}

type panel struct {
	id      id
	members []numericQuestion
}

type drug struct{ id, concept id }

// ask looks up the questions in the dictionary.
func (c *clinic) ask() {
	byName := map[string]numericQuestion{}
	for _, k := range c.dictionary {
		n := c.concept(k.name)
		switch {
		case k.datatype == "Numeric":
			q := numericQuestion{n, k.low, k.high, k.decimals}
			byName[k.name] = q
			c.numeric = append(c.numeric, q)
		case k.name == "Medication ordered":
			c.medication = n
		case k.datatype == "Coded":
			q := codedQuestion{id: n}
			for _, a := range k.answers {
				q.answers = append(q.answers, c.concept(a))
				q.names = append(q.names, c.get("concept_name", a+"/en"))
			}
			c.coded = append(c.coded, q)
		case k.datatype == "Boolean":
			c.boolean = append(c.boolean, n)
		case k.datatype == "Text":
			c.text = append(c.text, n)
		case k.datatype == "Date" || k.datatype == "Datetime":
			c.dates = append(c.dates, n)
		case k.datatype == "Complex":
			c.complex = append(c.complex, n)
		}
		for _, strength := range k.pack {
			c.drugs = append(c.drugs, drug{c.get("drug", drugName(k, strength)), n})
		}
	}
	for _, k := range c.dictionary {
		p := panel{id: c.concept(k.name)}
		for _, m := range k.members {
			if q, ok := byName[m]; ok {
				p.members = append(p.members, q)
			}
		}
		if len(p.members) > 1 {
			c.panels = append(c.panels, p)
			if k.name == "Full blood count" {
				c.blood = p
			}
		}
	}
	for _, name := range namesOf(c.dictionary, "Frequency") {
		c.frequencies = append(c.frequencies, c.get("order_frequency", name))
	}
	c.yes, c.no = c.concept("True"), c.concept("False")
	c.diagnoses = namesOf(c.dictionary, "Diagnosis")
}

// obs is an observation before it is written; nil and 0 are NULL.
type obs struct {
	concept, order, group, coded, codedName, drug, previous id
	when, number, modifier, text, complex                   any
	voided                                                  bool
	status                                                  string
}

func (c *clinic) obs(e *encounter, o obs) id {
	n := c.w.newID("obs")
	if o.status == "" {
		o.status = "FINAL"
	}
	var accession, valueGroup, comment, path, interpretation, voided, reason any
	var voider id
	created := e.at.Add(90 * time.Second)
	if o.voided {
		voider, voided, reason = e.by.user, created.AddDate(0, 0, 1), "typing error"
	}
	if o.previous != 0 {
		created = created.AddDate(0, 0, 1)
	}
	switch r := c.w.rng.IntN(200); {
	case r < 4:
		comment = "as told by the mother"
	case r < 8:
		accession = fmt.Sprintf("LAB-%05d", r*1000+int(n)%1000)
	case r < 12:
		valueGroup = r
	case r < 30:
		path = "HtmlFormEntry^Adult visit.1.0/1-0"
	case r < 40 && o.number != nil:
		interpretation = []string{"NORMAL", "HIGH", "CRITICALLY_LOW"}[r%3]
	}
	c.w.into("obs", "obs_id,person_id,concept_id,encounter_id,order_id,obs_datetime,location_id,obs_group_id,accession_number,value_group_id,value_coded,value_coded_name_id,value_drug,value_datetime,value_numeric,value_modifier,value_text,value_complex,comments,creator,date_created,voided,voided_by,date_voided,void_reason,uuid,previous_version,form_namespace_and_path,status,interpretation").
		add(n, e.patient.id, o.concept, e.id, o.order, e.at, e.location, o.group, accession, valueGroup, o.coded, o.codedName,
			o.drug, o.when, o.number, o.modifier, o.text, o.complex, comment, e.by.user, created, o.voided, voider, voided, reason,
			c.w.uuid(), o.previous, path, o.status, interpretation)
	c.last = n
	return n
}

// observe adds so many observations to an encounter: all kinds of values, groups, and edited ones.
func (c *clinic) observe(e *encounter, left int) {
	for _, order := range e.tests {
		if left >= 4 {
			left -= c.panel(e, c.blood, order, min(left, 9))
		}
	}
	for left > 0 {
		switch r := c.w.rng.IntN(100); {
		case r < 33:
			c.codedObs(e)
		case r < 62:
			q := pick(c, c.numeric)
			c.obs(e, obs{concept: q.id, number: c.measure(q), modifier: c.modifier()})
		case r < 69:
			c.obs(e, obs{concept: pick(c, c.text), text: pick(c, texts())})
		case r < 75:
			c.obs(e, obs{concept: pick(c, c.dates), when: e.at.AddDate(0, 1, 0)})
		case r < 79:
			d := pick(c, c.drugs)
			c.obs(e, obs{concept: c.medication, coded: d.concept, drug: d.id})
		case r < 87:
			c.obs(e, obs{concept: pick(c, c.boolean), coded: pick(c, []id{c.yes, c.no})})
		case r < 89:
			c.obs(e, obs{concept: pick(c, c.complex), complex: fmt.Sprintf("scan_%s.jpg|%s image", c.w.uuid()[:8], c.name)})
		case left < 2:
			continue
		case r < 91: // an edited one is a new row, and the old one voided
			q := pick(c, c.numeric)
			old := c.obs(e, obs{concept: q.id, number: c.measure(q), voided: true})
			c.obs(e, obs{concept: q.id, number: c.measure(q), previous: old, status: "AMENDED"})
			left--
		case left < 4:
			continue
		default:
			left -= c.panel(e, pick(c, c.panels), 0, min(left, 9)) - 1
		}
		left--
	}
}

func (c *clinic) codedObs(e *encounter) {
	q := pick(c, c.coded)
	i := c.w.rng.IntN(len(q.answers))
	o := obs{concept: q.id, coded: q.answers[i]}
	if c.chance(300) {
		o.codedName = q.names[i]
	}
	c.obs(e, o)
}

// panel adds a group of measurements, at times within a group, and returns how many rows it took: at most as many as
// there is room for, which is 4 or more.
func (c *clinic) panel(e *encounter, p panel, order id, room int) int {
	var group id
	rows := 1
	if c.chance(100) {
		group = c.obs(e, obs{concept: c.concept("Laboratory tests"), order: order})
		rows++
	}
	group = c.obs(e, obs{concept: p.id, order: order, group: group})
	for _, q := range p.members[:min(len(p.members), room-rows)] {
		c.obs(e, obs{concept: q.id, order: order, group: group, number: c.measure(q)})
		rows++
	}
	return rows
}

func (c *clinic) measure(q numericQuestion) float64 {
	scale := math.Pow10(q.decimals)
	return math.Round((q.low+c.w.rng.Float64()*(q.high-q.low))*scale) / scale
}

func (c *clinic) modifier() any {
	if c.chance(10) {
		return pick(c, []string{"<", ">"})
	}
	return nil
}
