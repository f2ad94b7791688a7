package route

import (
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// 500 topics of 4 partitions are opened by one route within the memory that is
// promised for them, which the log names before anything is read.
func TestManyTopicsMemory(t *testing.T) {
	const topics, parts, promised = 500, 4, 160
	testDir(t)
	b := startKafka(t)
	b.topic(t, "other", 1, nil)
	opened := func(from string) (mib int) {
		t.Helper()
		var log strings.Builder
		r, err := Encrypt(t.Context(), Config{
			From: b.url + "/" + from, To: b.url + "/{topic}.sealed?create=true", Keys: []string{"local:k.jwk"},
		}, Env{Log: slog.New(slog.NewTextHandler(&log, nil))})
		must(t, err)
		must(t, r.Close())
		found := regexp.MustCompile(`memory_mib=(\d+)`).FindStringSubmatch(log.String())
		if found == nil {
			t.Fatalf("no memory in %s", log.String())
		}
		mib, err = strconv.Atoi(found[1])
		must(t, err)
		return mib
	}
	for i := range topics {
		b.topic(t, fmt.Sprintf("many.%d", i), parts, nil)
	}
	few, many := opened("other?group=few"), opened(`~many\.[0-9]*?group=many`)
	if places := topics * parts * placeMemory >> 20; many < few+places {
		t.Errorf("%d MiB for one topic, %d MiB for %d, and their places alone take %d", few, many, topics, places)
	}
	if many > promised {
		t.Errorf("%d MiB are printed, and %d promised", many, promised)
	}
}
