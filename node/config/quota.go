package config

import "github.com/omsync/omsync/access"

// Quota is what each child may use in its life of what it makes others keep. What is empty has its default.
type Quota struct {
	Authors       *uint64 `toml:"authors"`
	Conflicts     *uint64 `toml:"conflicts"`
	ConflictBytes string  `toml:"conflict_bytes"`
	Tombstones    *uint64 `toml:"tombstones"`
	Histories     *uint64 `toml:"histories"`
	Restores      *uint64 `toml:"restores"`
	NewHistories  *uint64 `toml:"new_histories"`
	Requests      *uint64 `toml:"requests"`
}

// Limits returns how much of each quota a child may use.
func (c *Config) Limits() access.Amounts {
	limits := access.DefaultLimits()
	for quota, n := range map[access.Quota]*uint64{
		access.Authors: c.Quota.Authors, access.Conflicts: c.Quota.Conflicts, access.Tombstones: c.Quota.Tombstones,
		access.Histories: c.Quota.Histories, access.Restores: c.Quota.Restores, access.NewHistories: c.Quota.NewHistories,
		access.Requests: c.Quota.Requests,
	} {
		if n != nil {
			limits[quota] = *n
		}
	}
	if c.Quota.ConflictBytes != "" {
		n, _ := ParseBytes(c.Quota.ConflictBytes) // it is checked
		limits[access.ConflictBytes] = uint64(n)
	}
	return limits
}
