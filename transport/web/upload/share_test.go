package upload

import (
	"errors"
	"testing"
)

func shareCases() map[string]struct {
	left int64
	u    usage
	want error
} {
	return map[string]struct {
		left int64
		u    usage
		want error
	}{
		"a quarter":                       {400, usage{announced: 100}, nil},
		"a byte more":                     {400, usage{announced: 101}, ErrShare},
		"more than is left":               {400, usage{announced: 401}, ErrFull},
		"no byte beside the reserve":      {0, usage{announced: 1}, ErrFull},
		"the reserve is used up":          {-50, usage{announced: 1}, ErrFull},
		"others have announced":           {800, usage{announced: 100, others: 400}, nil},
		"others, and a byte more":         {800, usage{announced: 101, others: 400}, ErrShare},
		"others have announced it all":    {400, usage{announced: 1, others: 400}, ErrFull},
		"a quarter, most of which came":   {310, usage{announced: 100, come: 90}, nil},
		"as much, and a byte more":        {310, usage{announced: 101, come: 90}, ErrShare},
		"a quarter, some of which waits":  {360, usage{announced: 60, waiting: 40}, nil},
		"as much, and one that waits":     {360, usage{announced: 60, waiting: 41}, ErrShare},
		"nothing is to come":              {-50, usage{announced: 100, come: 100}, nil},
		"what came is no room for others": {10, usage{announced: 100, come: 80}, ErrFull},
	}
}

func TestCheckShare(t *testing.T) {
	for what, c := range shareCases() {
		if err := checkShare(c.left, c.u); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}

// Each thing that the rule looks at is needed: without it a case comes out differently.
func TestShareMutants(t *testing.T) {
	for what, mutant := range map[string]func(left int64, u usage) error{
		"others do not count":       func(left int64, u usage) error { u.others = 0; return checkShare(left, u) },
		"what came does not count":  func(left int64, u usage) error { u.come = 0; return checkShare(left, u) },
		"what waits does not count": func(left int64, u usage) error { u.waiting = 0; return checkShare(left, u) },
		"what waits is room only": func(left int64, u usage) error {
			return checkShare(left+u.waiting, usage{u.announced, u.come, 0, u.others})
		},
		"one node may have all": func(left int64, u usage) error {
			if err := checkShare(left, u); err != ErrShare {
				return err
			}
			return nil
		},
		"the disk has always room": func(_ int64, u usage) error { return checkShare(1<<40, u) },
	} {
		found := false
		for _, c := range shareCases() {
			found = found || !errors.Is(mutant(c.left, c.u), c.want)
		}
		if !found {
			t.Errorf("%s: no case shows it", what)
		}
	}
}
