package main

import (
	"testing"
	"time"
)

// TestObservation: the run that is observed is counted, message by message.
func TestObservation(t *testing.T) {
	figures, err := measureObservation(t.Context(), time.Nanosecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(figures) != 2 || figures[0].Limit == nil || figures[0].Unit != "%" || figures[1].Unit != "%" {
		t.Errorf("%+v", figures)
	}
}
