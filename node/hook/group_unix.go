//go:build unix

package hook

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// setProcessGroup gives a command a process group of its own, all of which is told to end when its context does.
func setProcessGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error {
		err := syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}

// killAll ends what is left of the group.
func killAll(c *exec.Cmd) {
	if c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // mostly nothing is left
	}
}
