package nats

// MaxReadAhead is the most bytes of SourceOptions.ReadAhead.
const MaxReadAhead = maxWindow

// Check returns the error that Connect would return for these options alone. It
// reads the context that they name, if any.
func (o ConnOptions) Check() error {
	_, err := o.readProfile()
	return err
}

// APISubjects returns the subject before the requests of the API, with its
// final dot, as these options or the context that they name have it.
func (o ConnOptions) APISubjects() string {
	o.Log = quietly
	p, _ := o.readProfile() // an error is Check's to tell
	return p.apiSubjects()
}

// InboxSubjects returns the pattern of the subjects under which answers come,
// likewise.
func (o ConnOptions) InboxSubjects() string {
	o.Log = quietly
	p, _ := o.readProfile()
	return firstGiven(p.inboxPrefix, "_INBOX") + ".>"
}

// Check returns the error that NewSource would return for these options alone.
func (o SourceOptions) Check() error {
	_, err := o.withDefaults()
	return err
}

// Check returns the error that NewSink would return for these options alone.
func (o SinkOptions) Check() error {
	_, err := o.withDefaults()
	return err
}
