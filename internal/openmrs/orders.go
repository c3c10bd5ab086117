package openmrs

import (
	"fmt"
	"time"
)

// order writes an encounter's orders: in turn drugs, tests and referrals, revised and discontinued ones, and drugs
// ordered together.
func (c *clinic) order(e *encounter) {
	c.ordered++
	switch n := c.ordered; {
	case n%12 == 6:
		c.orderSet(e)
	case n%10 == 9:
		c.referralOrder(e)
	case n%10 >= 7:
		c.testOrder(e)
	default:
		first := c.drugOrder(e, pick(c, c.drugs), orderLine{action: "NEW"})
		if n%4 == 1 {
			first = c.drugOrder(e, pick(c, c.drugs), orderLine{action: "REVISE", previous: first})
		}
		if n%7 == 3 || n%4 == 1 && n%8 == 5 {
			c.drugOrder(e, pick(c, c.drugs), orderLine{action: "DISCONTINUE", previous: first})
		}
	}
}

// orderLine is what orders of all kinds have.
type orderLine struct {
	action          string
	previous, group id
	weight          any
}

// orderHead writes the part of an order in the orders table, and what may hang on it.
func (c *clinic) orderHead(e *encounter, kind string, concept id, l orderLine) id {
	n := c.w.newID("orders")
	activated := e.at
	if l.previous != 0 {
		activated = e.at.AddDate(0, 0, 3)
	}
	var stopped, expire, scheduled, accession any
	urgency := "ROUTINE"
	switch {
	case l.action == "DISCONTINUE":
		expire = activated
	case c.ordered%4 == 1 && l.previous == 0 && l.group == 0:
		stopped = e.at.AddDate(0, 0, 3)
	case c.ordered%5 == 0:
		urgency, scheduled = "ON_SCHEDULED_DATE", e.at.AddDate(0, 0, 7)
	}
	var reason id
	if l.action == "DISCONTINUE" {
		reason = c.concept("Stock shortage")
	}
	if kind == "Test order" {
		accession = fmt.Sprintf("LAB-%05d", c.ordered)
	}
	c.w.into("orders", "order_id,order_type_id,concept_id,orderer,encounter_id,instructions,date_activated,auto_expire_date,date_stopped,order_reason,creator,date_created,patient_id,accession_number,uuid,urgency,order_number,previous_order_id,order_action,care_setting,scheduled_date,order_group_id,sort_weight").
		add(n, c.get("order_type", kind), concept, e.by.provider, e.id, nil, activated, expire, stopped, reason, e.by.user,
			activated, e.patient.id, accession, c.w.uuid(), urgency, fmt.Sprintf("ORD-%d", n), l.previous, l.action,
			c.get("care_setting", "Outpatient"), scheduled, l.group, l.weight)
	if c.ordered%10 == 4 {
		c.w.into("order_attribute", "order_attribute_id,order_id,attribute_type_id,value_reference,uuid,creator,date_created").
			add(c.w.newID("order_attribute"), n, c.get("order_attribute_type", "Paid"), "true", c.w.uuid(), e.by.user, e.at)
	}
	return n
}

func (c *clinic) drugOrder(e *encounter, d drug, l orderLine) id {
	n := c.orderHead(e, "Drug order", d.concept, l)
	dosing, free := "org.openmrs.SimpleDosingInstructions", any(nil)
	if c.ordered%8 == 2 {
		dosing, free = "org.openmrs.FreeTextDosingInstructions", "Two now, then one each morning\nafter food"
	}
	c.w.into("drug_order", "order_id,drug_inventory_id,dose,as_needed,dosing_type,quantity,num_refills,dosing_instructions,duration,duration_units,quantity_units,route,dose_units,frequency,dispense_as_written").
		add(n, d.id, float64(1+c.w.rng.IntN(4))/2, false, dosing, float64(10*(1+c.w.rng.IntN(9))), c.w.rng.IntN(3), free,
			5+c.w.rng.IntN(25), c.concept("Day"), c.concept("Tablet"), c.concept("Oral"), c.concept("Tablet"), pick(c, c.frequencies), false)
	if c.ordered%3 == 1 && l.action != "DISCONTINUE" {
		c.dispense(e, d, n)
	}
	return n
}

func (c *clinic) dispense(e *encounter, d drug, order id) {
	at := e.at.Add(40 * time.Minute)
	c.w.into("medication_dispense", "medication_dispense_id,uuid,patient_id,encounter_id,concept,drug_id,location_id,dispenser,drug_order_id,status,status_reason,type,quantity,quantity_units,dose,dose_units,route,frequency,as_needed,date_prepared,date_handed_over,was_substituted,substitution_type,substitution_reason,creator,date_created").
		add(c.w.newID("medication_dispense"), c.w.uuid(), e.patient.id, e.id, d.concept, d.id, c.locations[len(c.locations)-1],
			e.by.provider, order, c.concept("Dispensed"), c.concept("Stock shortage"), c.concept("First fill"), 30.0,
			c.concept("Tablet"), 1.0, c.concept("Tablet"), c.concept("Oral"), pick(c, c.frequencies), false, at, at.Add(4*time.Minute),
			true, c.concept("Generic substitution"), c.concept("Formulary policy"), e.by.user, at)
}

func (c *clinic) testOrder(e *encounter) {
	n := c.orderHead(e, "Test order", c.concept("Full blood count"), orderLine{action: "NEW"})
	c.w.into("test_order", "order_id,specimen_source,laterality,clinical_history,frequency,number_of_repeats,location").
		add(n, c.concept("Blood"), nil, "Pale, tired", id(0), nil, c.concept("Left arm"))
	e.tests = append(e.tests, n)
}

func (c *clinic) referralOrder(e *encounter) {
	n := c.orderHead(e, "Referral order", c.concept("Referral to eye clinic"), orderLine{action: "NEW"})
	c.w.into("referral_order", "order_id,specimen_source,laterality,clinical_history,frequency,number_of_repeats,location").
		add(n, id(0), "LEFT", "Sees badly at night", c.frequencies[0], 1, c.concept("Chest"))
}

// orderSet orders what belongs together. Every other group has a second one under it, which also follows it.
func (c *clinic) orderSet(e *encounter) {
	var first id
	for i := range 1 + (c.groups+1)%2 {
		group := c.w.newID("order_group")
		c.w.into("order_group", "order_group_id,order_set_id,patient_id,encounter_id,creator,date_created,uuid,order_group_reason,parent_order_group,previous_order_group").
			add(group, c.get("order_set", "First-line antiretrovirals"), e.patient.id, e.id, e.by.user, e.at, c.w.uuid(),
				c.concept("Acquired immunodeficiency syndrome"), first, first)
		if i == 0 {
			c.w.into("order_group_attribute", "order_group_attribute_id,order_group_id,attribute_type_id,value_reference,uuid,creator,date_created").
				add(c.w.newID("order_group_attribute"), group, c.get("order_group_attribute_type", "Cycle number"), "1", c.w.uuid(), e.by.user, e.at)
			first = group
		}
		for n := range 2 {
			c.drugOrder(e, pick(c, c.drugs), orderLine{action: "NEW", group: group, weight: float64(n + 1)})
		}
	}
	c.groups++
}
