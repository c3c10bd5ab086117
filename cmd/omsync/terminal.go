package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// errNotTerminal means that there is nobody to ask.
var errNotTerminal = errors.New("nobody can be asked: this is not a terminal")

// isTerminal says whether a person is at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks a question that only "yes" agrees to. Without a terminal it answers errNotTerminal.
func confirm(ctx context.Context, cmd *cobra.Command, question string) (bool, error) {
	in := cmd.InOrStdin()
	if !isTerminal(in) {
		return false, errNotTerminal
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s Type yes to go on: ", question)
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // the read cannot be interrupted
		line, err := bufio.NewReader(in).ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case a := <-got:
		if a.err != nil && a.err != io.EOF {
			return false, fmt.Errorf("read the answer: %w", a.err)
		}
		return strings.EqualFold(strings.TrimSpace(a.line), "yes"), nil
	}
}

// progress shows a bar on stderr while work goes on, if a person is there to see it.
type progress struct {
	w     io.Writer
	label string
	bar   *progressbar.ProgressBar
	total int64
}

func newProgress(cmd *cobra.Command, label string) *progress {
	p := &progress{label: label}
	if w := cmd.ErrOrStderr(); isTerminal(w) {
		p.w = w
	}
	return p
}

// show is what export and import call now and then; a total of 0 is not known.
func (p *progress) show(rows, total int64) {
	if p.w == nil {
		return
	}
	if p.bar == nil || total != p.total {
		p.done()
		p.total = total
		length := total
		if length <= 0 {
			length = -1
		}
		p.bar = progressbar.NewOptions64(length, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(p.label),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"),
			progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	p.bar.Set64(rows)
}

// done takes the bar away, and ends the goroutine that turns its spinner.
func (p *progress) done() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
