package apply_test

// care: encounters, observations and orders.
func care() []scenario {
	order := func(n *network, uuid, action, previous string) {
		values := "order_type_id = [order_type name=Drug order], concept_id = [concept name=Amoxicillin], orderer = [provider name=Unknown Provider], encounter_id = [encounter ordering], patient_id = [person ordered], order_number = '" + uuid + "', order_action = '" + action + "', care_setting = [care_setting name=Outpatient], date_activated = '2024-05-06'"
		if previous != "" {
			values += ", previous_order_id = [orders " + previous + "]"
		}
		put(n.kisumu, "orders", uuid, values)
		put(n.kisumu, "drug_order", "", "order_id = [orders "+uuid+"], drug_inventory_id = [drug name=Amoxicillin 250 mg capsule], dose = 0.1, dose_units = [concept name=Milligram], frequency = (SELECT MIN(order_frequency_id) FROM order_frequency f WHERE f.concept_id = [concept name=Twice daily])")
	}
	return []scenario{
		{
			name: "an observation is edited: a new row, the old one voided",
			before: func(n *network) {
				patient(n.hub, "observed")
				encounter(n.hub, "observing", "observed")
				obs(n.hub, "weight-1", "observed", "observing", "Weight (kg)", "value_numeric = 61.5")
			},
			do: func(n *network) {
				obs(n.kisumu, "weight-2", "observed", "observing", "Weight (kg)", "value_numeric = 16.5, previous_version = [obs weight-1]")
				do(n.kisumu, "UPDATE obs SET voided = 1, voided_by = [users "+admin+"], date_voided = NOW() WHERE uuid = 'weight-1'")
			},
			holds: [][2]string{
				{"SELECT o.uuid FROM obs JOIN obs o ON o.obs_id = obs.previous_version WHERE obs.uuid = 'weight-2'", "weight-1"},
				{"SELECT CONCAT(voided, value_numeric) FROM obs WHERE uuid = 'weight-1'", "161.5"},
				{"SELECT CONCAT(voided, value_numeric) FROM obs WHERE uuid = 'weight-2'", "016.5"},
			},
		},
		{
			name: "a group of observations keeps its members",
			before: func(n *network) {
				patient(n.hub, "grouped")
				encounter(n.hub, "grouping", "grouped")
			},
			do: func(n *network) {
				obs(n.kisumu, "group", "grouped", "grouping", "Comment at conclusion of examination", "value_text = 'both'")
				obs(n.kisumu, "member-a", "grouped", "grouping", "Systolic blood pressure", "value_numeric = 120, obs_group_id = [obs group]")
				obs(n.kisumu, "member-b", "grouped", "grouping", "Diagnosis coded", "value_coded = [concept name=Asthma], value_coded_name_id = [concept_name name=Asthma], obs_group_id = [obs group]")
			},
			holds: [][2]string{
				{"SELECT GROUP_CONCAT(o.uuid ORDER BY o.uuid) FROM obs o JOIN obs g ON g.obs_id = o.obs_group_id WHERE g.uuid = 'group'", "member-a,member-b"},
				{"SELECT value_coded = [concept name=Asthma] FROM obs WHERE uuid = 'member-b'", "1"},
			},
		},
		{
			name: "a drug order is revised and discontinued",
			before: func(n *network) {
				patient(n.migori, "ordered")
				encounter(n.migori, "ordering", "ordered")
				do(n.migori, "UPDATE patient SET allergy_status = 'See list' WHERE patient_id = [person ordered]")
			},
			do: func(n *network) {
				order(n, "first-order", "NEW", "")
				order(n, "second-order", "REVISE", "first-order")
				order(n, "third-order", "DISCONTINUE", "second-order")
				do(n.kisumu, "UPDATE orders SET date_stopped = '2024-05-07 08:00:00' WHERE uuid IN ('first-order', 'second-order')")
			},
			holds: [][2]string{
				{"SELECT CONCAT(a.uuid, ' ', b.uuid, ' ', c.uuid) FROM orders c JOIN orders b ON b.order_id = c.previous_order_id JOIN orders a ON a.order_id = b.previous_order_id WHERE c.uuid = 'third-order'", "first-order second-order third-order"},
				{"SELECT COUNT(*) FROM drug_order JOIN orders USING (order_id) WHERE patient_id = [person ordered] AND concept_id = [concept name=Amoxicillin] AND drug_inventory_id = [drug name=Amoxicillin 250 mg capsule] AND dose = 0.1", "3"},
				{"SELECT COUNT(*) FROM orders WHERE patient_id = [person ordered] AND date_stopped = '2024-05-07 08:00:00'", "2"},
			},
		},
	}
}
