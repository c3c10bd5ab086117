package main

import (
	"errors"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
)

// exitHelp is what the help says of exit codes: see package failure.
const exitHelp = `Exit codes: 0 done; 1 error; 3 done, with conflicts recorded or rows refused;
4 what was compared differs; 10 an earlier batch is missing;
11 another run holds the lock; 12 untrusted or undecryptable; 13 the database does not fit; 14 a batch needs a newer omsync;
130 interrupted.`

// exitCode is the one place where errors become exit codes.
func exitCode(err error) failure.Code {
	if err == nil {
		return 0
	}
	var l failure.List
	if errors.As(err, &l) {
		for _, e := range l {
			if code := exitCode(e); code != failure.Error {
				return code
			}
		}
		return failure.Error
	}
	var f *failure.Failure
	for e := err; errors.As(e, &f); e = f.Err {
		if f.Code != 0 {
			return f.Code
		}
	}
	for _, c := range []struct {
		is   error
		code failure.Code
	}{
		{node.ErrLocked, failure.Busy},
		{node.ErrAgent, failure.Busy},
		{journal.ErrBusy, failure.Busy},
		{exchange.ErrUntrusted, failure.Trust},
		{batch.ErrTooNew, failure.TooNew},
		{batch.ErrSignature, failure.Trust},
		{batch.ErrHeader, failure.Trust},
		{keys.ErrSignature, failure.Trust},
		{keys.ErrNotForUs, failure.Trust},
		{keys.ErrDamaged, failure.Trust},
		{apply.ErrSchemas, failure.Schema},
	} {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return failure.Error
}
