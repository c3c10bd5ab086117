package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// needServer skips where the demo cannot start servers of its own.
func needServer(t *testing.T) {
	t.Helper()
	if os.Getenv(dbtest.EnvDSN) == "" {
		return // the tests need a private server anyway, and say so if there is none
	}
	if _, err := exec.LookPath("mariadbd"); err != nil {
		if _, err := exec.LookPath("/usr/sbin/mariadbd"); err != nil {
			t.Skip("the demo starts servers of its own, and mariadbd is not installed")
		}
	}
}

// build builds a command, without the network.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	program := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", program, pkg)
	cmd.Env = append(os.Environ(), "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return program
}

// TestDemo plays the whole story with a few patients, then opens one of its batches with stock tools.
func TestDemo(t *testing.T) {
	needServer(t)
	t.Parallel()
	bin, kept := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	program := build(t, bin, "github.com/omsync/omsync/cmd/omsync")
	ctx, end := context.WithTimeout(t.Context(), 8*time.Minute)
	defer end()
	out := &visitor{visited: end}
	if err := demo(ctx, out, program, 20, kept, true); !errors.Is(err, errStayed) {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if out.err != nil {
		t.Errorf("the page that the demo ends with: %v", out.err)
	}
	for _, want := range []string{
		"full load to epoch", "1 conflict", "covered: applied before", "took the lost value", "2 wait", "people log in by that", "signature does not match", "it is for the node hub",
		"nothing to send to kisumu", "nothing to send to migori", "The three databases are equal",
		"lamu joined hub", "turkana joined hub", ": down since ", "kill -9", "over folder:", "The five databases are equal",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	t.Run("recovery page", func(t *testing.T) { stockTools(t, bin, kept) })
}

// visitor is who sees the demo, and visits the page whose address comes last.
type visitor struct {
	bytes.Buffer
	visited func()
	err     error
}

func (v *visitor) Write(b []byte) (int, error) {
	n, err := v.Buffer.Write(b)
	if m := regexp.MustCompile(`The page is at (http://\S+)\n$`).FindSubmatch(v.Bytes()); m != nil {
		v.err = visit(string(m[1]))
		v.visited()
	}
	return n, err
}

// visit looks at a page that lets anna choose a password.
func visit(address string) error {
	resp, err := http.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(b, []byte("anna"))) {
		err = fmt.Errorf("%s\n%s", resp.Status, b)
	}
	return err
}

// stockTools runs the commands of docs/recovery.md that open a batch without omsync.
func stockTools(t *testing.T, bin, kept string) {
	if _, err := exec.LookPath("zstd"); err != nil {
		t.Skip(err)
	}
	build(t, bin, "filippo.io/age/cmd/age")
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "recovery.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)<!-- tested -->\\s*```sh\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/recovery.md has no block of commands marked <!-- tested -->")
	}
	batches, err := filepath.Glob(filepath.Join(kept, "used", "hub-to-kisumu-0000000000-*.omsync"))
	if err != nil || len(batches) != 1 {
		t.Fatalf("%d full loads for kisumu were kept (%v)", len(batches), err)
	}
	commands := regexp.MustCompile(`(?m)^FILE=.*$`).ReplaceAllString(string(block[1]), "FILE="+batches[0])
	commands = regexp.MustCompile(`(?m)^KEY=.*$`).ReplaceAllString(commands, "KEY="+filepath.Join(kept, "kisumu", "kisumu.identity.age.txt"))
	work := t.TempDir()
	cmd := exec.Command("sh", "-eu", "-c", commands)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, commands, out)
	}
	header, err := os.ReadFile(filepath.Join(work, "header.cbor"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := os.ReadFile(filepath.Join(work, "rows.cbor"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(header, []byte("kisumu")) || !bytes.HasPrefix(rows, header) {
		t.Error("the stream does not begin with the header of the file")
	}
	if !bytes.Contains(rows, []byte("hub-000001")) {
		t.Error("no patient's identifier is in the stream")
	}
	batch, err := os.ReadFile(batches[0])
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(batch, []byte("hub-000001")) {
		t.Error("a patient's identifier is in the file in the clear")
	}
}

// TestCrontab compares the line that the demo shows with the one that is installed.
func TestCrontab(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "packaging", "examples", "cron"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "\n"+crontab+"\n") {
		t.Errorf("packaging/examples/cron has no line\n%s\nbut\n%s", crontab, b)
	}
}

// TestInterrupted interrupts the demo as a person does, at some moments: nothing that it started may go on.
func TestInterrupted(t *testing.T) {
	needServer(t)
	t.Parallel()
	bin := t.TempDir()
	omsync := build(t, bin, "github.com/omsync/omsync/cmd/omsync")
	demo := build(t, bin, "github.com/omsync/omsync/testdata/demo")
	for _, moment := range []string{"A hub and two clinics", "peer add", "$ omsync --home lamu sync"} {
		temp, err := os.MkdirTemp("", "interrupt")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(temp) })
		cmd := exec.Command(demo, "-omsync", omsync, "-patients", "10")
		cmd.Env = append(os.Environ(), "TMPDIR="+temp)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		cmd.WaitDelay = time.Second
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		watchdog := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
		if err := waitFor(out, moment); err != nil {
			t.Fatalf("%v\n%s", err, errs.String())
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, out)
		cmd.Wait()
		watchdog.Stop()
		if code := cmd.ProcessState.ExitCode(); code != 130 {
			t.Errorf("interrupted at %q: exit code %d\n%s", moment, code, errs.String())
		}
		left, err := os.ReadDir(temp)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range left {
			t.Errorf("interrupted at %q: %s is left", moment, e.Name())
		}
		for _, command := range running(t, temp) {
			t.Errorf("interrupted at %q: it still runs: %s", moment, command)
		}
	}
}

// waitFor reads until a text came.
func waitFor(r io.Reader, text string) error {
	var seen bytes.Buffer
	for b := make([]byte, 1024); ; {
		n, err := r.Read(b)
		seen.Write(b[:n])
		if strings.Contains(seen.String(), text) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%q did not come (%w) in:\n%s", text, err, seen.String())
		}
	}
}

// running lists the processes that work in a folder or name it in their command line, where there is a /proc.
func running(t *testing.T, folder string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		// Of a folder that is gone the link still has the name.
		at, _ := os.Readlink(filepath.Join(filepath.Dir(f), "cwd"))
		if bytes.Contains(b, []byte(folder)) || strings.HasPrefix(at, folder+"/") {
			found = append(found, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return found
}
