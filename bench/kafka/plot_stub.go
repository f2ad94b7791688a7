package main

func (r *Report) plot(string) error { return nil }
