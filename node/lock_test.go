package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/failure"
)

func TestHookHint(t *testing.T) {
	err := fmt.Errorf("x: %w", ErrLocked)
	t.Setenv("OMSYNC_HOOK", "")
	if explainLocked(err) != err {
		t.Error("a hint without a hook")
	}
	t.Setenv("OMSYNC_HOOK", "1")
	if got := explainLocked(err); !errors.Is(got, ErrLocked) || !errors.As(got, new(*failure.Failure)) || got == err {
		t.Errorf("%v", got)
	}
	if other := errors.New("x"); explainLocked(other) != other || explainLocked(nil) != nil {
		t.Error("a hint to another error")
	}
}

func TestPatience(t *testing.T) {
	home := t.TempDir()
	held, err := AcquireLock(t.Context(), home, 0)
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	say := func() { said++ }
	began := time.Now()
	if _, err := (Patience{Most: -1, Say: say}).Acquire(t.Context(), home); !errors.Is(err, ErrLocked) || time.Since(began) > CommandWait/2 || said > 0 {
		t.Errorf("without patience: %v, said %d", err, said)
	}
	go func() {
		time.Sleep(CommandWait + 500*time.Millisecond)
		held.Release()
	}()
	l, err := (Patience{Most: time.Minute, Say: say}).Acquire(t.Context(), home)
	if err != nil || said != 1 {
		t.Fatalf("with patience: %v, said %d", err, said)
	}
	l.Release()
}

func TestOneAgent(t *testing.T) {
	home := t.TempDir()
	one, err := AcquireAgent(home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AcquireAgent(home); !errors.Is(err, ErrAgent) {
		t.Errorf("a second agent: %v", err)
	}
	run, err := AcquireLock(t.Context(), home, 0)
	if err != nil {
		t.Fatalf("a run beside it: %v", err)
	}
	run.Release()
	one.Release()
	if again, err := AcquireAgent(home); err != nil {
		t.Error(err)
	} else {
		again.Release()
	}
}

func TestLockIsHeldByOne(t *testing.T) {
	home := t.TempDir()
	held, err := AcquireLock(t.Context(), home, 0)
	if err != nil {
		t.Fatal(err)
	}
	if held.Path() != filepath.Join(home, "lock") {
		t.Errorf("it is called %s", held.Path())
	}
	if info, err := os.Stat(held.Path()); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("its mode: %v, %v", info, err)
	}
	if _, err := AcquireLock(t.Context(), home, 60*time.Millisecond); !errors.Is(err, ErrLocked) {
		t.Fatalf("taken twice: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := AcquireLock(ctx, home, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("who is interrupted while it waits: %v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { held.Release() })
	again, err := AcquireLock(t.Context(), home, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
	if _, err := os.Stat(again.Path()); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}

// What is no lock that somebody holds is another error at once.
func TestLockThatCannotBe(t *testing.T) {
	began := time.Now()
	if _, err := AcquireLock(t.Context(), filepath.Join(t.TempDir(), "none"), time.Minute); err == nil || errors.Is(err, ErrLocked) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if time.Since(began) > 10*time.Second {
		t.Error("it waited")
	}
}
