package keystoretest_test

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

func TestMemory(t *testing.T) {
	keystoretest.Test(t, func(*testing.T) kekcache.Store { return new(keystoretest.Memory) })
}
