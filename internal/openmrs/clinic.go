package openmrs

import (
	"fmt"
	"strings"
	"time"
)

// clinic makes one site's own rows. What is rare is made for every n'th patient rather than by chance, so that fifty
// patients are enough for rows in every table.
type clinic struct {
	*registry
	o          Options
	name       string
	dictionary []concept

	staff     []member
	locations []id // the clinic and its wards
	cohorts   []id

	questions
	attributes, contacts, ordered, groups, visits int // how many so far
	previous                                      *patient
}

// member is someone who works at the clinic.
type member struct{ person, user, provider id }

func newClinic(w *writer, o Options) *clinic {
	list := concepts()
	c := &clinic{registry: newRegistry(w, list), o: o, name: o.Site, dictionary: list}
	if c.name == "" {
		c.name = "clinic"
	}
	if c.o.Users == 0 {
		c.o.Users = 4 + o.Patients/2000
	}
	if c.o.Obs == 0 {
		c.o.Obs = 12 * o.Patients
	}
	return c
}

func (c *clinic) write() error {
	c.place()
	c.employ()
	c.server()
	c.ask()
	for i := range c.o.Patients {
		c.patient(i)
		if c.w.err != nil {
			return c.w.err
		}
		if i%chunk == chunk-1 {
			if err := c.w.flush(); err != nil {
				return err
			}
		}
	}
	return c.w.flush()
}

// opened is when the clinic began to keep records.
func opened() time.Time { return time.Date(2015, 1, 5, 7, 30, 0, 0, time.UTC) }

// moment is a time in the ten years of records.
func (c *clinic) moment() time.Time {
	return opened().Add(time.Duration(c.w.rng.Int64N(10*365*24*3600)) * time.Second)
}

// pick is one of a list.
func pick[T any](c *clinic, list []T) T { return list[c.w.rng.IntN(len(list))] }

// chance is true n times in a thousand.
func (c *clinic) chance(n int) bool { return c.w.rng.IntN(1000) < n }

// place adds the clinic's own locations under a district.
func (c *clinic) place() {
	title := strings.ToUpper(c.name[:1]) + c.name[1:] + " Health Centre"
	under := c.get("location", "County A, district 1")
	admin := c.get("users", "admin")
	for i, ward := range []string{"", ", outpatient clinic", ", ward 1", ", pharmacy"} {
		n := c.w.newID("location")
		c.w.into("location", "location_id,name,description,city_village,country,parent_location,location_type_concept_id,creator,date_created,uuid").
			add(n, title+ward, nil, c.name, "Republic", under, c.concept("Health centre"), admin, opened(), c.w.uuid())
		c.w.into("location_tag_map", "location_id,location_tag_id").add(n, c.get("location_tag", "Login Location"))
		if i == 0 {
			under = n
			c.w.into("location_attribute", "location_attribute_id,location_id,attribute_type_id,value_reference,uuid,creator,date_created").
				add(c.w.newID("location_attribute"), n, c.get("location_attribute_type", "Beds"), "24", c.w.uuid(), admin, opened())
		}
		c.locations = append(c.locations, n)
	}
}

// employ adds the people who work here, each a person, a user and a provider.
func (c *clinic) employ() {
	admin := c.get("users", "admin")
	roles := []string{"Clinician", "Nurse", "Data Clerk", "Laboratory Technician", "Pharmacist"}
	for i := range c.o.Users {
		m := member{c.w.newID("person"), c.w.newID("users"), c.w.newID("provider")}
		role := roles[i%len(roles)]
		gender := []string{"F", "M"}[i%2]
		c.w.into("person", "person_id,gender,birthdate,birthdate_estimated,creator,date_created,uuid").
			add(m.person, gender, day(opened().AddDate(-25-i%30, i%12, 0)), false, admin, opened(), c.w.uuid())
		given, family := c.givenName(gender), pick(c, familyNames())
		c.w.into("person_name", "person_name_id,preferred,person_id,prefix,given_name,family_name,degree,creator,date_created,uuid").
			add(c.w.newID("person_name"), true, m.person, nil, given, family, "RN", admin, opened(), c.w.uuid())
		uuid := c.w.uuid()
		username := fmt.Sprintf("%s-%s-%s", c.name, strings.ToLower(strings.Fields(role)[0]), uuid[:6])
		var changed id
		if i%3 == 1 {
			changed = c.staff[0].user
		}
		c.w.into("users", "user_id,system_id,username,password,salt,secret_question,secret_answer,creator,date_created,changed_by,person_id,retired,uuid,activation_key,email").
			add(m.user, fmt.Sprintf("%s-%d", c.name, i+1), username, c.secret(), c.secret(), "First school?", c.secret(), admin,
				opened(), changed, m.person, i%7 == 6, uuid, nil, username+"@"+c.name+".example.org")
		c.w.into("user_role", "user_id,role").add(m.user, role)
		c.w.into("user_role", "user_id,role").add(m.user, "Authenticated")
		property := c.w.into("user_property", "user_id,property,property_value")
		property.add(m.user, "defaultLocale", []string{"en_GB", "fr", "sw"}[i%3])
		property.add(m.user, "defaultLocation", number(c.locations[0]))
		c.w.into("provider", "provider_id,person_id,name,identifier,creator,date_created,uuid,role_id,speciality_id").
			add(m.provider, m.person, nil, fmt.Sprintf("%s-P%03d", c.name, i+1), admin, opened(), c.w.uuid(),
				c.concept([]string{"Clinician (role)", "Nurse (role)"}[i%2]), c.concept([]string{"Internal medicine", "Paediatrics"}[i/2%2]))
		c.w.into("provider_attribute", "provider_attribute_id,provider_id,attribute_type_id,value_reference,uuid,creator,date_created").
			add(c.w.newID("provider_attribute"), m.provider, c.get("provider_attribute_type", "Licence number"),
				fmt.Sprintf("LIC/%05d", c.w.rng.IntN(100000)), c.w.uuid(), admin, opened())
		c.staff = append(c.staff, m)
	}
	for i := range 1 + c.o.Patients/5000 {
		n := c.w.newID("cohort")
		c.w.into("cohort", "cohort_id,name,description,creator,date_created,uuid").
			add(n, fmt.Sprintf("Followed at home %d", i+1), "Patients whom the health workers visit", c.staff[0].user, opened(), c.w.uuid())
		c.cohorts = append(c.cohorts, n)
	}
}

// secret looks like a hash: 128 hexadecimal digits.
func (c *clinic) secret() string {
	var b strings.Builder
	for range 8 {
		fmt.Fprintf(&b, "%016x", c.w.rng.Uint64())
	}
	return b.String()
}

// server adds what stays with this one installation: message queues and alerts.
func (c *clinic) server() {
	source := c.get("hl7_source", "LOCAL")
	for i := range 3 {
		at := opened().AddDate(0, i, 0)
		message := fmt.Sprintf("MSH|^~\\&|FORMENTRY|%s|HL7LISTENER||%s||ORU^R01|%d|P|2.5\rPID|||%d||Doe^J\r", c.name, at.Format("20060102150405"), i, i)
		c.w.into("hl7_in_archive", "hl7_in_archive_id,hl7_source,hl7_source_key,hl7_data,date_created,uuid").
			add(c.w.newID("hl7_in_archive"), source, number(id(i)), message, at, c.w.uuid())
		errorSource := any(source)
		if c.o.Traps && i == 2 {
			errorSource = 0
		}
		c.w.into("hl7_in_error", "hl7_in_error_id,hl7_source,hl7_source_key,hl7_data,error,error_details,date_created,uuid").
			add(c.w.newID("hl7_in_error"), errorSource, number(id(i)), message, "Could not resolve patient", "at line 1", at, c.w.uuid())
		c.w.into("hl7_in_queue", "hl7_in_queue_id,hl7_source,hl7_source_key,hl7_data,date_created,uuid").
			add(c.w.newID("hl7_in_queue"), source, number(id(i)), message, at, c.w.uuid())
		alert := c.w.newID("notification_alert")
		c.w.into("notification_alert", "alert_id,text,date_to_expire,creator,date_created,uuid").
			add(alert, "Stock of test kits is low", at.AddDate(1, 0, 0), c.get("users", "daemon"), at, c.w.uuid())
		for _, m := range c.staff[:min(len(c.staff), 2)] {
			c.w.into("notification_alert_recipient", "alert_id,user_id,alert_read,date_changed,uuid").add(alert, m.user, i == 0, at, c.w.uuid())
		}
	}
}
