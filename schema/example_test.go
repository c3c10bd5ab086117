package schema_test

import (
	"fmt"
	"log"

	"github.com/omsync/omsync/schema"
)

// A site's own file corrects a profile that comes with the program.
func ExampleParseProfile() {
	openmrs, err := schema.Builtin("openmrs")
	if err != nil {
		log.Fatal(err)
	}
	const own = `
never = ["clinic_printer"]

[direction]
both = ["location"]

[exclude.patient]
always = ["allergy_status"]
`
	p, err := schema.ParseProfile("clinic.toml", []byte(own), openmrs)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("values that never leave:", p.Excluded("patient", "allergy_status") == schema.ExcludeAlways)
	fmt.Println("secrets:", p.Excluded("users", "password") == schema.ExcludeSecret)
	// Output:
	// values that never leave: true
	// secrets: true
}

// A profile that cannot be meant says on which line.
func ExampleParseProfile_error() {
	_, err := schema.ParseProfile("clinic.toml", []byte("never = [\"visit\"]\ntravel = [\"visit\"]\n"), nil)
	fmt.Println(err)
	// Output:
	// profile clinic.toml: line 2: table visit is named twice: under never and travel
}

func ExampleDetect() {
	fmt.Println(schema.Detect([]string{"person", "patient", "encounter", "obs", "concept", "concept_name", "users", "global_property", "visit"}))
	// Output:
	// openmrs
}

// A row is known in its own database by its primary key, written as one text.
func ExampleLocalKey() {
	t := &schema.Table{Name: "role_role", LocalColumns: []*schema.Column{{Name: "parent_role", Type: "varchar"}, {Name: "child_role", Type: "varchar"}}}
	key := schema.LocalKey(t, [][]byte{[]byte("Clerk"), []byte("Nurse, ward 1")})
	fmt.Println(key)
	values, err := schema.ParseLocalKey(t, key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", values)
	// Output:
	// 436C65726B,4E757273652C20776172642031
	// [Clerk Nurse, ward 1]
}
