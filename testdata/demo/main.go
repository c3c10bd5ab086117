// Command demo shows omsync at work to someone who sees it for the first time: a hub and two clinics, each with a database
// server of its own, that exchange files on a stick; then two more clinics that call the hub's server.
//
// It promises: everything it starts ends with it and everything it writes is gone afterwards, also when it is interrupted;
// what it prints under a $ is a command that was run, and what that printed; and it ends with 0 only if a comparison that
// shares no code with omsync finds all databases equal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run tells the story and answers the exit code: 0 if the databases are equal, 1 if not or if anything else went wrong, 130
// if it was interrupted.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	omsync := flags.String("omsync", filepath.Join("bin", "omsync"), "the omsync `program`")
	patients := flags.Int("patients", 200, "how many `patients` the hub has at first")
	keep := flags.String("keep", "", "leave the homes and the sticks (not the databases) in this new `folder`")
	stay := flags.Bool("stay", false, "in the end show the hub's page, until somebody interrupts")
	if err := flags.Parse(args); err != nil {
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := demo(ctx, stdout, *omsync, *patients, *keep, *stay)
	switch {
	case errors.Is(err, errStayed):
		fmt.Fprintln(stdout, "\nThe servers and files of this demo are gone.")
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "demo: interrupted; all that it started is gone")
		return 130
	case err != nil:
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return 1
	}
	return 0
}

// demo sets the stage, tells the story, and clears up. stay: it shows the page before, until the context ends, and answers errStayed.
func demo(ctx context.Context, out io.Writer, omsync string, patients int, keep string, stay bool) (err error) {
	if omsync, err = filepath.Abs(omsync); err != nil {
		return err
	}
	if _, err := os.Stat(omsync); err != nil {
		return fmt.Errorf("there is no omsync program; build it first (make build): %w", err)
	}
	if patients < 10 {
		return fmt.Errorf("the story needs 10 patients at least, and %d were asked for", patients)
	}
	dir, err := os.MkdirTemp("", "omsync-demo-")
	if err != nil {
		return err
	}
	d := &stage{ctx: ctx, out: out, dir: dir, program: omsync, patients: patients, began: time.Now(), stays: stay}
	defer func() { err = errors.Join(err, d.clear(keep)) }()
	if err := d.story(); err != nil || !stay {
		return err
	}
	return d.page()
}
