package apply_test

// dictionary: concepts and what hangs on them. The hub keeps it.
func dictionary() []scenario {
	concept := func(n *network, uuid string) {
		put(n.hub, "concept", uuid, "datatype_id = [concept_datatype name=N/A], class_id = [concept_class name=Misc]")
		put(n.hub, "concept_name", uuid+"-name", "concept_id = [concept "+uuid+"], name = '"+uuid+"', locale = 'en', concept_name_type = 'FULLY_SPECIFIED'")
	}
	return []scenario{
		{
			name: "a concept becomes numeric; answers, sets and tags come and go",
			before: func(n *network) {
				for _, c := range []string{"c-question", "c-yes", "c-no", "c-set"} {
					concept(n, c)
				}
				put(n.hub, "concept_answer", "answer-yes", "concept_id = [concept c-question], answer_concept = [concept c-yes]")
				put(n.hub, "concept_set", "set-yes", "concept_id = [concept c-yes], concept_set = [concept c-set], sort_weight = 1.5")
				do(n.hub, "INSERT INTO concept_name_tag_map VALUES ([concept_name c-yes-name], [concept_name_tag tag=synonym])")
			},
			do: func(n *network) {
				do(n.hub, "UPDATE concept SET datatype_id = [concept_datatype name=Numeric] WHERE uuid = 'c-question'",
					"INSERT INTO concept_numeric (concept_id, hi_absolute, units) VALUES ([concept c-question], 99.9, 'kg')",
					"DELETE FROM concept_answer WHERE uuid = 'answer-yes'", "DELETE FROM concept_set WHERE uuid = 'set-yes'",
					"DELETE FROM concept_name_tag_map WHERE concept_name_id = [concept_name c-yes-name]",
					"INSERT INTO concept_name_tag_map VALUES ([concept_name c-no-name], [concept_name_tag tag=default])")
				put(n.hub, "concept_answer", "answer-no", "concept_id = [concept c-question], answer_concept = [concept c-no]")
				put(n.hub, "concept_set", "set-no", "concept_id = [concept c-no], concept_set = [concept c-set], sort_weight = 2.5")
			},
			holds: [][2]string{
				{"SELECT CONCAT(hi_absolute, units) FROM concept_numeric WHERE concept_id = [concept c-question]", "99.9kg"},
				{"SELECT name FROM concept_datatype JOIN concept ON datatype_id = concept_datatype_id WHERE concept.uuid = 'c-question'", "Numeric"},
				{"SELECT GROUP_CONCAT(a.uuid) FROM concept_answer JOIN concept a ON a.concept_id = answer_concept WHERE concept_answer.concept_id = [concept c-question]", "c-no"},
				{"SELECT GROUP_CONCAT(m.uuid, sort_weight) FROM concept_set JOIN concept m ON m.concept_id = concept_set.concept_id WHERE concept_set = [concept c-set]", "c-no2.5"},
				{"SELECT COUNT(*) FROM concept_name_tag_map WHERE concept_name_id = [concept_name c-yes-name]", "0"},
				{"SELECT tag FROM concept_name_tag_map JOIN concept_name_tag USING (concept_name_tag_id) WHERE concept_name_id = [concept_name c-no-name]", "default"},
			},
		},
		{
			name:   "a concept and its name are purged",
			before: func(n *network) { concept(n, "c-mistake"); patient(n.hub, "misnamed") },
			do: func(n *network) {
				do(n.hub, "DELETE FROM concept_name WHERE uuid = 'c-mistake-name'", "DELETE FROM concept WHERE uuid = 'c-mistake'",
					"DELETE FROM person_name WHERE uuid = 'misnamed-name'")
			},
			holds: [][2]string{
				{"SELECT COUNT(*) FROM concept WHERE uuid = 'c-mistake'", "0"},
				{"SELECT COUNT(*) FROM concept_name WHERE uuid = 'c-mistake-name'", "0"},
				{"SELECT COUNT(*) FROM person_name WHERE uuid = 'misnamed-name'", "0"},
				{"SELECT COUNT(*) FROM patient WHERE patient_id = [person misnamed]", "1"},
			},
		},
	}
}
