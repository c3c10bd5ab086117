package config

// Owner returns "": accounts and their rights are another matter here.
func Owner(string) string { return "" }
