package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// errLocked means that another run changes the same node.
var errLocked = errors.New("another omsync run is at work on this node: wait for it to end")

// lock keeps other runs from changing the node until the file it answers is closed, or the process ends. The file stays.
func lock(home string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(home, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the home folder: %w", err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, hookHint(err)
	}
	return f, nil
}

// lockWait is how long a server waits for a command that holds the lock, before it leaves the work for later.
const lockWait = 20 * time.Second

const (
	// commandWait is how long a command waits for the lock: a server takes it again and again for a moment.
	commandWait = 2 * time.Second
	lockPoll    = 25 * time.Millisecond
)

// lockWithin takes the lock as soon as nobody else holds it.
func lockWithin(ctx context.Context, home string, wait time.Duration) (unlock func(), err error) {
	f, err := waitLock(ctx, home, wait)
	if err != nil {
		return nil, err
	}
	return func() { f.Close() }, nil
}

func waitLock(ctx context.Context, home string, wait time.Duration) (*os.File, error) {
	end := time.Now().Add(wait)
	for {
		f, err := lock(home)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, errLocked) || time.Now().After(end) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}
