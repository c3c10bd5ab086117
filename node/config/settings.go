package config

// Setting is one that omsync.toml can have.
type Setting struct {
	Name    string // as in serve.listen; of a policy, policy.TABLE
	Default string // as it would be written, without quotes; empty: none
	Meaning string // in a few words
}

// Settings returns all settings, in the order of [Config].
func Settings() []Setting {
	return []Setting{
		{"node", "", "the node's name: other nodes know it by this; it cannot be changed later"},
		{"dsn", "", "the database, as user:password@unix(/socket)/name or user:password@tcp(host:port)/name"},
		{"password_env", "", "the environment variable that holds the database's password"},
		{"password_file", "", "the file that holds the database's password"},
		{"profile", "", "the data model, openmrs or none; init writes what it detects"},
		{"profile_file", "", "a profile of your own on top of it"},
		{"policy.TABLE", "newest", "who wins when two sites changed the same value: newest, parent or child; of one column policy.\"TABLE.COLUMN\""},
		{"hooks.after_import", "", "the command that is run after an import that changed rows"},
		{"hooks.timeout", "5m", "how long that command may take"},
		{"hooks.reindex", "false", "whether OpenMRS is to build its search index anew after an import that calls for it"},
		{"part_size", "", "full loads are split into files of about this size; without it they are not split"},
		{"max_file", "64GiB", "largest file that is fetched over a link"},
		{"horizon_years", "10", "how many years later than this computer's clock the stamps of a child may be"},
		{"keep_deleted_days", "90", "how many days rows that an import deletes are kept whole; 0: they are not"},
		{"conflicts_open_days", "90", "how many days a conflict is open that nobody settles"},
		{"late_least_hours", "24", "how many hours a peer may be silent at least before it is late, whatever it is used to"},
		{"late_most_days", "14", "how many days it may be silent at most before it is late"},
		{"quota.authors", "1000", "how many names of authors a child may bring in its life"},
		{"quota.conflicts", "500000", "how many conflict records"},
		{"quota.conflict_bytes", "256MiB", "how many bytes of them"},
		{"quota.tombstones", "250000", "how many deletions of rows that were never here"},
		{"quota.histories", "1000", "how many earlier histories its headers may list"},
		{"quota.restores", "100", "how often it may begin anew, so that its rows go to all others again"},
		{"quota.new_histories", "10", "how often a header of its may make this node begin a new history"},
		{"quota.requests", "500000", "how many patients it may ask for that it did not have"},
		{"user_secrets_to_children", "", "the roles of users whose passwords and secret questions go to children, or all; without it nobody's do"},
		{"link.url", "", "a way to exchange files: https://HOST:PORT, usb:/PATH, folder:/PATH or s3://BUCKET/PREFIX?endpoint=https://HOST"},
		{"link.peer", "", "of a server: the node that it is"},
		{"link.peers", "", "of a store: the nodes that use it; without it all do"},
		{"link.pin", "", "of a server: the key of its certificate"},
		{"link.bwlimit", "", "bytes per second, such as 8KiB; without it all there is"},
		{"link.verify", "weekly", "how often a digest goes to the parent over it, which compares: weekly, off, or days such as 3d"},
		{"scope.search", "false", "whether clinics may search here for patients by name and day of birth (omsync fetch --name)"},
		{"scope.rule.NAME.location", "", "of a rule that fills scopes (omsync scope add PEER --rule NAME): one of the last encounters was at this location"},
		{"scope.rule.NAME.encounters", "1", "how many of the last encounters count for that"},
		{"scope.rule.NAME.program", "", "of a rule: enrolled in this programme, and the enrolment has no end"},
		{"scope.rule.NAME.attribute", "", "of a rule: the person's attribute of this type has the value"},
		{"scope.rule.NAME.value", "", "that value"},
		{"serve.listen", DefaultListen, "address and port of the server"},
		{"serve.url", "", "the address at which nodes find the server, where it differs"},
		{"serve.import", "false", "whether what arrives is applied at once, and a node that asks is exported to"},
		{"serve.auto_register", "false", "whether every node may join without an invitation, for trials"},
		{"serve.behind_proxy", "false", "whether a reverse proxy on this machine has TLS"},
		{"serve.tls_cert", "", "certificate chain (PEM) in place of an own one"},
		{"serve.tls_key", "", "its key (PEM)"},
		{"serve.metrics", "", "address for Prometheus metrics"},
		{"serve.max_file", "64GiB", "largest file that is taken"},
		{"serve.log_format", "text", "text or json"},
		{"agent.sticks", `["/media", "/mnt", "/run/media"]`, "folders below which sticks come to be mounted; those with a folder omsync are used"},
		{"page.listen", DefaultPageListen, "address and port of the page"},
		{"page.url", "", "the address at which people find the page, where it differs"},
		{"page.behind_proxy", "false", "whether a reverse proxy on this machine has TLS"},
		{"page.tls_cert", "", "certificate chain (PEM) in place of an own one"},
		{"page.tls_key", "", "its key (PEM)"},
	}
}
