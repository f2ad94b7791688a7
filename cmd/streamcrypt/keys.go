package main

// keysCmd is about keys in use.
type keysCmd struct {
	Check keysCheckCmd `cmd:"" help:"Say which keys a topic's, a stream's or a file's envelopes need, and whether they can be had now."`
	Audit struct {
		Verify keysAuditVerifyCmd `cmd:"" help:"Check that no line of an audit log is missing or changed."`
	} `cmd:"" help:"Check audit logs, as --audit writes them."`
}
