package access

// ResendEvery is how long a peer that was sent a table again waits for it at least until it is sent it once more, in microseconds. What it
// asks for meanwhile is answered after that.
const ResendEvery = 60 * 60 * 1_000_000

// Resends reports whether a table that a peer asks for is sent again now, if it was last at that time, in microseconds since 1970 UTC; 0:
// never. A clock that was set back makes it due: to wait for the time that it said then might take years.
func Resends(last, now int64) bool {
	return last == 0 || now < last || now-last >= ResendEvery
}
