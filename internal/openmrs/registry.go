package openmrs

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// registry knows the integer keys of metadata rows, which differ from site to site, by what is the same everywhere:
// table and name.
type registry struct {
	w     *writer
	uuids map[string]string        // of concepts, by name
	ids   map[string]map[string]id // by table, then lower-case uuid
	keys  map[string]string        // the integer key column of each table
	definitions
}

// definitions tell which tables have a creator column.
type definitions map[string]string

func newRegistry(w *writer, list []concept) *registry {
	r := &registry{w: w, uuids: map[string]string{}, ids: map[string]map[string]id{}, keys: tableKeys(),
		definitions: definitions{}}
	for _, c := range list {
		r.uuids[c.name] = c.uuid()
	}
	for _, s := range Schema("2.6") {
		r.definitions[strings.Split(s, "`")[1]] = s
	}
	return r
}

func (d definitions) hasCreator(table string) bool {
	return strings.Contains(d[table], "\n  `creator` ")
}

// metadataUUID is the uuid of a metadata row at every site: that of OpenMRS itself for its best-known rows, else one
// made from its name.
func metadataUUID(table, key string) string {
	switch table + "/" + key {
	case "users/admin":
		return "82f18b44-6814-11e8-923f-e9a88dcb533f"
	case "users/daemon":
		return "A4F30A1B-5EB9-11DF-A648-37A07F9C90FB"
	case "location/Unknown Location":
		return "8d6c993e-c2cc-11de-8d13-0010c6dffd0f"
	}
	h := sha256.Sum256([]byte(table + "/" + key))
	return formatUUID([16]byte(h[:16]))
}

func (r *registry) uuid(table, key string) string {
	if table == "concept" {
		return r.uuids[key]
	}
	return metadataUUID(table, key)
}

// established is when the metadata was made.
func established() time.Time { return time.Date(2014, 3, 1, 8, 0, 0, 0, time.UTC) }

// put adds a metadata row: the columns given, its integer key, uuid, and who made it when, if the table says so.
func (r *registry) put(table, key, columns string, values ...any) id {
	n := r.w.newID(table)
	uuid := r.uuid(table, key)
	if r.ids[table] == nil {
		r.ids[table] = map[string]id{}
	}
	if uuid == "" || r.ids[table][strings.ToLower(uuid)] != 0 {
		panic(fmt.Sprintf("openmrs: %s %q is not in the list, or there twice", table, key))
	}
	r.ids[table][strings.ToLower(uuid)] = n
	columns += "," + r.keys[table] + ",uuid"
	values = append(values, n, uuid)
	if r.hasCreator(table) {
		columns += ",creator,date_created"
		values = append(values, r.get("users", "admin"), established())
	}
	r.w.into(table, columns).add(values...)
	return n
}

// get is the integer key that a metadata row has in this database.
func (r *registry) get(table, key string) id {
	if r.w.err != nil {
		return 0
	}
	if r.ids[table] == nil {
		r.read(table)
	}
	uuid := r.uuid(table, key)
	n := r.ids[table][strings.ToLower(uuid)]
	if n == 0 && r.w.err == nil {
		r.w.err = fmt.Errorf("the %s %q (uuid %s) is not in the database; set Options.Metadata, or bring the metadata from another site first", table, key, uuid)
	}
	return n
}

// concept is get for the table that is asked most.
func (r *registry) concept(name string) id { return r.get("concept", name) }

func (r *registry) read(table string) {
	r.ids[table] = map[string]id{}
	rows, err := r.w.conn.QueryContext(r.w.ctx, fmt.Sprintf("SELECT `%s`, LOWER(uuid) FROM `%s`", r.keys[table], table))
	if err != nil {
		r.w.err = err
		return
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var uuid string
		if err := rows.Scan(&n, &uuid); err != nil {
			r.w.err = err
			return
		}
		r.ids[table][uuid] = id(n)
	}
	if err := rows.Err(); err != nil {
		r.w.err = err
	}
}
