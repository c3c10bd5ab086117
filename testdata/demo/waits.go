package main

import "fmt"

func (d *stage) waits() error {
	d.title("A row that the hub cannot take")
	d.say(`The hub and kisumu both make a user who logs in as reception. Kisumu's begins to work. The hub cannot have both under one
		name: what it cannot take waits, with what refers to it, and the rest of the file arrives.`)
	const (
		user = `INSERT INTO users (system_id, username, person_id, creator, date_created, uuid)
			SELECT '%s-99', 'reception', person_id, creator, NOW(), 'demo-%[1]s-user' FROM users LIMIT 1`
		visit = `INSERT INTO visit (patient_id, visit_type_id, date_started, creator, date_created, uuid)
			SELECT patient_id, visit_type_id, NOW(), user_id, NOW(), 'demo-reception' FROM visit v, users u WHERE u.uuid = 'demo-kisumu-user' LIMIT 1`
	)
	who := patient("hub-000004")
	for _, e := range []struct {
		site      *site
		statement string
	}{
		{d.hub, fmt.Sprintf(user, "hub")},
		{d.kisumu, fmt.Sprintf(user, "kisumu")},
		{d.kisumu, visit},
		{d.kisumu, "UPDATE person SET gender = 'X' WHERE person_id = " + who},
	} {
		if err := d.edit(e.site, e.statement); err != nil {
			return err
		}
	}
	if err := d.carry(d.kisumu, conflict); err != nil {
		return err
	}
	if err := d.has(d.hub, "SELECT CONCAT(gender, (SELECT COUNT(*) FROM visit WHERE uuid = 'demo-reception')) FROM person WHERE person_id = "+who, "X0"); err != nil {
		return err
	}
	d.say(`The correction of a patient's sex is there. What waits, and why:`)
	if err := d.omsync(d.hub, "quarantine", "list"); err != nil {
		return err
	}
	d.say(`Kisumu gives its user another name. The next file lets him in, and his visit after him.`)
	if err := d.edit(d.kisumu, "UPDATE users SET username = 'reception-kisumu' WHERE uuid = 'demo-kisumu-user'"); err != nil {
		return err
	}
	if err := d.carry(d.kisumu, done); err != nil {
		return err
	}
	if err := d.omsync(d.hub, "quarantine", "list"); err != nil {
		return err
	}
	return d.has(d.hub, "SELECT u.username FROM visit v JOIN users u ON u.user_id = v.creator WHERE v.uuid = 'demo-reception'", "reception-kisumu")
}

// carry brings what one clinic has to the hub, whose import should end with one of the codes given.
func (d *stage) carry(s *site, codes []int) error {
	if err := d.omsync(s, "export", "--to", "stick"); err != nil {
		return err
	}
	if err := d.omsyncEnds(codes, d.hub, "import", "--from", "stick"); err != nil {
		return err
	}
	return d.wipe()
}
