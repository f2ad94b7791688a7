// Package dial opens connections to Kafka brokers: TCP, TLS, the broker's
// versions and features, and SASL. It serves the Dial function of kafka-go's
// Transport, which does none of these steps here by itself.
//
// Credentials are read for each connection, so that certificates, passwords and
// tokens can change while the program runs. A broker that limits how long an
// authentication lasts (KIP-368) gets a new one on the same connection before
// the next request, which neither ends the connection nor a membership.
//
// The package must not know topics, groups or records. It starts no goroutine.
//
//	dialer.go       Dialer: the steps of a connection, and pauses after a refusal
//	conn.go         a net.Conn that authenticates again
//	peer.go         versions, features and cluster of the broker that answers
//	exchange.go     one small request and its answer
//	authenticate.go the SASL exchange
//	password.go     mechanisms with a user and a password
//	token.go        mechanisms with a token
//	errors.go       errors, and the causes that a person can mend
package dial
