package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node/hook"
)

// ErrLocked means that another run changes the same node.
var ErrLocked = errors.New("another omsync run is at work on this node: wait for it to end")

const (
	// CommandWait is how long a command waits for the lock: a server takes it again and again for a moment.
	CommandWait = 2 * time.Second
	// ServerWait is how long a server waits for a command that holds the lock, before it leaves the work for later.
	ServerWait = 20 * time.Second
	// LockPoll is how often a run that waits for the lock asks for it.
	LockPoll = 25 * time.Millisecond
)

// Patience is how long to wait for another run that holds the lock, and what hears of it. The zero Patience waits for [CommandWait].
type Patience struct {
	Most time.Duration // 0: CommandWait; less than 0: not at all
	Say  func()        // called once, where the wait is a long one; nil: nobody hears of it
}

// Acquire is [AcquireLock] with patience: a short wait that nobody hears of, and then a long one.
func (p Patience) Acquire(ctx context.Context, home string) (*Lock, error) {
	most := p.Most
	if most == 0 {
		most = CommandWait
	}
	l, err := AcquireLock(ctx, home, min(most, CommandWait))
	if !errors.Is(err, ErrLocked) || most <= CommandWait {
		return l, err
	}
	if p.Say != nil {
		p.Say()
	}
	return AcquireLock(ctx, home, most-CommandWait)
}

// ErrAgent means that another agent is at work on the same node.
var ErrAgent = errors.New("an agent is at work on this node already")

// AcquireAgent takes the lock that an agent holds as long as it runs, beside that of its runs. ErrAgent: another one has it.
func AcquireAgent(home string) (*Lock, error) {
	l, err := tryLockFile(home, "agent.lock")
	if errors.Is(err, ErrLocked) {
		return nil, ErrAgent
	}
	return l, err
}

// Lock keeps other runs from changing the node.
type Lock struct{ file *flock.Flock }

// AcquireLock takes the lock of a home folder as soon as nobody else holds it. It asks once if wait is 0. ErrLocked: somebody else
// does to the end of the wait. A file system without locks, such as some network shares, is an error: two runs at once are worse
// than none.
func AcquireLock(ctx context.Context, home string, wait time.Duration) (*Lock, error) {
	end := time.Now().Add(wait)
	for {
		l, err := tryLock(home)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, ErrLocked) || !time.Now().Before(end) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(LockPoll):
		}
	}
}

// Release lets others have the lock, as the process's end does. The file stays.
func (l *Lock) Release() error { return l.file.Unlock() }

// Path returns the lock's file.
func (l *Lock) Path() string { return l.file.Path() }

func tryLock(home string) (*Lock, error) {
	l, err := tryLockFile(home, "lock")
	return l, explainLocked(err)
}

func tryLockFile(home, name string) (*Lock, error) {
	// For writing too: an exclusive lock needs it on NFS (flock(2)).
	f := flock.New(filepath.Join(home, name), flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o600))
	locked, err := f.TryLock()
	var path *os.PathError
	switch {
	case errors.As(err, &path) && path.Op == "open":
		return nil, fmt.Errorf("lock the home folder: %w", err)
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w: keep the home folder on a disk of this machine", f.Path(), err)
	case !locked:
		return nil, ErrLocked
	}
	return &Lock{f}, nil
}

// explainLocked says to an omsync that a hook runs why it finds the lock taken.
func explainLocked(err error) error {
	if errors.Is(err, ErrLocked) && hook.Running() {
		return failure.Hinted(err, "the run that started this hook holds the lock until the hook has ended: start what changes the node after that, by a timer or at the next run")
	}
	return err
}
