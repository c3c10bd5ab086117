package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// attend runs a program ("$@") that ends when descriptor 3 does: the other end of that pipe is held by the demo alone, so the
// program is killed with the demo, however that ends.
const attend = `
"$@" 3<&- & program=$!
( read -r word <&3; kill -KILL $program ) 2>/dev/null & watch=$!
exec 3<&-
wait $program 2>/dev/null; code=$?
kill $watch 2>/dev/null
exit $code
`

// process is a program in the background.
type process struct {
	pipe  *os.File
	ended chan struct{} // closed when it has gone
}

// background starts the program with its output in a file that is made new or added to.
func (d *stage) background(log string, args ...string) (*process, error) {
	out, err := os.OpenFile(filepath.Join(d.dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", attend, "sh", d.program}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, out, out
	cmd.ExtraFiles = []*os.File{r}
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	p := &process{pipe: w, ended: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// kill ends it at once (SIGKILL), and waits until it has gone.
func (p *process) kill() {
	p.pipe.Close()
	<-p.ended
}

// listening is what the server's log says once it takes calls.
var listening = regexp.MustCompile(`msg=listening .*address=(\S+) tls=true`)

// serve starts the hub's server and answers the address that it listens at. After a kill the address may not be free at once.
func (d *stage) serve(address string) (string, error) {
	const log = "hub.log"
	args := []string{"--home", d.hub.name, "serve", "--import", "--listen", address}
	d.command("omsync", append(args, "2>>", log, "&")...)
	for try := 0; ; try++ {
		before, err := os.ReadFile(filepath.Join(d.dir, log))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if d.server, err = d.background(log, args...); err != nil {
			return "", err
		}
		at, text, err := d.listens(d.server, listening, filepath.Join(d.dir, log), len(before))
		if err != nil || at != "" {
			return at, err
		}
		if !strings.Contains(text, "address already in use") || try == 20 {
			return "", fmt.Errorf("the hub's server does not start: %s", text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// listens waits for a server's word in its log, from an offset on. An empty address: it has ended, and text is why.
func (d *stage) listens(p *process, word *regexp.Regexp, log string, from int) (address, text string, err error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ended := false
		select {
		case <-d.ctx.Done():
			return "", "", d.ctx.Err()
		case <-p.ended:
			ended = true
		default:
		}
		b, err := os.ReadFile(log)
		if err != nil {
			return "", "", err
		}
		if m := word.FindSubmatch(b[from:]); m != nil {
			return string(m[1]), "", nil
		}
		if ended || time.Now().After(deadline) {
			return "", string(b[from:]), nil
		}
	}
}

// Stand-ins for programs that a line of crontab finds on its PATH, in the folder bin: omsync itself, whose exit code gets
// lost in a pipe and is noted; and logger, which shows what would go to the system's log.
var onPath = map[string]string{
	"omsync": "#!/bin/sh\n\"$OMSYNC_PROGRAM\" \"$@\"; code=$?\necho $code > bin/code; exit $code\n",
	"logger": "#!/bin/sh\nexec cat\n",
}

func (d *stage) binaries() error {
	if err := os.Mkdir(filepath.Join(d.dir, "bin"), 0o700); err != nil {
		return err
	}
	for name, text := range onPath {
		if err := os.WriteFile(filepath.Join(d.dir, "bin", name), []byte(text), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// shell runs a line as cron does, by sh with next to nothing in its environment, and shows line and output. An omsync in it
// should end with one of some exit codes. It answers the output.
func (d *stage) shell(codes []int, line string) (string, error) {
	fmt.Fprintf(d.out, "  $ %s\n", line)
	var out bytes.Buffer
	cmd := exec.CommandContext(d.ctx, "/bin/sh", "-c", line)
	cmd.Dir = d.dir
	cmd.Env = []string{"PATH=" + filepath.Join(d.dir, "bin") + ":/usr/bin:/bin", "HOME=" + d.dir, "OMSYNC_PROGRAM=" + d.program, "TMPDIR=" + os.TempDir()}
	cmd.Stdout = io.MultiWriter(d.indented(), &out)
	cmd.Stderr = cmd.Stdout
	ownGroup(cmd)
	cmd.Cancel = func() error { return endGroup(cmd) }
	cmd.WaitDelay = 20 * time.Second
	noted := filepath.Join(d.dir, "bin", "code")
	if err := os.RemoveAll(noted); err != nil {
		return "", err
	}
	err := cmd.Run()
	if cmd.Process != nil && d.ctx.Err() != nil {
		killGroup(cmd)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", line, err)
	}
	b, err := os.ReadFile(noted)
	if errors.Is(err, os.ErrNotExist) { // no omsync in it
		return out.String(), nil
	} else if err != nil {
		return "", err
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return "", err
	}
	return out.String(), d.ends(codes, code, line)
}
