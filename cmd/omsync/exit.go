package main

import (
	"errors"
	"fmt"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
)

// Exit codes. 0 is: done.
const (
	exitError       = 1   // an error, and nothing was changed by what it names
	exitConflicts   = 3   // done, and conflicts were recorded or rows refused
	exitGap         = 10  // a batch before these is missing
	exitBusy        = 11  // another run holds the lock
	exitTrust       = 12  // a file from a stranger, changed on its way, or not encrypted to this node
	exitSchema      = 13  // the database does not fit
	exitTooNew      = 14  // a batch needs a newer omsync: it is kept, and applied once that is installed
	exitInterrupted = 130 // SIGINT or SIGTERM
)

const exitHelp = `Exit codes: 0 done; 1 error; 3 done, with conflicts recorded or rows refused; 10 an earlier batch is missing;
11 another run holds the lock; 12 untrusted or undecryptable; 13 the database does not fit; 14 a batch needs a newer omsync;
130 interrupted.`

// failure is an error with an exit code of its own, a hint, or both.
type failure struct {
	code int // 0: that of err
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// hinted adds what to do to an error.
func hinted(err error, format string, args ...any) error {
	return &failure{err: err, hint: fmt.Sprintf(format, args...)}
}

// coded gives an error its exit code.
func coded(code int, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...)}
}

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var l errorList
	if errors.As(err, &l) {
		for _, e := range l {
			if code := exitCode(e); code != exitError {
				return code
			}
		}
		return exitError
	}
	var f *failure
	for e := err; errors.As(e, &f); e = f.err {
		if f.code != 0 {
			return f.code
		}
	}
	for _, c := range []struct {
		is   error
		code int
	}{
		{errLocked, exitBusy},
		{journal.ErrBusy, exitBusy},
		{exchange.ErrUntrusted, exitTrust},
		{batch.ErrTooNew, exitTooNew},
		{batch.ErrSignature, exitTrust},
		{batch.ErrHeader, exitTrust},
		{keys.ErrSignature, exitTrust},
		{keys.ErrNotForUs, exitTrust},
		{keys.ErrDamaged, exitTrust},
		{apply.ErrSchemas, exitSchema},
	} {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return exitError
}
