//go:build !linux

package mutation

func limitMemory(int) {}
