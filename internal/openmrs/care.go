package openmrs

import (
	"strings"
	"time"
)

// encounter is one contact with the clinic.
type encounter struct {
	patient  *patient
	id       id
	at       time.Time
	location id
	by       member
	tests    []id // orders that results may name
}

// care adds the patient's visits, encounters, orders and observations.
func (c *clinic) care(p *patient) {
	mean := float64(c.o.Obs) / float64(c.o.Patients)
	want := int(mean*(0.5+c.w.rng.Float64()) + 0.5)
	count := max(1, (want+10)/20)
	for i := range count {
		e := c.encounter(p, i)
		p.encounters = append(p.encounters, e)
		c.contacts++
		if c.contacts%4 == 1 {
			c.order(e)
		}
		share := want*(i+1)/count - want*i/count
		c.observe(e, share)
	}
}

func (c *clinic) encounter(p *patient, i int) *encounter {
	e := &encounter{patient: p, id: c.w.newID("encounter"), location: pick(c, c.locations), by: pick(c, c.staff)}
	e.at = p.registered.AddDate(0, i, c.w.rng.IntN(20)).Add(time.Duration(c.w.rng.IntN(3600)) * time.Second)
	var visit id
	if c.chance(400) {
		visit = c.visit(e)
	}
	kinds := []string{"Registration", "Vitals", "Adult visit", "Paediatric visit", "Antenatal visit"}
	kind := kinds[(p.n+i)%len(kinds)]
	var form id
	if i%2 == 0 {
		form = c.get("form", kind)
	}
	var changer id
	var changed any
	if c.chance(50) {
		changer, changed = pick(c, c.staff).user, e.at.Add(26*time.Hour)
	}
	created := e.at.Add(time.Duration(c.w.rng.IntN(7200)) * time.Second)
	c.w.into("encounter", "encounter_id,encounter_type,patient_id,location_id,form_id,encounter_datetime,creator,date_created,changed_by,date_changed,visit_id,uuid").
		add(e.id, c.get("encounter_type", kind), p.id, e.location, form, e.at, e.by.user, created, changer, changed, visit, c.w.uuid())
	if c.chance(650) {
		c.w.into("encounter_provider", "encounter_provider_id,encounter_id,provider_id,encounter_role_id,creator,date_created,uuid").
			add(c.w.newID("encounter_provider"), e.id, e.by.provider, c.get("encounter_role", "Clinician"), e.by.user, created, c.w.uuid())
	}
	return e
}

func (c *clinic) visit(e *encounter) id {
	n := c.w.newID("visit")
	c.visits++
	var stopped any
	if c.visits%10 != 0 {
		stopped = e.at.Add(5 * time.Hour)
	} else if c.o.Traps {
		stopped = "0000-00-00 00:00:00"
	}
	var indication id
	if c.visits%8 == 0 {
		indication = c.concept("Fever")
	}
	kind := "Outpatient visit"
	if c.visits%7 == 0 {
		kind = "Inpatient stay"
	}
	c.w.into("visit", "visit_id,patient_id,visit_type_id,date_started,date_stopped,indication_concept_id,location_id,creator,date_created,uuid").
		add(n, e.patient.id, c.get("visit_type", kind), e.at.Add(-time.Hour), stopped, indication, c.locations[0], e.by.user, e.at, c.w.uuid())
	attribute := c.w.into("visit_attribute", "visit_attribute_id,visit_id,attribute_type_id,value_reference,uuid,creator,date_created")
	if c.visits%20 == 3 {
		attribute.add(c.w.newID("visit_attribute"), n, c.get("visit_attribute_type", "Insurance scheme"), "National fund", c.w.uuid(), e.by.user, e.at)
	}
	if c.visits%40 == 4 { // long values are kept elsewhere, under a uuid
		clob := c.w.uuid()
		attribute.add(c.w.newID("visit_attribute"), n, c.get("visit_attribute_type", "Discharge letter"), clob, c.w.uuid(), e.by.user, e.at)
		c.w.into("clob_datatype_storage", "id,uuid,value").
			add(c.w.newID("clob_datatype_storage"), clob, strings.Repeat("Was seen and treated. Should come back in a week.\n", 30))
	}
	return n
}

// problems adds conditions, diagnoses and allergies.
func (c *clinic) problems(p *patient) {
	e := p.encounters[0]
	var condition id
	if p.n%10 == 3 {
		condition = c.condition(p, e)
	}
	if p.n%10 == 3 || p.n%10 == 6 {
		n := c.w.newID("encounter_diagnosis")
		name := pick(c, c.diagnoses)
		coded, codedName, text := any(c.concept(name)), c.get("concept_name", name+"/en"), any(nil)
		if p.n%30 == 6 {
			coded, codedName, text = nil, 0, "Homa ya usiku"
		}
		c.w.into("encounter_diagnosis", "diagnosis_id,diagnosis_coded,diagnosis_non_coded,diagnosis_coded_name,encounter_id,patient_id,condition_id,certainty,dx_rank,uuid,creator,date_created").
			add(n, coded, text, codedName, e.id, p.id, condition, []string{"CONFIRMED", "PROVISIONAL"}[p.n/10%2], 1+p.n%2, c.w.uuid(), e.by.user, e.at)
		if p.n%30 == 3 {
			c.w.into("diagnosis_attribute", "diagnosis_attribute_id,diagnosis_id,attribute_type_id,value_reference,uuid,creator,date_created").
				add(c.w.newID("diagnosis_attribute"), n, c.get("diagnosis_attribute_type", "Reported to surveillance"), "true", c.w.uuid(), e.by.user, e.at)
		}
	}
	if p.n%20 == 8 {
		c.allergy(p, e)
	}
}

// condition adds one, for every other patient with an earlier version of it.
func (c *clinic) condition(p *patient, e *encounter) (n id) {
	name := pick(c, c.diagnoses)
	t := c.w.into("conditions", "condition_id,previous_version,condition_coded,condition_coded_name,condition_non_coded,clinical_status,verification_status,onset_date,date_created,voided,voided_by,date_voided,void_reason,uuid,creator,patient_id,encounter_id")
	for v := range 1 + p.n/10%2 {
		previous := n
		n = c.w.newID("conditions")
		old := v == 0 && p.n/10%2 == 1
		var voider id
		var voided, reason any
		if old {
			voider, voided, reason = e.by.user, e.at.AddDate(0, 1, 0), "changed"
		}
		uuid := any(c.w.uuid())
		if c.o.Traps && p.n%100 == 3 {
			uuid = nil
		}
		t.add(n, previous, c.concept(name), c.get("concept_name", name+"/en"), nil, []string{"ACTIVE", "INACTIVE"}[v],
			"CONFIRMED", e.at.AddDate(0, -2, 0), e.at.AddDate(0, v, 0), old, voider, voided, reason, uuid, e.by.user, p.id, e.id)
	}
	return n
}

func (c *clinic) allergy(p *patient, e *encounter) {
	n := c.w.newID("allergy")
	allergen, text := "Penicillins", any(nil)
	if p.n%60 == 28 {
		allergen, text = "Other allergen", "Cassava"
	}
	uuid := any(c.w.uuid())
	if c.o.Traps && p.n%80 == 8 {
		uuid = nil
	}
	c.w.into("allergy", "allergy_id,patient_id,severity_concept_id,coded_allergen,non_coded_allergen,allergen_type,comments,creator,date_created,voided,uuid,encounter_id").
		add(n, p.id, c.concept("Moderate"), c.concept(allergen), text, "DRUG", nil, e.by.user, e.at, false, uuid, e.id)
	twin := c.w.uuid()
	for i, reaction := range []string{"Rash", "Itching"}[:1+p.n/20%2] {
		uuid := c.w.uuid()
		if c.o.Traps && p.n%40 == 28 { // the column's index is not unique
			uuid = twin
		}
		c.w.into("allergy_reaction", "allergy_reaction_id,allergy_id,reaction_concept_id,reaction_non_coded,uuid").
			add(c.w.newID("allergy_reaction"), n, c.concept(reaction), []any{nil, "on both arms"}[i], uuid)
	}
}

// relate adds what joins two patients.
func (c *clinic) relate(p, other *patient) {
	if merged(p.n) {
		c.w.into("person_merge_log", "person_merge_log_id,winner_person_id,loser_person_id,creator,date_created,merged_data,uuid").
			add(c.w.newID("person_merge_log"), other.id, p.id, p.by.user, p.registered.AddDate(0, 2, 0), "<mergedData/>", c.w.uuid())
	}
	if p.n%20 != 11 && p.n%20 != 12 {
		return
	}
	kind := []string{"Parent", "Sibling"}[p.n%2]
	if p.n%20 == 12 {
		kind, other = "Supporter", &patient{id: p.by.person}
	}
	c.w.into("relationship", "relationship_id,person_a,relationship,person_b,start_date,creator,date_created,uuid").
		add(c.w.newID("relationship"), other.id, c.get("relationship_type", kind), p.id, p.registered, p.by.user, p.registered, c.w.uuid())
}

// papers adds cohort memberships, notes and proposals of concepts.
func (c *clinic) papers(p *patient) {
	e := p.encounters[0]
	if p.n%10 == 2 {
		var end any
		if p.n%30 == 2 {
			end = p.registered.AddDate(1, 0, 0)
		}
		c.w.into("cohort_member", "cohort_id,patient_id,cohort_member_id,start_date,end_date,creator,date_created,uuid").
			add(c.cohorts[p.n%len(c.cohorts)], p.id, c.w.newID("cohort_member"), p.registered, end, p.by.user, p.registered, c.w.uuid())
	}
	if p.n%50 == 3 {
		var parent id
		for _, text := range []string{"Husband will bring the old card.", "He brought it."} {
			n := c.w.newID("note")
			c.w.into("note", "note_id,note_type,patient_id,obs_id,encounter_id,text,priority,parent,creator,date_created,uuid").
				add(n, "clinical", p.id, c.last, e.id, text, 1, parent, p.by.user, e.at, c.w.uuid())
			parent = n
		}
	}
	if p.n%50 == 13 {
		n := c.w.newID("concept_proposal")
		c.w.into("concept_proposal", "concept_proposal_id,concept_id,encounter_id,original_text,final_text,obs_id,obs_concept_id,state,comments,creator,date_created,locale,uuid").
			add(n, c.concept("Other"), e.id, "Dengue", nil, c.last, c.concept("Diagnosis coded"), "UNMAPPED", nil, e.by.user, e.at, "en", c.w.uuid())
		c.w.into("concept_proposal_tag_map", "concept_proposal_id,concept_name_tag_id").add(n, c.get("concept_name_tag", "synonym"))
	}
}
