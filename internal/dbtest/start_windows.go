package dbtest

import "syscall"

// ownGroup starts a program in a process group of its own. (Private servers need a shell; a server that OMSYNC_TEST_DSN
// names is all there is on Windows.)
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
