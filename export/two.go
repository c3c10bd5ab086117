package export

import "context"

// inTwo hands on what one function makes to another, which runs beside it, in order. What the other asks for is done between two of these, by the
// first, whose the connection is. The context of the first ends when the second errs.
func inTwo[T any](ctx context.Context, from func(ctx context.Context, put func(T) error) error, to func(item T, ask func(func() error) error) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	items, asked, done := make(chan T, queued), make(chan func(error)), make(chan error, 1)
	ask := func(f func() error) error {
		answer := make(chan error, 1)
		asked <- func(failed error) {
			if failed == nil {
				failed = f()
			}
			answer <- failed
		}
		return <-answer
	}
	go func() {
		var err error
		for item := range items {
			if err == nil {
				if err = to(item, ask); err != nil {
					cancel()
				}
			}
		}
		done <- err
	}()
	err := from(ctx, func(item T) error {
		for {
			select {
			case items <- item:
				return nil
			case f := <-asked:
				f(nil)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	close(items)
	for {
		select {
		case f := <-asked: // what failed first is the cause
			f(err)
		case failed := <-done:
			if failed != nil {
				return failed
			}
			return err
		}
	}
}
