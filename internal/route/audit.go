package route

import "github.com/streamcrypt/streamcrypt/internal/audit"

// openAudit opens the configured audit log, if any. Its head goes to the log at both ends: logs are kept elsewhere, and a head
// that is kept elsewhere is what shows that lines were cut off (docs/audit.md).
func (p *plan) openAudit(closers *closers) error {
	if p.Audit == "" {
		return nil
	}
	l, err := audit.Open(p.Audit)
	if err != nil {
		return err
	}
	say := func(when string) {
		number, head := l.Head()
		p.env.Log.Info("audit log", "when", when, "file", p.Audit, "line", number, "head", head.String())
	}
	say("opened")
	closers.add(func() error {
		say("closed")
		return l.Close()
	})
	p.audit = l
	return nil
}
