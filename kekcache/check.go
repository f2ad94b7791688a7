package kekcache

// Check returns an error if a limit of w is out of its range.
func (w Window) Check() error {
	_, err := w.withDefaults()
	return err
}
