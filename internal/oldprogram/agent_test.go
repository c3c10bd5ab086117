package oldprogram_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/oldprogram"
)

// The agent of now is at work with a hub that runs the program as it was, which cannot say when it has mail: what the clinic has goes at once, and
// what the hub has comes with that, for the agent asks.
func TestAgentWithOldHub(t *testing.T) {
	before, now := oldprogram.Build(t), oldprogram.Present(t)
	m := newMeeting(t, true, map[string]string{"hub": before, "kisumu": now})
	m.join()
	m.sync()

	var said bytes.Buffer
	agent := exec.Command(now, "--home", m.home["kisumu"], "agent")
	agent.Env = append(os.Environ(), "OMSYNC_HOME=")
	agent.Stdout, agent.Stderr = &said, &said
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		agent.Process.Signal(os.Interrupt)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the agent ended with %v", err)
			}
		case <-time.After(time.Minute):
			agent.Process.Kill()
			<-ended
			t.Error("the agent does not end")
		}
	}
	defer stop()
	within := func(node, uuid, want string) {
		t.Helper()
		for began := time.Now(); time.Since(began) < 2*time.Minute; time.Sleep(100 * time.Millisecond) {
			var name string
			err := m.db[node].QueryRow("SELECT name FROM site WHERE uuid = ?", uuid).Scan(&name)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				t.Fatal(err)
			}
			if name == want {
				return
			}
		}
		stop()
		t.Fatalf("%s is not %q at %s; the agent said\n%s", uuid, want, node, said.String())
	}
	dbtest.Exec(t, m.db["kisumu"], "INSERT INTO site (uuid, name) VALUES ('k1', 'of the clinic')")
	within("hub", "k1", "of the clinic")
	dbtest.Exec(t, m.db["hub"], "UPDATE site SET name = 'of the hub' WHERE uuid = 's1'")
	dbtest.Exec(t, m.db["kisumu"], "UPDATE site SET name = 'once more' WHERE uuid = 'k1'")
	within("hub", "k1", "once more")
	within("kisumu", "s1", "of the hub")
}
