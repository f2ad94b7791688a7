package io.github.streamcrypt;

/** A refusal, with its word from the closed list: docs/envelope.md, section 10. */
public final class Refused extends RuntimeException {
    private static final long serialVersionUID = 1;

    Refused(String word) {
        super(word, null, false, false);
    }

    /** The word: malformed, tampered, unknown-key and so on. */
    public String word() {
        return getMessage();
    }

    static void unless(boolean condition) {
        unless(condition, "malformed");
    }

    static void unless(boolean condition, String word) {
        if (!condition) {
            throw new Refused(word);
        }
    }
}
