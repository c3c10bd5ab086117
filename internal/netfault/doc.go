// Package netfault stands between a client and a server on this machine and is a bad network to them, for tests with real
// processes that talk over loopback.
//
// A [Proxy] carries bytes and is bad in the ways of a link: it refuses, cuts, stalls, is slow or silent, with whatever is
// spoken over it. An [HTTPProxy] reads plain HTTP/1.1 requests and is bad in the ways of what stands in between: it repeats
// them, lets them arrive late, and loses answers.
//
// What happens to the n-th connection, or to the n-th request, follows from the seed and n alone. Where several are under way
// at once, which of them is the n-th is for the scheduler to say.
//
// Every proxy listens on a free port of 127.0.0.1 and ends with its test: when the Cleanup is over, none of its sockets and
// goroutines is left.
package netfault
