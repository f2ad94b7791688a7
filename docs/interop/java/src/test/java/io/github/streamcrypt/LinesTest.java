package io.github.streamcrypt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Lines of JSON, section 9. */
class LinesTest {
    @ParameterizedTest
    @ValueSource(strings = {
        "{\"key\":\"k\",\"value\":\"v\",\"headers\":[[\"a\",null],[\"b\",{\"b64\":\"/w==\"}]],\"time\":\"2024-05-06T07:08:09.123Z\"}",
        "{\"key64\":\"/w==\",\"value\":null,\"subject\":\"s.t\"}",
        "{\"value64\":\"/w==\",\"time\":\"0000-01-01T00:00:00Z\",\"subject64\":\"/w==\"}",
        "{\"value\":\"\\n\\\\\\\"\"}"
    })
    void comeBackAsTheyWere(String line) {
        assertEquals(line, Lines.format(Lines.parse(line)));
    }

    @ParameterizedTest
    @CsvSource({
        "1970-01-01T00:00:00Z, 0", "1970-01-01T00:00:00.0019Z, 1", "1970-01-01T02:00:00+02:00, 0",
        "1969-12-31T00:29:00-23:31, 0", "1969-12-31T23:59:59.9991234567891Z, -1"
    })
    void haveTimesInMilliseconds(String time, long milliseconds) {
        assertEquals(milliseconds, Lines.parse("{\"value\":\"\",\"time\":\"" + time + "\"}").time());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "", "[]", "null", "1", "{}", "{\"key\":\"k\"}", "{\"value\":1}", "{\"value\":\"v\"", "{\"value\":\"v\"} x",
        "{\"value\":\"v\",\"more\":1}", "{\"value\":\"v\",\"value\":\"v\"}", "{\"value\":\"v\",\"value64\":\"/w==\"}",
        "{\"value64\":null}", "{\"value64\":\"/w=\"}", "{\"value64\":\"/w\"}", "{\"value64\":\"/x==\"}",
        "{\"value\":\"\\ud800\"}", "{\"value\":\"\\x\"}", "{\"value\":\"v\",\"headers\":[[\"a\"]]}",
        "{\"value\":\"v\",\"headers\":[[null,\"a\"]]}", "{\"value\":\"v\",\"headers\":{}}",
        "{\"value\":\"v\",\"headers\":[[\"a\",{\"b64\":null}]]}", "{\"value\":\"v\",\"headers\":[[\"a\",{}]]}",
        "{\"value\":\"v\",\"time\":\"2024-05-06t07:08:09Z\"}", "{\"value\":\"v\",\"time\":\"2024-02-30T07:08:09Z\"}",
        "{\"value\":\"v\",\"time\":\"2024-05-06T24:00:00Z\"}", "{\"value\":\"v\",\"time\":\"2024-05-06T07:08:09\"}",
        "{\"value\":\"v\",\"time\":\"12024-05-06T07:08:09Z\"}", "{\"value\":\"v\",\"time\":0}"
    })
    void ofAnotherShapeAreMalformed(String line) {
        assertEquals("malformed", assertThrows(Refused.class, () -> Lines.parse(line)).word());
    }

    @Test
    void ofAFileBeginBehindAMarkAndMayBeBlank() {
        List<Message> found = new ArrayList<>();
        Lines.parseAll("\ufeff{\"value\":\"a\"}\r\n \n{\"value\":\"b\"}".getBytes(StandardCharsets.UTF_8), found::add);
        assertEquals(2, found.size());
        byte[] notText = {'"', (byte) 0xff, '"'};
        assertEquals("malformed", assertThrows(Refused.class, () -> Lines.parseAll(notText, found::add)).word());
    }
}
