package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// width is where told text breaks, in bytes.
const width = 100

// stage is where the demo plays: a temporary folder, three sites, and the output.
type stage struct {
	ctx      context.Context
	out      io.Writer
	dir      string // commands run here
	program  string
	patients int
	began    time.Time

	hub, kisumu, migori *site
	lamu, turkana       *site    // of the second act
	server              *process // the hub's; nil before it was started
	shown               *process // the hub's page; nil before it was started
	stays               bool     // the page is shown in the end
	address             string   // of the server: host and port
	chapters            int
}

// sites are those that were started.
func (d *stage) sites() []*site {
	var all []*site
	for _, s := range []*site{d.hub, d.kisumu, d.migori, d.lamu, d.turkana} {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// clear stops all servers and removes the folder. keep, if not empty, is a new folder for all but the databases.
func (d *stage) clear(keep string) error {
	var errs []error
	for _, p := range []*process{d.server, d.shown} {
		if p != nil {
			p.kill()
		}
	}
	for _, s := range d.sites() {
		errs = append(errs, s.stop())
		errs = append(errs, os.RemoveAll(filepath.Join(d.dir, "server", s.name)))
	}
	if keep != "" {
		errs = append(errs, os.CopyFS(keep, os.DirFS(d.dir)))
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// title begins a chapter.
func (d *stage) title(text string) {
	d.chapters++
	fmt.Fprintf(d.out, "\n== %d. %s\n", d.chapters, text)
}

// say prints a paragraph.
func (d *stage) say(format string, args ...any) {
	fmt.Fprintln(d.out)
	line := ""
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		if line != "" && len(line)+1+len(word) > width {
			fmt.Fprintln(d.out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(d.out, line)
}

// omsync runs the program for a site as the command line would, and shows command and output.
func (d *stage) omsync(s *site, args ...string) error { return d.omsyncEnds(done, s, args...) }

// meanings are the exit codes that the demo provokes.
var meanings = map[int]string{3: "done, and there is something to look at", 12: "untrusted"}

// Exit codes that are expected.
var (
	done      = []int{0}
	conflict  = []int{3}
	mayRecord = []int{0, 3} // records of conflicts travel too, to those who have no part in them
	untrusted = []int{12}
)

// omsyncEnds is omsync for a command that should end with one of some exit codes. Another one ends the demo.
func (d *stage) omsyncEnds(codes []int, s *site, args ...string) error {
	args = append([]string{"--home", s.name}, args...)
	d.command("omsync", args...)
	return d.execute(codes, d.indented(), args...)
}

// card writes a site's card to a file.
func (d *stage) card(s *site) error {
	args := []string{"--home", s.name, "card"}
	d.command("omsync", append(args, ">", s.name+".card")...)
	var card bytes.Buffer
	if err := d.execute(done, &card, args...); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir, s.name+".card"), card.Bytes(), 0o600)
}

// execute runs the program. Its standard error goes where the demo's output goes, in the order of writing.
func (d *stage) execute(codes []int, stdout io.Writer, args ...string) error {
	cmd := exec.CommandContext(d.ctx, d.program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Dir = d.dir
	cmd.Stdout, cmd.Stderr = stdout, stdout
	if _, shown := stdout.(*indent); !shown {
		cmd.Stderr = d.indented()
	}
	err := cmd.Run()
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got, err = exit.ExitCode(), nil
	}
	if err != nil {
		return err
	}
	return d.ends(codes, got, "omsync "+strings.Join(args, " "))
}

// ends judges the exit code of a command, and shows it if it is not 0.
func (d *stage) ends(codes []int, got int, command string) error {
	if !slices.Contains(codes, got) {
		return fmt.Errorf("%s: omsync ended with %d where %d was expected", command, got, codes)
	}
	if got != 0 {
		fmt.Fprintf(d.out, "  (exit code %d: %s)\n", got, meanings[got])
	}
	return nil
}

// command shows a command line that a shell would take.
func (d *stage) command(name string, args ...string) {
	fmt.Fprintf(d.out, "  $ %s", name)
	for _, a := range args {
		if strings.ContainsAny(a, "()'\" ") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		fmt.Fprint(d.out, " ", a)
	}
	fmt.Fprintln(d.out)
}

// wipe empties the stick. What was on it is moved out of the commands' sight, for -keep.
func (d *stage) wipe() error {
	fmt.Fprintln(d.out, "  $ rm stick/*")
	files, err := d.stick()
	if err != nil {
		return err
	}
	used := filepath.Join(d.dir, "used")
	if err := os.MkdirAll(used, 0o700); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Rename(filepath.Join(d.dir, f), filepath.Join(used, filepath.Base(f))); err != nil {
			return err
		}
	}
	return nil
}

// stick lists the batches on the stick, by names that the commands take.
func (d *stage) stick() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(d.dir, "stick"))
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		files = append(files, filepath.Join("stick", e.Name()))
	}
	return files, nil
}

// from finds the one batch of a sender on the stick.
func (d *stage) from(s *site) (string, error) {
	files, err := d.stick()
	if err != nil {
		return "", err
	}
	found := ""
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), s.name+"-") {
			if found != "" {
				return "", fmt.Errorf("two batches of %s on the stick: %s and %s", s.name, found, f)
			}
			found = f
		}
	}
	if found == "" {
		return "", fmt.Errorf("no batch of %s is on the stick", s.name)
	}
	return found, nil
}

// edit runs a statement as the application would, and shows it.
func (d *stage) edit(s *site, statement string) error {
	statement = strings.Join(strings.Fields(statement), " ")
	fmt.Fprintf(d.out, "  %s> %s;\n", s.name, statement)
	result, err := s.db.ExecContext(d.ctx, statement)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("%s: the statement changed nothing: %s", s.name, statement)
	}
	return nil
}

// ask shows what each site answers to a query for one value, and fails if one is not the value wanted ("" for any).
func (d *stage) ask(what, query, want string) error {
	fmt.Fprintf(d.out, "  %s\n", what)
	for _, s := range d.sites() {
		var got string
		if err := s.db.QueryRowContext(d.ctx, query).Scan(&got); err != nil {
			return fmt.Errorf("%s: %s: %w", s.name, query, err)
		}
		fmt.Fprintf(d.out, "    %-7s %s\n", s.name, got)
		if want != "" && got != want {
			return fmt.Errorf("%s has %q where %q was expected", s.name, got, want)
		}
	}
	return nil
}

// indent puts two blanks before each line.
type indent struct {
	w      io.Writer
	inside bool // of a line
}

func (d *stage) indented() *indent { return &indent{w: d.out} }

func (i *indent) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if !i.inside {
			if _, err := io.WriteString(i.w, "  "); err != nil {
				return 0, err
			}
		}
		if _, err := i.w.Write(line); err != nil {
			return 0, err
		}
		i.inside = line[len(line)-1] != '\n'
	}
	return len(p), nil
}
