package openmrs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// forms are those of the encounter types, with sections and the fields in them.
func (m *metadata) forms() {
	for i, t := range []string{"Concept", "Database element", "Section", "Miscellaneous set"} {
		m.put("field_type", t, "name,description,is_set", t, "", i > 1)
	}
	section := m.put("field", "Section", "name,description,field_type", "Section", "Holds other fields", m.get("field_type", "Section"))
	gender := m.put("field", "Gender", "name,field_type,table_name,attribute_name,default_value", "Gender",
		m.get("field_type", "Database element"), "person", "gender", "")
	var fields []id
	answers := m.w.into("field_answer", "field_id,answer_id,uuid,creator,date_created")
	for _, c := range m.dictionary {
		if c.datatype == "N/A" || c.class == "Test" {
			continue
		}
		f := m.put("field", c.name, "name,field_type,concept_id,select_multiple", c.name, m.get("field_type", "Concept"),
			m.concept(c.name), c.name == "Review of symptoms")
		fields = append(fields, f)
		for i, a := range c.answers[:min(len(c.answers), 3)] {
			answers.add(f, m.concept(a), metadataUUID("field_answer", c.name+strconv.Itoa(i)), m.get("users", "admin"), established())
		}
	}
	const columns = "form_id,field_id,field_number,field_part,page_number,parent_form_field,min_occurs,max_occurs,required,sort_weight"
	for n, t := range []string{"Registration", "Vitals", "Adult visit", "Paediatric visit", "Antenatal visit"} {
		form := m.put("form", t, "name,version,build,published,xslt,template,description,encounter_type", t, "1."+strconv.Itoa(n),
			n+1, true, nil, "<form><encounter/></form>", "The paper form of the same name", m.get("encounter_type", t))
		top := m.put("form_field", t, columns, form, section, 1, "A", 1, id(0), nil, nil, false, 0.5)
		m.put("form_field", t+"/gender", columns, form, gender, 2, "B", 1, top, 1, 1, true, 1.1)
		for i := range 8 {
			m.put("form_field", fmt.Sprintf("%s/%d", t, i), columns, form, fields[(n*7+i)%len(fields)], i+3, nil, 1+i/5, top, 0, 1,
				i == 0, float64(i)+1.3)
		}
		m.put("form_resource", t, "form_id,name,value_reference,datatype", form, "JSON schema", metadataUUID("clob_datatype_storage", t),
			"org.openmrs.customdatatype.datatype.LongFreeTextDatatype")
		m.put("clob_datatype_storage", t, "value", `{"name": "`+t+`", "pages": []}`+strings.Repeat("\n", 3))
	}
}

func (m *metadata) orderSets() {
	for i, s := range []struct {
		name  string
		drugs []string
	}{
		{"First-line antiretrovirals", []string{"Tenofovir", "Lamivudine", "Dolutegravir"}},
		{"Uncomplicated malaria", []string{"Artemether and lumefantrine", "Paracetamol"}},
		{"Tuberculosis, intensive phase", []string{"Rifampicin and isoniazid", "Ethambutol"}},
	} {
		set := m.put("order_set", s.name, "operator,name,description,category", "ALL", s.name, "As the guideline says",
			m.concept("Order set category"))
		m.put("order_set_attribute", s.name, "order_set_id,attribute_type_id,value_reference", set,
			m.get("order_set_attribute_type", "Guideline edition"), strconv.Itoa(2015+i))
		for n, drug := range s.drugs {
			m.put("order_set_member", s.name+"/"+drug, "order_type,order_template,order_template_type,order_set_id,sequence_number,concept_id",
				m.get("order_type", "Drug order"), `{"dose": 1}`, "org.openmrs.template", set, n+1, m.concept(drug))
		}
	}
}

// server is what belongs to the installation more than to the records. Most of it never travels.
func (m *metadata) server() {
	property := m.w.into("global_property", "property,property_value,description,uuid,datatype,date_changed,changed_by")
	for i, p := range [][2]string{
		{"default_locale", "en_GB"}, {"locale.allowed.list", "en, en_GB, fr, sw"}, {"default_location", "Unknown Location"},
		{"concept.height", number(m.concept("Height (cm)"))},
		{"concept.weight", number(m.concept("Weight (kg)"))},
		{"concept.true", number(m.concept("True"))}, {"concept.false", number(m.concept("False"))},
		{"patient.identifierPrefix", ""}, {"mail.smtp_host", "localhost"}, {"visits.enabled", "true"},
		{"provider.unknownProviderUuid", metadataUUID("provider", "Unknown Provider")},
		{"order.nextOrderNumberSeed", "1"}, {"search.indexVersion", "7"},
		{"webservices.rest.started", "true"}, {"webservices.rest.mandatory", "false"}, {"reporting.started", "true"},
	} {
		var changed any
		var by id
		if i%4 == 0 {
			changed, by = established().AddDate(0, 1, 0), m.get("users", "admin")
		}
		property.add(p[0], p[1], "Setting "+p[0], metadataUUID("global_property", p[0]), nil, changed, by)
	}
	for i, name := range []string{"Auto Close Visits Task", "Process HL7 Task", "Send Messages Task"} {
		task := m.put("scheduler_task_config", name,
			"name,description,schedulable_class,start_time,start_time_pattern,repeat_interval,start_on_startup,started,created_by,date_created",
			name, "", "org.openmrs.scheduler.tasks.T"+strconv.Itoa(i), established(), "MM/dd/yyyy HH:mm:ss", 3600, true, false,
			m.get("users", "admin"), established())
		m.w.into("scheduler_task_config_property", "task_config_property_id,name,value,task_config_id").
			add(m.w.newID("scheduler_task_config_property"), "batch.size", "100", task)
	}
	log := m.w.into("liquibasechangelog", "ID,AUTHOR,FILENAME,DATEEXECUTED,ORDEREXECUTED,EXECTYPE,MD5SUM,DESCRIPTION,LIQUIBASE")
	for i := range 40 {
		log.add(fmt.Sprintf("20140101-%04d", i), "someone", "liquibase-update-to-latest.xml", established().Add(time.Duration(i)*time.Second),
			i+1, "EXECUTED", "8:"+metadataUUID("liquibasechangelog", strconv.Itoa(i))[:32], "addColumn", "4.4.1")
	}
	m.w.into("liquibasechangeloglock", "ID,LOCKED").add(1, false)
	m.put("notification_template", "Alert", "name,template,subject,sender,recipients,ordinal", "Alert", "Dear $name", "Alert", "openmrs", "$list", 0)
	m.put("report_object", "Adults", "name,description,report_object_type,report_object_sub_type,xml_data", "Adults", "", "Patient Filter",
		"Age filter", "<filter minAge=\"15\"/>")
	m.put("report_schema_xml", "Monthly", "name,description,xml_data", "Monthly", "The monthly report", "<report name='Monthly'/>")
	m.put("serialized_object", "Cohort query", "name,description,type,subtype,serialization_class,serialized_data", "Cohort query", "",
		"org.openmrs.cohort.CohortDefinition", "org.openmrs.cohort.SqlDefinition", "org.openmrs.serialization.SimpleXStreamSerializer",
		"<sql>SELECT patient_id FROM patient WHERE voided = 0</sql>")
}
