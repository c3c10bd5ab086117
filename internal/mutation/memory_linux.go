package mutation

import "golang.org/x/sys/unix"

// maxMemory is the most bytes of addresses that a mutant gets: one without a bound might take all that the machine has.
const maxMemory = 4 << 30

func limitMemory(pid int) {
	// Without the limit the mutant is run all the same.
	_ = unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: maxMemory, Max: maxMemory}, nil)
}
