package cms

// Recipients are the one part of an envelope that the tag does not cover. What is here replaces them and keeps every other
// byte (docs/envelope.md, section 15).

// AppendSpliced appends b, a self-contained envelope whose encoded recipients are old, with others.
func AppendSpliced(dst, b, old, recipients []byte) []byte {
	dst = append(dst, b[:len(b)-len(old)]...)
	return append(dst, recipients...)
}

// CountRecipients is how many recipients of all kinds an encoded array has that ParseRecipients accepts.
func CountRecipients(encoded []byte) int { return int(encoded[0] &^ majorArray) }
