package apply_test

// rights: users, roles, privileges. They flow down alone; a clinic may add users, without their secrets.
func rights() []scenario {
	user := func(n *network) {
		put(n.hub, "person", "nurse", "gender = 'F'")
		put(n.hub, "users", "nurse-account", "person_id = [person nurse], username = 'nurse', system_id = 'nurse', password = 'p1', salt = 's1'")
		do(n.hub, "INSERT INTO user_property VALUES ([users nurse-account], 'defaultLocale', 'en'), ([users nurse-account], 'notification', 'internal')",
			"INSERT INTO user_role VALUES ([users nurse-account], 'Nurse')")
	}
	return []scenario{
		{
			name: "privileges and roles of one name and different uuids stay one",
			do: func(n *network) {
				put(n.hub, "privilege", "sign", "privilege = 'Sign Notes', description = ''")
				do(n.hub, "INSERT INTO role_privilege VALUES ('Nurse', 'Sign Notes')", "UPDATE role SET description = 'Nursing' WHERE role = 'Nurse'")
			},
			holds: [][2]string{
				{"SELECT COUNT(*) FROM role WHERE role = 'Nurse'", "1"},
				{"SELECT COUNT(*) FROM privilege WHERE privilege = 'Get Patients'", "1"},
				{"SELECT COUNT(*) FROM role_privilege WHERE role = 'Nurse' AND privilege IN ('Get Patients', 'Sign Notes')", "2"},
				{"SELECT description FROM role WHERE role = 'Nurse'", "Nursing"},
			},
			at: map[string]string{
				"kisumu: SELECT uuid FROM role WHERE role = 'Nurse'":                     "kisumu-nurse",
				"kisumu: SELECT uuid FROM privilege WHERE privilege = 'Get Patients'":    "kisumu-get-patients",
				"hub: SELECT COUNT(*) FROM privilege WHERE uuid = 'kisumu-get-patients'": "0",
			},
		},
		{
			name:   "a user's property changes, another goes, and the password changes, which stays at the hub",
			before: user,
			do: func(n *network) {
				do(n.hub, "UPDATE user_property SET property_value = 'sw' WHERE user_id = [users nurse-account] AND property = 'defaultLocale'",
					"DELETE FROM user_property WHERE user_id = [users nurse-account] AND property = 'notification'",
					"UPDATE users SET password = 'p2', salt = 's2' WHERE uuid = 'nurse-account'")
			},
			holds: [][2]string{
				{"SELECT GROUP_CONCAT(property, '=', property_value) FROM user_property WHERE user_id = [users nurse-account]", "defaultLocale=sw"},
				{"SELECT COUNT(*) FROM users WHERE uuid = 'nurse-account' AND IFNULL(password = 'p2' AND salt = 's2', salt IS NULL)", "1"},
				{"SELECT GROUP_CONCAT(role) FROM user_role WHERE user_id = [users nurse-account]", "Nurse"},
			},
		},
		{
			name: "a clinic's new user is known everywhere and their password nowhere else",
			do: func(n *network) {
				put(n.kisumu, "person", "clerk", "gender = 'M'")
				put(n.kisumu, "users", "clerk-account", "person_id = [person clerk], username = 'clerk', system_id = 'clerk', password = 'secret', salt = 'salt', creator = [users "+admin+"]")
				put(n.kisumu, "provider", "clerk-provider", "person_id = [person clerk], identifier = 'C-1', creator = [users clerk-account]")
			},
			holds: [][2]string{
				{"SELECT username FROM users WHERE uuid = 'clerk-account'", "clerk"},
				{"SELECT username FROM provider JOIN users ON user_id = provider.creator WHERE provider.uuid = 'clerk-provider'", "clerk"},
			},
			at: map[string]string{
				"kisumu: SELECT password FROM users WHERE uuid = 'clerk-account'": "secret",
				"hub: SELECT password FROM users WHERE uuid = 'clerk-account'":    "NULL",
				"migori: SELECT salt FROM users WHERE uuid = 'clerk-account'":     "NULL",
			},
		},
	}
}
