package access

import "fmt"

// Quota is something that a child can make others keep, or do, at little cost to itself. It may use so much of it in its life.
type Quota string

const (
	Authors       Quota = "authors"        // names of authors that nobody had named here before
	Conflicts     Quota = "conflicts"      // conflict records: those that it sends, and those that its rows give rise to
	ConflictBytes Quota = "conflict_bytes" // bytes of their keys and values
	Tombstones    Quota = "tombstones"     // deletions of rows that were never here
	Histories     Quota = "histories"      // earlier histories that its headers list
	Restores      Quota = "restores"       // times that it began anew, with a new history or a new link, so that its rows went to all others again
	NewHistories  Quota = "new_histories"  // times that a header of its made this node begin a new history
	Requests      Quota = "requests"       // owners that it asked for and did not have, and identifiers that brought nobody: each is kept, or in the log, whether there is such an owner or not
)

// quotas returns the default limits and what each is called in messages. Each is above what an honest child uses in ten years; a child that
// is itself the hub of many may need more.
func quotas() []quotaDefault {
	return []quotaDefault{
		{Authors, 1000, "names of authors"},                              // a node brings its own name and those below it: 300 clinics, each set up anew twice
		{Conflicts, 500_000, "conflict records"},                         // 100 clinics with one conflict each day are 365,000
		{ConflictBytes, 256 << 20, "bytes of conflict records"},          // of these, each with 700 bytes
		{Tombstones, 250_000, "deletions of rows never seen here"},       // 68 a day; only what was made and deleted between two exchanges counts
		{Histories, 1000, "earlier histories in its headers"},            // two for each restore: 50 a year
		{Restores, 100, "times that it began anew"},                      // ten a year; and ten children that use up all their new histories do not use up this
		{NewHistories, 10, "new histories that it made this node begin"}, // each a restore of this node that this child was the first to notice
		{Requests, 500_000, "requests for patients"},                     // 137 a day; a node in the middle asks for each patient that is registered below it
	}
}

type quotaDefault struct {
	quota Quota
	limit uint64
	name  string
}

// Amounts is how much of each quota is used, or may be.
type Amounts map[Quota]uint64

// AllQuotas returns the quotas in the order of the configuration.
func AllQuotas() (all []Quota) {
	for _, q := range quotas() {
		all = append(all, q.quota)
	}
	return all
}

// DefaultLimits returns how much of each quota a child may use unless the configuration says otherwise.
func DefaultLimits() Amounts {
	limits := Amounts{}
	for _, q := range quotas() {
		limits[q.quota] = q.limit
	}
	return limits
}

// Allows reports whether a peer that has used so much of a quota may use more of it. A parent is not held to quotas: what it sends is the
// whole network's, and each node on the way has held its children to theirs. What was used before the limit was lowered, or before
// there was one, stops nobody who needs no more.
func (limits Amounts) Allows(role Role, q Quota, used, more uint64) bool {
	limit := limits[q]
	return role == Parent || more == 0 || used <= limit && more <= limit-used
}

// OverQuota says that a peer would use more of a quota than it may. It is stopped until a person has looked.
type OverQuota struct {
	Peer              string
	Quota             Quota
	Used, More, Limit uint64
}

func (e *OverQuota) Error() string {
	return fmt.Sprintf("%s is stopped, for it is over its quota of %s: it has used %d of %d, and this file needs %d more. Look at what it sends (omsync inspect) and ask its people. If all is right, raise %s in the section [quota] of omsync.toml, and run omsync inbox retry; if not, omsync peer suspend %s",
		e.Peer, e.Quota.Words(), e.Used, e.Limit, e.More, e.Quota, e.Peer)
}

// Words returns what a quota is of, in words.
func (q Quota) Words() string {
	for _, k := range quotas() {
		if k.quota == q {
			return k.name
		}
	}
	return string(q)
}

// Used is what a peer has used of its quotas.
type Used struct {
	Amounts Amounts
	Stopped *OverQuota // what stopped the peer; nil: nothing, or it has got further since
}

// Use counts more of a quota as used, or returns an *OverQuota.
func (u *Used) Use(limits Amounts, role Role, peer string, q Quota, more uint64) error {
	used := u.Amounts[q]
	if !limits.Allows(role, q, used, more) {
		return &OverQuota{Peer: peer, Quota: q, Used: used, More: more, Limit: limits[q]}
	}
	if more == 0 || role == Parent {
		return nil
	}
	if u.Amounts == nil {
		u.Amounts = Amounts{}
	}
	u.Amounts[q] = used + more
	return nil
}
