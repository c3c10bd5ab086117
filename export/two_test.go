package export

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What is made is handed on in order, and what is asked for is done by who makes it, also once all is made.
func TestInTwoKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got, asked []int
		busy := false // with an item: nobody else may use the connection then
		err := inTwo(t.Context(), func(_ context.Context, put func(int) error) error {
			for i := range 50 {
				busy = true
				time.Sleep(time.Millisecond) // the other goes on meanwhile
				busy = false
				if err := put(i); err != nil {
					return err
				}
			}
			return nil
		}, func(i int, ask func(func() error) error) error {
			got = append(got, i)
			return ask(func() error {
				if busy {
					t.Error("it is asked while the next is made")
				}
				asked = append(asked, i)
				return nil
			})
		})
		if err != nil || len(got) != 50 || !slices.IsSorted(got) || !slices.Equal(got, asked) {
			t.Errorf("%v, asked %v: %v", got, asked, err)
		}
	})
}

// Whoever fails, both have ended when it returns: nobody uses the connection any more. synctest fails where one goes on.
func TestInTwoEndsBoth(t *testing.T) {
	failed := errors.New("failed")
	endless := func(ctx context.Context, put func(int) error) error {
		for i := 0; ; i++ {
			if err := put(i); err != nil {
				return err
			}
		}
	}
	for name, f := range map[string]func(ctx context.Context, cancel func()) error{
		"the second fails": func(ctx context.Context, _ func()) error {
			return inTwo(ctx, endless, func(i int, _ func(func() error) error) error {
				if i == 5 {
					return failed
				}
				return nil
			})
		},
		"what is asked fails": func(ctx context.Context, _ func()) error {
			return inTwo(ctx, endless, func(i int, ask func(func() error) error) error {
				return ask(func() error {
					if i == 5 {
						return failed
					}
					return nil
				})
			})
		},
		"the first fails": func(ctx context.Context, _ func()) error {
			return inTwo(ctx, func(_ context.Context, put func(int) error) error {
				for i := range 5 {
					if err := put(i); err != nil {
						return err
					}
				}
				return failed
			}, func(_ int, ask func(func() error) error) error { return ask(func() error { return nil }) })
		},
		"it is interrupted": func(ctx context.Context, cancel func()) error {
			err := inTwo(ctx, endless, func(i int, ask func(func() error) error) error {
				if i == 5 {
					cancel()
				}
				return ask(ctx.Err)
			})
			if errors.Is(err, context.Canceled) {
				return failed
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if err := f(ctx, cancel); err != failed {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
