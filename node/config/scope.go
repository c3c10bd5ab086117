package config

// Scope is [scope]: what children with a scope may do, and the rules that fill scopes.
type Scope struct {
	Search bool `toml:"search"` // clinics may search for patients by name and day of birth
}
