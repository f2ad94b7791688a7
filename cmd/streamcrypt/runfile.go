package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/settings"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// runFile is the content of a configuration of several routes.
type runFile struct {
	name     string
	document *settings.Document
	process  runCmd // as the file has it, without the command line
	members  []route.Member
	problems []problem
}

// problem is a mistake in a configuration.
type problem struct {
	line  int
	field string // such as routes.orders.to
	err   error
}

// mistakes is the error about a configuration that is wrong.
type mistakes struct {
	file     string
	problems []problem
}

// Error has a line for each mistake: file, line, field, the mistake and a way
// to correct it.
func (m *mistakes) Error() string {
	var lines []string
	for _, p := range m.problems {
		lines = append(lines, m.file+":"+p.describe())
	}
	return strings.Join(lines, "\n")
}

// NotStarted tells package outcome that nothing was done.
func (*mistakes) NotStarted() bool { return true }

// flagName matches a flag in advice that was written for the command line.
var flagName = regexp.MustCompile(`(^|[ (])--([a-z])`)

func (p *problem) describe() string {
	text := fmt.Sprintf("%d: ", p.line)
	message := p.err.Error()
	last := p.field[strings.LastIndex(p.field, ".")+1:]
	if p.field != "" {
		text += p.field + ": "
		message = strings.TrimPrefix(message, last+": ")
		if rest, ok := strings.CutPrefix(message, last+" must "); ok {
			message = "must " + rest
		}
	}
	text += message
	var advised *hint.Error
	if errors.As(p.err, &advised) && advised.Hint != "" {
		text += " (" + flagName.ReplaceAllString(advised.Hint, "$1$2") + ")"
	}
	return text
}

// readRunFile reads the content of a file. Its problems are in the result,
// unless it is no configuration at all.
func readRunFile(name string, data []byte, ends endpoint.Table) (*runFile, error) {
	document, err := settings.ParseDocument(name, data)
	if err != nil {
		return nil, &startError{err}
	}
	f := &runFile{name: name, document: document}
	g, err := newGrammar(ends)
	if err != nil {
		return nil, err
	}
	f.readProcess(g)
	f.checkDefaults(g)
	if len(document.Routes) == 0 {
		f.note(1, "routes", hint.New("no route", "streamcrypt config example shows a whole file"))
	}
	for i := range document.Routes {
		f.readRoute(&document.Routes[i], g)
	}
	return f, nil
}

func (f *runFile) note(line int, field string, err error) {
	f.problems = append(f.problems, problem{line, field, err})
}

// readProcess reads the fields of the process.
func (f *runFile) readProcess(g *grammar) {
	flags := g.listProcessFields()
	known := append(namesOf(flags), "routes", "defaults")
	for _, name := range f.document.Process.Names() {
		if slices.Contains(known, name) {
			continue
		}
		err := address.NewUnknownError("field", name, known)
		if slices.Contains(g.listEveryRouteField(), name) {
			err = hint.New("a field of routes", "put it below routes.NAME, or below defaults for all of them")
		}
		f.note(f.document.Process.FindLine(name), name, err)
	}
	for _, w := range setFields(flags, expandSecrets, f.document.Process) {
		f.note(f.document.Process.FindLine(w.name), w.name, w.err)
	}
	f.process = *g.findCommand("run").Target.Addr().Interface().(*runCmd) //nolint:forcetypeassert // see cli
}

// checkDefaults refuses defaults that no route can have.
func (f *runFile) checkDefaults(g *grammar) {
	known := g.listEveryRouteField()
	for _, name := range f.document.Defaults.Names() {
		err := address.NewUnknownError("field", name, known)
		switch {
		case slices.Contains(ofProcess, name):
			err = hint.New("a field of the process", "put it at the top of the file, if run has it")
		case slices.Contains(known, name):
			continue
		}
		f.note(f.document.Defaults.FindLine(name), "defaults."+name, err)
	}
}

// readRoute reads a route. A field of the defaults that its command does not
// have is none of it.
func (f *runFile) readRoute(s *settings.Section, g *grammar) {
	place := "routes." + s.Name
	if !routeName.MatchString(s.Name) {
		f.note(s.Line, place, hint.New("not a name", "use letters, digits, dots, dashes and underscores, 63 at most"))
		return
	}
	do, _ := s.Value(fieldDo).(string)
	directions := g.listDirections()
	switch {
	case do == "":
		f.note(s.Line, place, hint.New("no field do", "say do: encrypt, or another of "+strings.Join(directions, ", ")))
		return
	case !slices.Contains(directions, do):
		f.note(s.FindLine(fieldDo), place+".do", address.NewUnknownError("command", do, directions))
		return
	}
	flags, before := g.listRouteFields(do), len(f.problems)
	known := append(namesOf(flags), fieldDo)
	for _, name := range s.Names() {
		if slices.Contains(known, name) {
			continue
		}
		err := address.NewUnknownError("field", name, known)
		if slices.Contains(ofProcess, name) {
			err = hint.New("a field of the process", "put it at the top of the file, if run has it")
		} else if slices.Contains(g.listEveryRouteField(), name) {
			err = hint.New("not a field of "+do, "leave it out")
		}
		f.note(s.FindLine(name), place+"."+name, err)
	}
	for _, w := range setFields(flags, expandSecrets, f.document.Defaults, s.File) {
		line, _ := f.findLine(s, w.name)
		f.note(line, place+"."+w.name, w.err)
	}
	for _, flag := range flags {
		required := flag.Required || flag.Name == "from" || flag.Name == "to" // rewrap alone can do without
		if required && s.Value(flag.Name) == nil && f.document.Defaults.Value(flag.Name) == nil {
			f.note(s.Line, place+"."+flag.Name, &hint.Error{Err: errors.New("missing"), Hint: describeFlag(flag)})
		}
	}
	if len(f.problems) > before {
		return
	}
	command, _ := g.findCommand(do).Target.Addr().Interface().(routeCommand)
	config, err := command.newRoute()
	if err != nil {
		f.note(s.Line, place, err)
		return
	}
	config.Name, config.Settings = s.Name, f.name
	f.members = append(f.members, route.Member{Name: s.Name, Direction: do, Config: config})
}

// routeName matches the names of routes, which are in logs, metrics and paths.
var routeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// findLine returns the line of a field of a route: that of its default if the
// route does not have it, and that of the route if neither does.
func (f *runFile) findLine(s *settings.Section, field string) (line int, found bool) {
	for _, line := range []int{s.FindLine(field), f.document.Defaults.FindLine(field)} {
		if line > 0 {
			return line, true
		}
	}
	return s.Line, false
}

// checkRouteVariables refuses variables that would be settings of a route's
// command: with several routes nobody could know which one is meant.
func checkRouteVariables(g *grammar) error {
	mine := namesOf(g.listProcessFields())
	for _, name := range g.listEveryRouteField() {
		variable := envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if _, set := os.LookupEnv(variable); set && !slices.Contains(mine, name) {
			return &usageError{hint.New(variable+": run takes the fields of routes from its file alone",
				"unset it, and write "+name+" below routes.NAME or defaults"), "streamcrypt run"}
		}
	}
	return nil
}
