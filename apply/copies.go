package apply

import (
	"fmt"
	"strings"
	"time"

	"github.com/omsync/omsync/merge"
)

// whyCopy says of two copies of a node which they are, and what a person types.
func (l *peerLink) whyCopy(v merge.Verdict) string {
	h, c := l.header, l.peer.Link.Copies
	if v == merge.OwnCopy {
		if len(l.rules.Copies) > 0 {
			return fmt.Sprintf("%s hears two copies of this node, %s, and takes neither; this one is %016x: at %[1]s, omsync peer keep %[4]s --history ID says which one is %[4]s, and the other is to be removed",
				h.Sender, historyList(l.rules.Copies), l.history.ID, l.j.Self)
		}
		return fmt.Sprintf("at %s a person said that another copy of this node is %s, and this one, %016x, is not: remove it, or put the other's database and home folder in its place", h.Sender, l.j.Self, l.history.ID)
	}
	if c.Rival.History == 0 {
		return fmt.Sprintf("a person said that this copy of %s is not %[1]s: let its people remove it, or put the other's database and home folder in its place", h.Sender)
	}
	known := l.peer.Heard
	return fmt.Sprintf("two copies of %[1]s are at work: %[2]s, and %[3]s; of neither anything is taken until you say which one is %[1]s: omsync peer keep %[1]s --history %016[4]x, or %016[5]x (each copy says at its next import which it is)",
		h.Sender, aboutCopy(l.peer.Link.History, known.Epoch, known.Time), aboutCopy(c.Rival.History, c.Rival.Epoch, c.Rival.At), l.peer.Link.History, c.Rival.History)
}

func aboutCopy(history, epoch uint64, at int64) string {
	return fmt.Sprintf("%016x, whose last file was of %s, up to epoch %d", history, time.UnixMicro(at).Local().Format("2006-01-02 15:04:05"), epoch)
}

func historyList(list []uint64) string {
	out := make([]string, len(list))
	for i, h := range list {
		out[i] = fmt.Sprintf("%016x", h)
	}
	return strings.Join(out, " and ")
}
