package config

import (
	"cmp"
	"fmt"
	"time"
)

// Bounds of how long a peer may be silent before it is late, whatever it is used to: DefaultLateLeast in hours and DefaultLateMost in days where
// nothing is said, MaxLateDays the most of both.
const DefaultLateLeast, DefaultLateMost, MaxLateDays = 24, 14, 365

func (c *Config) checkLate() error {
	least, most := c.late()
	switch {
	case *least < 1 || *least > 24*MaxLateDays:
		return fmt.Errorf("late_least_hours is %d: write a number from 1 to %d", *least, 24*MaxLateDays)
	case *most < 1 || *most > MaxLateDays:
		return fmt.Errorf("late_most_days is %d: write a number from 1 to %d", *most, MaxLateDays)
	case *least > 24**most:
		return fmt.Errorf("late_least_hours is %d, and late_most_days %d: nobody is late after less time than the least", *least, *most)
	}
	return nil
}

func (c *Config) late() (least, most *int) {
	l, m := DefaultLateLeast, DefaultLateMost
	return cmp.Or(c.LateLeast, &l), cmp.Or(c.LateMost, &m)
}

// Late returns how long a peer may be silent, at least and at most, before it is late.
func (c *Config) Late() (least, most time.Duration) {
	l, m := c.late()
	return time.Duration(*l) * time.Hour, time.Duration(*m) * 24 * time.Hour
}
