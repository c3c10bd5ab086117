// Command omsync keeps OpenMRS databases at several sites in step by files that any courier can carry.
//
// The commands are thin, a file for each: options, constructor, run function and what it prints. They open the node and call the
// packages that do the work. Results go to stdout, everything else to stderr; exit codes are in exit.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/failure"
)

func main() { os.Exit(int(run(os.Args[1:], os.Stderr))) }

// memoryLimit is a soft limit in bytes: near it the collector works harder. What a command needs, whatever the size of
// the batch, is well below; clinics' servers are small. The program's own pages, some 12 MB, and what is garbage for a moment come on top.
const memoryLimit = 96 << 20

// collectLate has the garbage collector begin when the program holds 16 MB, not 4, and go on as ever from there: what a command reads when it
// begins is hardly ever garbage, and a tenth of the time of one that has nothing to do went into looking for it.
func collectLate() {
	const first, asEver = 400, 100 // in percent of what is kept, at least 4 MB
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(first)
	runtime.AddCleanup(&struct{ p *int }{}, func(percent int) { debug.SetGCPercent(percent) }, asEver) // what nothing holds goes with the first collection
}

// run runs one command and answers its exit code.
func run(args []string, stderr io.Writer) failure.Code {
	mysql.SetLogger(log.New(io.Discard, "", 0)) // what the driver has to say comes as errors too
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	collectLate()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "omsync: interrupted")
		return failure.Interrupted
	}
	report(stderr, err)
	return exitCode(err)
}

// report prints an error, and below it what to do about it where the command knows.
func report(w io.Writer, err error) {
	var l failure.List
	if errors.As(err, &l) {
		for _, e := range l {
			report(w, e)
		}
		return
	}
	fmt.Fprintf(w, "omsync: %v\n", err)
	var f *failure.Failure
	if errors.As(err, &f) && f.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", f.Hint)
	}
}
