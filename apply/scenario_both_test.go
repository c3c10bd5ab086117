package apply_test

// both: two sites do something before they hear of each other.
func both() []scenario {
	conflicts := func(key string) string {
		return "SELECT GROUP_CONCAT(table_name, '.', column_name, '=', IFNULL(value, 'NULL'), IF(deletion, ' deleted', '') ORDER BY id) FROM omsync_conflict WHERE row_key = '" + key + "'"
	}
	return []scenario{
		{
			name:   "different columns of a row are edited: both stay",
			before: func(n *network) { patient(n.hub, "apart") },
			do: func(n *network) {
				do(n.kisumu, "UPDATE person SET gender = 'M' WHERE uuid = 'apart'")
				do(n.migori, "UPDATE person SET birthdate = '1991-02-03' WHERE uuid = 'apart'")
			},
			holds: [][2]string{
				{"SELECT CONCAT(gender, birthdate) FROM person WHERE uuid = 'apart'", "M1991-02-03"},
				{conflicts("apart"), "NULL"},
			},
		},
		{
			name:   "the same column of a row is edited: the later stays, the other is recorded",
			before: func(n *network) { patient(n.hub, "together") },
			do: func(n *network) {
				do(n.kisumu, "UPDATE person_address SET city_village = 'Kisumu' WHERE uuid = 'together-address'")
				do(n.migori, "UPDATE person_address SET city_village = 'Migori' WHERE uuid = 'together-address'")
			},
			holds: [][2]string{
				{"SELECT city_village FROM person_address WHERE uuid = 'together-address'", "Migori"},
				{conflicts("together-address"), "person_address.city_village=Kisumu"},
			},
		},
		{
			name:   "a row is edited here and deleted there later: it is gone, the edit recorded",
			before: func(n *network) { patient(n.hub, "dropped") },
			do: func(n *network) {
				do(n.kisumu, "UPDATE person_address SET city_village = 'Kisumu' WHERE uuid = 'dropped-address'")
				do(n.migori, "DELETE FROM person_address WHERE uuid = 'dropped-address'")
			},
			holds: [][2]string{
				{"SELECT COUNT(*) FROM person_address WHERE uuid = 'dropped-address'", "0"},
				{"SELECT COUNT(*) FROM omsync_conflict WHERE row_key = 'dropped-address' AND column_name = 'city_village' AND value = 'Kisumu'", "1"},
			},
		},
		{
			name:   "a row is deleted here and edited there later: it stays whole, the deletion is recorded",
			before: func(n *network) { patient(n.hub, "kept") },
			do: func(n *network) {
				do(n.kisumu, "DELETE FROM person_address WHERE uuid = 'kept-address'")
				do(n.migori, "UPDATE person_address SET address1 = 'Plot 7' WHERE uuid = 'kept-address'")
			},
			holds: [][2]string{
				{"SELECT CONCAT(city_village, address1) FROM person_address WHERE uuid = 'kept-address'", "AheroPlot 7"},
				{"SELECT COUNT(*) FROM omsync_conflict WHERE row_key = 'kept-address' AND deletion = 1", "1"},
			},
		},
		{
			name:   "a row is deleted at both",
			before: func(n *network) { patient(n.hub, "unwanted") },
			do: func(n *network) {
				do(n.kisumu, "DELETE FROM person_address WHERE uuid = 'unwanted-address'")
				do(n.migori, "DELETE FROM person_address WHERE uuid = 'unwanted-address'")
			},
			holds: [][2]string{
				{"SELECT COUNT(*) FROM person_address WHERE uuid = 'unwanted-address'", "0"},
				{conflicts("unwanted-address"), "NULL"},
			},
		},
		{
			name:   "an encounter is added to a patient who is purged elsewhere: the patient comes back whole",
			before: func(n *network) { patient(n.hub, "missed") },
			do: func(n *network) {
				encounter(n.kisumu, "missed-visit", "missed")
				purge(n.migori, "missed")
			},
			holds: [][2]string{
				{"SELECT patient_id = [person missed] FROM encounter WHERE uuid = 'missed-visit'", "1"},
				{"SELECT COUNT(*) FROM patient WHERE patient_id = [person missed]", "1"},
				{"SELECT given_name FROM person_name WHERE person_id = [person missed]", "Achieng"},
				{"SELECT identifier FROM patient_identifier WHERE patient_id = [person missed]", "missed"},
				{"SELECT city_village FROM person_address WHERE person_id = [person missed]", "Ahero"},
			},
		},
		{
			name: "a member is added to a group of observations that is deleted elsewhere",
			before: func(n *network) {
				patient(n.hub, "panel")
				encounter(n.hub, "panel-visit", "panel")
				obs(n.hub, "panel-group", "panel", "panel-visit", "Comment at conclusion of examination", "value_text = 'panel'")
			},
			do: func(n *network) {
				do(n.hub, "DELETE FROM obs WHERE uuid = 'panel-group'")
				obs(n.kisumu, "panel-member", "panel", "panel-visit", "Systolic blood pressure", "value_numeric = 121, obs_group_id = [obs panel-group]")
			},
			holds: [][2]string{
				{"SELECT g.value_text FROM obs JOIN obs g ON g.obs_id = obs.obs_group_id WHERE obs.uuid = 'panel-member'", "panel"},
			},
		},
		{
			name: "two new patients get one integer",
			do: func(n *network) {
				tables := []string{"person", "person_name", "patient_identifier", "person_address", "encounter", "obs"}
				for _, s := range n.all()[1:] {
					next(s, 2000000, tables...)
					patient(s, s.Name+"-born")
					encounter(s, s.Name+"-first", s.Name+"-born")
					obs(s, s.Name+"-test", s.Name+"-born", s.Name+"-first", "Diagnosis coded", "value_coded = [concept name=Asthma]")
				}
				a, b := n.kisumu.One("SELECT person_id FROM person WHERE uuid = 'kisumu-born'"), n.migori.One("SELECT person_id FROM person WHERE uuid = 'migori-born'")
				if a != "2000000" || a != b {
					n.t.Fatalf("the integers are %s and %s", a, b)
				}
			},
			holds: [][2]string{
				{"SELECT GROUP_CONCAT(identifier) FROM patient_identifier WHERE patient_id = [person kisumu-born]", "kisumu-born"},
				{"SELECT GROUP_CONCAT(identifier) FROM patient_identifier WHERE patient_id = [person migori-born]", "migori-born"},
				{"SELECT GROUP_CONCAT(uuid) FROM obs WHERE person_id = [person kisumu-born]", "kisumu-test"},
				{"SELECT GROUP_CONCAT(uuid) FROM obs WHERE person_id = [person migori-born]", "migori-test"},
				{"SELECT GROUP_CONCAT(uuid) FROM encounter WHERE patient_id = [person migori-born]", "migori-first"},
			},
		},
		{
			name: "two new patients have the integer of person alone in common",
			do: func(n *network) {
				next(n.kisumu, 2100000, "person")
				next(n.migori, 2100000, "person")
				for i, s := range n.all()[1:] {
					next(s, 2200000+1000*i, "person_name", "patient_identifier", "person_address", "encounter", "obs")
					patient(s, s.Name+"-twin")
					encounter(s, s.Name+"-once", s.Name+"-twin")
				}
			},
			holds: [][2]string{
				{"SELECT GROUP_CONCAT(uuid) FROM person_name WHERE person_id = [person kisumu-twin]", "kisumu-twin-name"},
				{"SELECT GROUP_CONCAT(uuid) FROM person_name WHERE person_id = [person migori-twin]", "migori-twin-name"},
				{"SELECT GROUP_CONCAT(uuid) FROM encounter WHERE patient_id = [person kisumu-twin]", "kisumu-once"},
			},
		},
		{
			name: "one location has two integers, with an encounter on each side",
			before: func(n *network) {
				next(n.hub, 3000, "location")
				next(n.kisumu, 4000, "location")
				put(n.hub, "location", "ward-9", "name = 'Ward 9'")
				patient(n.hub, "inpatient")
			},
			do: func(n *network) {
				for _, s := range n.all()[:2] {
					encounter(s, s.Name+"-night", "inpatient")
					do(s, "UPDATE encounter SET location_id = [location ward-9] WHERE uuid = '"+s.Name+"-night'")
				}
				if a, b := local(n.hub, "[location ward-9]"), local(n.kisumu, "[location ward-9]"); a == b {
					n.t.Fatalf("the location is %s on both sides", a)
				}
			},
			holds: [][2]string{
				{"SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM encounter WHERE location_id = [location ward-9]", "hub-night,kisumu-night"},
			},
		},
	}
}
