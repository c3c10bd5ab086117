package failure

import (
	"fmt"
	"strings"
)

// Code is a process's exit code. 0 is: done.
type Code int

const (
	Error       Code = 1   // an error, and nothing was changed by what it names
	Conflicts   Code = 3   // done, and conflicts were recorded, rows refused, or rows wait
	Differs     Code = 4   // omsync verify: the sites do not hold the same, or this node is not what it says
	Gap         Code = 10  // a batch before these is missing
	Busy        Code = 11  // another run holds the lock
	Trust       Code = 12  // a file from a stranger, changed on its way, or not encrypted to this node
	Schema      Code = 13  // the database does not fit
	TooNew      Code = 14  // a batch needs a newer omsync: it is kept, and applied once that is installed
	Interrupted Code = 130 // SIGINT or SIGTERM
)

// Failure is an error with an exit code of its own, a hint, or both.
type Failure struct {
	Code Code // 0: that of Err
	Err  error
	Hint string // what to do about it; empty: nothing is known
}

// Error returns the message of the error inside.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error inside.
func (f *Failure) Unwrap() error { return f.Err }

// Hinted returns an error with what to do about it.
func Hinted(err error, format string, args ...any) error {
	return &Failure{Err: err, Hint: fmt.Sprintf(format, args...)}
}

// Coded returns a new error with its exit code.
func Coded(code Code, format string, args ...any) error {
	return &Failure{Code: code, Err: fmt.Errorf(format, args...)}
}

// List is several errors of one run. The first that has more to say than [Error] gives the exit code.
type List []error

// Error returns the messages, a line each.
func (l List) Error() string {
	var lines []string
	for _, e := range l {
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors.
func (l List) Unwrap() []error { return l }
