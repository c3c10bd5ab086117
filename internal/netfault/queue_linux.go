package netfault

import (
	"net"

	"golang.org/x/sys/unix"
)

// queued is how many bytes were written to a connection and have not reached the other side's socket: see SIOCOUTQ in
// tcp(7).
func queued(c *net.TCPConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	err = raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err != nil {
		return 0
	}
	return n
}
