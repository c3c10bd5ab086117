package journal

import "testing"

// Whichever byte is where, a text is taken as it is only if it is ASCII without capital letters.
func TestIsSmall(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				b := make([]byte, length)
				for i := range b {
					b[i] = "z09a-{~\x00"[i%8]
				}
				b[at] = byte(c)
				if want := c < 0x80 && (c < 'A' || c > 'Z'); isSmall(b) != want {
					t.Fatalf("%q: %v", b, !want)
				}
			}
		}
	}
}
