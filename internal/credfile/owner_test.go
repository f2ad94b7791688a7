package credfile

import (
	"io/fs"
	"testing"
)

// TestJudgeMode: only a file of root's may be lent through its group, only to
// be read, and only to a process that is not root.
func TestJudgeMode(t *testing.T) {
	for _, c := range []struct {
		mode        fs.FileMode
		owner, user int
		want        fs.FileMode
	}{
		{0o440, 0, 65532, 0o400},
		{0o640, 0, 65532, 0o600},
		{0o660, 0, 65532, 0o620},
		{0o444, 0, 65532, 0o404},
		{0o440, 0, 0, 0o440},
		{0o440, 65532, 65532, 0o440},
		{0o640, 1000, 65532, 0o640},
		{0o600, 65532, 65532, 0o600},
	} {
		if got := judgeMode(c.mode, c.owner, c.user); got != c.want {
			t.Errorf("mode %o of user %d for user %d: %o, want %o", c.mode, c.owner, c.user, got, c.want)
		}
	}
}
