package kafka

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
