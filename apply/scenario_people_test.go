package apply_test

// people: who is registered, and how that changes.
func people() []scenario {
	return []scenario{
		{
			name: "a new patient appears",
			do:   func(n *network) { patient(n.kisumu, "new") },
			holds: [][2]string{
				{"SELECT COUNT(*) FROM patient JOIN person ON person_id = patient_id WHERE uuid = 'new'", "1"},
				{"SELECT given_name FROM person_name JOIN person USING (person_id) WHERE person.uuid = 'new'", "Achieng"},
				{"SELECT identifier FROM patient_identifier JOIN person ON person_id = patient_id WHERE person.uuid = 'new'", "new"},
				{"SELECT city_village FROM person_address JOIN person USING (person_id) WHERE person.uuid = 'new'", "Ahero"},
				{"SELECT location.name FROM patient_identifier JOIN location USING (location_id) WHERE identifier = 'new'", "Unknown Location"},
				{"SELECT username FROM patient JOIN users ON user_id = patient.creator WHERE patient_id = [person new]", "admin"},
			},
		},
		{
			name:   "an existing person becomes a patient",
			before: func(n *network) { put(n.hub, "person", "guardian", "gender = 'M'") },
			do:     func(n *network) { put(n.migori, "patient", "", "patient_id = [person guardian]") },
			holds: [][2]string{
				{"SELECT COUNT(*) FROM person WHERE uuid = 'guardian'", "1"},
				{"SELECT COUNT(*) FROM patient WHERE patient_id = [person guardian]", "1"},
			},
		},
		{
			name: "gender, names and identifiers change",
			before: func(n *network) {
				patient(n.kisumu, "changing")
				put(n.kisumu, "patient_identifier", "old-number", "patient_id = [person changing], identifier = 'old', identifier_type = [patient_identifier_type name=National ID], location_id = NULL")
			},
			do: func(n *network) {
				do(n.migori, "UPDATE person SET gender = 'M', changed_by = [users "+admin+"], date_changed = '2024-06-01' WHERE uuid = 'changing'",
					"UPDATE person_name SET voided = 1, voided_by = [users "+admin+"], preferred = 0, void_reason = 'misspelt' WHERE uuid = 'changing-name'",
					"DELETE FROM patient_identifier WHERE uuid = 'old-number'",
					"UPDATE patient_identifier SET voided = 1, voided_by = [users "+admin+"] WHERE uuid = 'changing-number'")
				put(n.migori, "person_name", "changing-name-2", "person_id = [person changing], given_name = 'Ochieng', preferred = 1")
				put(n.migori, "patient_identifier", "second-number", "patient_id = [person changing], identifier = 'new-1', identifier_type = [patient_identifier_type name=National ID], location_id = NULL")
			},
			holds: [][2]string{
				{"SELECT gender FROM person WHERE uuid = 'changing'", "M"},
				{"SELECT GROUP_CONCAT(given_name, voided ORDER BY uuid) FROM person_name WHERE person_id = [person changing]", "Achieng1,Ochieng0"},
				{"SELECT GROUP_CONCAT(uuid, voided ORDER BY uuid) FROM patient_identifier WHERE patient_id = [person changing]", "changing-number1,second-number0"},
			},
		},
		{
			name: "two patients are merged",
			before: func(n *network) {
				for _, p := range []string{"winner", "loser"} {
					patient(n.hub, p)
					encounter(n.hub, p+"-visit", p)
					obs(n.hub, p+"-weight", p, p+"-visit", "Weight (kg)", "value_numeric = 61.5")
				}
			},
			do: func(n *network) {
				do(n.kisumu, "UPDATE encounter SET patient_id = [person winner] WHERE uuid = 'loser-visit'",
					"UPDATE obs SET person_id = [person winner] WHERE uuid = 'loser-weight'",
					"UPDATE patient_identifier SET patient_id = [person winner], preferred = 0 WHERE uuid = 'loser-number'",
					"UPDATE patient SET voided = 1, voided_by = [users "+admin+"], void_reason = 'merged' WHERE patient_id = [person loser]",
					"UPDATE person SET voided = 1, voided_by = [users "+admin+"], void_reason = 'merged' WHERE uuid = 'loser'")
			},
			holds: [][2]string{
				{"SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM encounter WHERE patient_id = [person winner]", "loser-visit,winner-visit"},
				{"SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM obs WHERE person_id = [person winner]", "loser-weight,winner-weight"},
				{"SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM patient_identifier WHERE patient_id = [person winner]", "loser-number,winner-number"},
				{"SELECT voided FROM patient WHERE patient_id = [person loser]", "1"},
				{"SELECT COUNT(*) FROM encounter WHERE patient_id = [person loser]", "0"},
			},
		},
		{
			name:   "attributes whose format names a table hold the receiver's integers",
			before: func(n *network) { patient(n.hub, "described") },
			do: func(n *network) {
				for _, a := range [][3]string{
					{"status", "Civil status", "[concept name=Widowed]"}, {"home", "Health centre", "[location name=Republic]"},
					{"text", "Telephone number", "123"}, {"number", "Number of children", "368"}, {"none", "Moved on", "2024-01-02"},
				} {
					put(n.kisumu, "person_attribute", "attribute-"+a[0], "person_id = [person described], person_attribute_type_id = [person_attribute_type name="+a[1]+"], value = '"+a[2]+"'")
				}
			},
			holds: [][2]string{
				{"SELECT name FROM concept_name JOIN person_attribute ON concept_id = value WHERE person_attribute.uuid = 'attribute-status' AND locale = 'en'", "Widowed"},
				{"SELECT name FROM location JOIN person_attribute ON location_id = value WHERE person_attribute.uuid = 'attribute-home'", "Republic"},
				{"SELECT GROUP_CONCAT(value ORDER BY uuid) FROM person_attribute WHERE uuid IN ('attribute-text', 'attribute-number', 'attribute-none')", "2024-01-02,368,123"},
			},
		},
		{
			name: "a cohort's members are other integers on the other side",
			before: func(n *network) {
				patient(n.kisumu, "member-1")
				patient(n.migori, "member-2")
			},
			do: func(n *network) {
				put(n.hub, "cohort", "cohort", "name = 'Children', description = ''")
				for _, m := range []string{"member-1", "member-2"} {
					put(n.hub, "cohort_member", "in-"+m, "cohort_id = [cohort cohort], patient_id = [person "+m+"]")
				}
			},
			holds: [][2]string{
				{"SELECT GROUP_CONCAT(p.uuid ORDER BY p.uuid) FROM cohort_member m JOIN person p ON p.person_id = m.patient_id JOIN cohort c ON c.cohort_id = m.cohort_id WHERE c.uuid = 'cohort'", "member-1,member-2"},
			},
		},
		{
			name:   "a patient is purged, at two sites before they hear of each other, and again",
			before: func(n *network) { patient(n.kisumu, "purged") },
			do: func(n *network) {
				purge(n.hub, "purged")
				purge(n.kisumu, "purged")
			},
			holds: [][2]string{
				{"SELECT COUNT(*) FROM person WHERE uuid = 'purged'", "0"},
				{"SELECT COUNT(*) FROM patient_identifier WHERE uuid = 'purged-number'", "0"},
				{"SELECT COUNT(*) FROM omsync_conflict WHERE row_key LIKE 'purged%'", "0"},
			},
		},
	}
}
