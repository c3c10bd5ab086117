package openmrs

import (
	"fmt"
	"strconv"
	"time"
)

// patient is one of the clinic's patients, with what later rows need of it.
type patient struct {
	n          int // from 0
	id         id  // of the person as well
	registered time.Time
	by         member
	program    id // patient_program
	encounters []*encounter
}

// patient adds the n'th patient and everything about them.
func (c *clinic) patient(n int) {
	p := &patient{n: n, id: c.w.newID("person"), registered: c.moment(), by: pick(c, c.staff)}
	c.identify(p)
	if n%5 == 1 {
		c.enrol(p)
	}
	c.numbers(p)
	c.care(p)
	c.attribute(p)
	c.problems(p)
	if c.previous != nil {
		c.relate(p, c.previous)
	}
	c.papers(p)
	c.previous = p
}

// merged reports whether the n'th patient turned out to be the one before it.
func merged(n int) bool { return n%50 == 7 }

// identify adds person, patient, names and address.
func (c *clinic) identify(p *patient) {
	gender := []string{"F", "M"}[c.w.rng.IntN(2)]
	var death, cause, birthtime, changed, voided, reason any
	var changer, voider id
	dead, void := p.n%40 == 9, merged(p.n)
	if dead {
		death, cause = p.registered.AddDate(0, 6, 0), c.concept("Malaria")
	}
	if p.n%30 == 4 {
		birthtime = fmt.Sprintf("%02d:%02d:00", p.n%24, p.n%60)
	}
	if p.n%10 == 0 {
		changer, changed = pick(c, c.staff).user, p.registered.AddDate(0, 1, 3)
	}
	if void {
		voider, voided, reason = p.by.user, p.registered.AddDate(0, 2, 0), "Merged into another patient"
	}
	birth := p.registered.AddDate(-c.w.rng.IntN(80), 0, -c.w.rng.IntN(365))
	c.w.into("person", "person_id,gender,birthdate,birthdate_estimated,dead,death_date,cause_of_death,creator,date_created,changed_by,date_changed,voided,voided_by,date_voided,void_reason,uuid,birthtime").
		add(p.id, gender, day(birth), p.n%3 == 0, dead, death, cause, p.by.user, p.registered, changer, changed, void, voider,
			voided, reason, c.w.uuid(), birthtime)
	c.w.into("patient", "patient_id,creator,date_created,voided,voided_by,date_voided,void_reason,allergy_status").
		add(p.id, p.by.user, p.registered, void, voider, voided, reason, []string{"Unknown", "No known allergies"}[p.n%2])
	name := c.w.into("person_name", "person_name_id,preferred,person_id,given_name,middle_name,family_name,creator,date_created,voided,voided_by,date_voided,void_reason,changed_by,date_changed,uuid")
	var middle any
	if c.chance(300) {
		middle = c.givenName(gender)
	}
	nameChanger := any(changer)
	if c.o.Traps && p.n%100 == 10 {
		nameChanger = 1<<31 - 1 // the column has no foreign key
	}
	name.add(c.w.newID("person_name"), true, p.id, c.givenName(gender), middle, pick(c, familyNames()), p.by.user, p.registered,
		void, voider, voided, reason, nameChanger, changed, c.w.uuid())
	if p.n%20 == 5 { // the name was put right, and the old one voided
		other := pick(c, c.staff)
		name.add(c.w.newID("person_name"), false, p.id, c.givenName(gender), nil, pick(c, familyNames()), p.by.user, p.registered,
			true, other.user, p.registered.AddDate(0, 0, 2), "misspelt", other.user, p.registered.AddDate(0, 0, 1), c.w.uuid())
	}
	if c.chance(800) {
		c.w.into("person_address", "person_address_id,person_id,preferred,address1,address2,city_village,state_province,country,latitude,longitude,creator,date_created,county_district,uuid").
			add(c.w.newID("person_address"), p.id, true, "Plot "+strconv.Itoa(c.w.rng.IntN(900)), nil, pick(c, villages()), "County A",
				"Republic", fmt.Sprintf("%.5f", c.w.rng.Float64()-0.5), nil, p.by.user, p.registered, "district 1", c.w.uuid())
	}
}

// enrol puts the patient on a programme.
func (c *clinic) enrol(p *patient) {
	all := programmes()
	programme := all[p.n/5%len(all)]
	p.program = c.w.newID("patient_program")
	var completed any
	var outcome id
	if p.n%25 == 1 && programme.outcomes != "" {
		completed, outcome = p.registered.AddDate(1, 0, 0), c.concept("Lost to follow-up")
	}
	c.w.into("patient_program", "patient_program_id,patient_id,program_id,date_enrolled,date_completed,location_id,outcome_concept_id,creator,date_created,uuid").
		add(p.program, p.id, c.get("program", programme.name), p.registered, completed, c.locations[0], outcome, p.by.user, p.registered, c.w.uuid())
	if p.n%3 == 1 {
		c.w.into("patient_program_attribute", "patient_program_attribute_id,patient_program_id,attribute_type_id,value_reference,uuid,creator,date_created").
			add(c.w.newID("patient_program_attribute"), p.program, c.get("program_attribute_type", "Treatment supporter"),
				pick(c, familyNames()), c.w.uuid(), p.by.user, p.registered)
	}
}

// states are those of the programme, once there are encounters to name.
func (c *clinic) states(p *patient) {
	all := programmes()
	programme := all[p.n/5%len(all)]
	var seen id
	if len(p.encounters) > 0 {
		seen = p.encounters[0].id
	}
	for i := range 1 + p.n/5%2 {
		var end any
		start := p.registered.AddDate(0, 3*i, 0)
		if i == 0 && p.n/5%2 == 1 {
			end = day(start.AddDate(0, 3, 0))
		}
		c.w.into("patient_state", "patient_state_id,patient_program_id,state,start_date,end_date,creator,date_created,uuid,encounter_id").
			add(c.w.newID("patient_state"), p.program, c.get("program_workflow_state", programme.key(programme.states[i])), day(start), end,
				p.by.user, start, c.w.uuid(), seen)
	}
}

// numbers are the patient's identifiers.
func (c *clinic) numbers(p *patient) {
	t := c.w.into("patient_identifier", "patient_identifier_id,patient_id,identifier,identifier_type,preferred,location_id,creator,date_created,voided,uuid,patient_program_id")
	t.add(c.w.newID("patient_identifier"), p.id, fmt.Sprintf("%s-%06d", c.name, p.n+1), c.get("patient_identifier_type", "OpenMRS ID"),
		true, c.locations[0], p.by.user, p.registered, merged(p.n), c.w.uuid(), id(0))
	if p.n%5 == 1 {
		t.add(c.w.newID("patient_identifier"), p.id, fmt.Sprintf("%d/%02d", c.w.rng.IntN(9000), p.n%100),
			c.get("patient_identifier_type", "Old identification number"), false, c.get("location", "Unknown Location"), p.by.user,
			p.registered, false, c.w.uuid(), p.program)
	}
}

// attribute adds person attributes, of every format in turn.
func (c *clinic) attribute(p *patient) {
	if p.program != 0 {
		c.states(p)
	}
	if p.n%5 > 2 {
		return
	}
	other := p
	if c.previous != nil {
		other = c.previous
	}
	types := []struct {
		name  string
		value string
	}{
		{"Telephone number", []string{"+254 700 " + strconv.Itoa(100000+c.w.rng.IntN(900000)), "123"}[c.w.rng.IntN(2)]},
		{"Number of children", strconv.Itoa(c.w.rng.IntN(400))}, // a number, not a key
		{"Consent to messages", "true"},
		{"Moved on", "2019-05-07 00:00:00"},
		{"Civil status", number(c.concept([]string{"Married", "Widowed", "Never married"}[p.n%3]))},
		{"Health centre", number(c.locations[0])},
		{"Registered by", number(p.by.user)},
		{"Treatment supporter", number(p.by.person)},
		{"Index case", number(other.id)},
		{"Family doctor", number(p.by.provider)},
		{"First encounter", ""},
	}
	t := types[c.attributes%len(types)]
	c.attributes++
	if t.name == "First encounter" {
		t.value = number(p.encounters[0].id)
	}
	c.w.into("person_attribute", "person_attribute_id,person_id,value,person_attribute_type_id,creator,date_created,uuid").
		add(c.w.newID("person_attribute"), p.id, t.value, c.get("person_attribute_type", t.name), p.by.user, p.registered, c.w.uuid())
}
