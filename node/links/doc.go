// Package links opens the ways to peers that a configuration names: servers, folders, sticks and buckets.
//
// It promises: a link that is not there now is transport.ErrDown and nothing else is; a stick is written to only where one is
// mounted, never into the folder that it is mounted over; and no link goes faster than its bwlimit.
package links
