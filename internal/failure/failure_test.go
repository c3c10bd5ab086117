package failure

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestWrapping(t *testing.T) {
	err := fmt.Errorf("file: %w", Hinted(fmt.Errorf("x: %w", io.EOF), "do %s", "this"))
	var f *Failure
	if !errors.As(err, &f) || f.Hint != "do this" || f.Code != 0 || err.Error() != "file: x: EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("%v: %+v", err, f)
	}
	err = Hinted(Coded(Gap, "part %d", 3), "wait")
	if !errors.As(err, &f) || f.Code != 0 || !errors.As(f.Err, &f) || f.Code != Gap || err.Error() != "part 3" {
		t.Errorf("%v: %+v", err, f)
	}
}

func TestList(t *testing.T) {
	var err error = List{errors.New("one"), fmt.Errorf("two: %w", io.EOF)}
	if err.Error() != "one\ntwo: EOF" || !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}
