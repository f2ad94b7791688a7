package main

// demoCmd shows streamcrypt at work. Images and packages are built with the tag
// nodemo: a program that runs beside brokers for years has no servers in it.
type demoCmd struct {
	Kafka bool `help:"Show it with Kafka's protocol: kfake, an imitation of Kafka's brokers, runs inside this process."`
}

// Help is shown by --help.
func (demoCmd) Help() string {
	return "It needs no network and leaves nothing behind. Images and packages do not have it."
}
