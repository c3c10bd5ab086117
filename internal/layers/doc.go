// Package layers holds the module to its shape. It has tests alone: which package may import which, and how long a file may be.
package layers
