package nats

// MaxReadAhead is the most bytes of SourceOptions.ReadAhead.
const MaxReadAhead = maxWindow

// Check returns the error that Connect would return for these options alone. It
// reads the context that they name, if any.
func (o ConnOptions) Check() error {
	_, err := o.readProfile()
	return err
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
