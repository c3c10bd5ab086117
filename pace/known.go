package pace

import "slices"

// Known is a list of what lies somewhere, as it was seen last.
type Known struct{ items []string }

// News reports whether a list has something that was not in the one before, and takes it over. What is gone is no news.
func (k *Known) News(items []string) bool {
	fresh := slices.ContainsFunc(items, func(i string) bool { return !slices.Contains(k.items, i) })
	k.items = slices.Clone(items)
	return fresh
}
