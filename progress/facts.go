package progress

import "time"

// Facts is what is known of a node at one moment.
type Facts struct {
	Now time.Time
	// Unsealed is the changes that belong to no epoch yet, and since when the oldest is there; zero: unknown.
	Unsealed      int64
	UnsealedSince time.Time
	Conflicts     int // that somebody should look at
	MoreConflicts bool
	Triggers      []string // tables whose triggers are not as they should be
	Nameless      int      // tables with rows that stay here, because nothing names them elsewhere
	Files         []File   // that came and are not applied
	Links         []Link
	Peers         []Peer
}

// File is one that came and was not applied.
type File struct {
	Name, Sender string
	Aside        bool // it failed too often: nothing tries it
	Deletions    bool // it deletes much, and waits for a person
}

// Link is a way for files.
type Link struct {
	Name, Error string
	Up, Down    time.Time // when it was last there, and since when it is not; zero: never, and it is
	Refused     string    // why the last file was not applied there
}

// Peer is what is known of the exchange with a peer.
type Peer struct {
	Name      string
	Parent    bool
	Suspended bool
	Added     time.Time // when the link to it was made
	Heard     time.Time // when a file of it last brought something new; zero: never
	First     time.Time // since when contacts are known; zero: unknown
	Silences  []Silence
	// Unsent is rows that it has not confirmed, and since when the oldest of them is there; zero: unknown.
	Unsent      int64
	UnsentSince time.Time
	Waiting     []Waiting // rows of it that wait here, by reason
	There       int64     // rows of this node that wait there
	Stopped     bool      // it is over a quota
	Copies      bool      // two copies of it are at work
	Revoked     bool      // its keys are revoked, and it has no new card yet
	Differ      int64     // rows that were not the same at both at the last comparison, and were not repaired here since
	ClockAhead  time.Duration
	DiskFree    int64 // bytes, as it said of itself; 0: unknown
}

// Silence is a time in which a peer was not heard.
type Silence struct{ From, To time.Time }

// Waiting is rows that wait for one reason.
type Waiting struct {
	Rows  int64
	Since time.Time // of the oldest
	// ByItself: they wait for another row, which mostly comes with a later file.
	ByItself bool
}

// Bounds are the limits of how long a peer may be silent before it is late, whatever its habit is.
type Bounds struct{ Least, Most time.Duration }

// DefaultBounds returns those of a node that has nothing set.
func DefaultBounds() Bounds { return Bounds{24 * time.Hour, 14 * 24 * time.Hour} }
