package hook

import (
	"errors"
	"os/exec"
	"strconv"
)

// setProcessGroup has all that a command started end with it when its context does.
func setProcessGroup(c *exec.Cmd) {
	c.Cancel = func() error {
		err := exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(c.Process.Pid)).Run()
		if err != nil {
			err = errors.Join(err, c.Process.Kill())
		}
		return err
	}
}

// killAll has nothing left to do: taskkill /T ended all.
func killAll(*exec.Cmd) {}
