package testcontainers

import (
	"bytes"
	"os"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// kmsAliasMovesInARun moves the alias of a key while the command encrypts a
// pipe: the next window is under the new key, without a restart, and what is
// under the old one stays readable.
func kmsAliasMovesInARun(a *account) {
	f, before, after := newFiles(a), a.symmetric(), a.symmetric()
	a.alias("alias/pipe", before)
	if err := syscall.Mkfifo(f.path("pipe"), 0o600); err != nil {
		a.Fatal(err)
	}
	p := newProxy(a.T, a.endpoint)
	running := start(a.T, "encrypt", "--from", "file:"+f.path("pipe")+"?format=ndjson", "--to", "file:"+f.path("sealed.scx"),
		"--key", a.through(p).url("alias/pipe"), "--window-messages", "100", "--audit", f.path("audit.log"))
	pipe, err := os.OpenFile(f.path("pipe"), os.O_WRONLY, 0)
	if err != nil {
		a.Fatal(err)
	}
	defer pipe.Close()

	var plain []byte
	write := func(lines int) {
		from := len(plain)
		for range lines {
			plain = appendLine(plain, bytes.Count(plain, []byte("\n")))
		}
		if _, err := pipe.Write(plain[from:]); err != nil {
			a.Fatal(err)
		}
	}
	made := func(arn string) (n int) {
		for _, c := range p.of("GenerateDataKey") {
			if c.key == arn {
				n++
			}
		}
		return n
	}
	write(250)
	await(a.T, "the third window", running.ended, func() bool { return made(before) >= 3 })
	if _, err := a.admin.UpdateAlias(a.ctx, &kms.UpdateAliasInput{AliasName: aws.String("alias/pipe"), TargetKeyId: aws.String(id(after))}); err != nil {
		a.Fatal(err)
	}
	old := made(before)
	await(a.T, "a window under the new key", running.ended, func() bool {
		write(10)
		return made(after) > 0
	})
	write(2000) // more than all windows that were made ahead take
	if err := pipe.Close(); err != nil {
		a.Fatal(err)
	}
	<-running.ended
	if running.err != nil {
		a.Fatal(running.err)
	}
	a.Logf("%d windows under the old key, %d under the new one", made(before), made(after))
	if made(before) > old+1 { // one call may have been under way
		a.Errorf("%d windows under the old key after the alias was moved", made(before)-old)
	}
	if ops := f.audited("audit.log"); ops["window-opened"] < made(before)+made(after)-1 || ops["window-opened"] > made(before)+made(after) || ops["window-closed"] != ops["window-opened"] {
		a.Errorf("audited %v", ops)
	}

	f.run("decrypt", "sealed.scx", "out.ndjson", "--key", a.url(before), "--key", a.url("alias/pipe"))
	f.same("out.ndjson", plain)
	f.run("decrypt", "sealed.scx", "arns.ndjson", "--key", a.url(after), "--key", a.url(before))
	f.same("arns.ndjson", plain)
	for _, one := range []string{before, after} {
		f.refused("unknown-key", "decrypt", "sealed.scx", "none.ndjson", "--key", a.url(one))
	}
}
