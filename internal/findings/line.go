package findings

// Level says how serious a line is.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn" // a run works, and likely not as it is meant
	Fail Level = "fail" // a run would not start, or not get far
)

// Line is the result of one check of streamcrypt doctor. It never shows a
// secret.
type Line struct {
	Check string `json:"check"` // its name, which docs/operate.md explains
	// Route is the name of the route that the line is about, if several were
	// looked at.
	Route   string `json:"route,omitempty"`
	Subject string `json:"subject"`
	Level   Level  `json:"level"`
	Found   string `json:"found"`
	// Remedy is the thing to do; empty where there is none.
	Remedy string `json:"remedy,omitempty"`
}
