// Package testcontainers runs the built command against real servers in
// containers. It is a module of its own, so that nobody who imports streamcrypt
// sees its dependencies.
//
// Without a container engine, or the second KMS emulator that TEST_MOTO_SERVER
// names, its tests are skipped and say so; with TEST_REQUIRE_CONTAINERS=1 that
// is a failure. The test of a consumer in Java also needs Maven, by TEST_MAVEN,
// and is skipped without it in any case.
package testcontainers
