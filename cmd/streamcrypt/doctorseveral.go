package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/streamcrypt/streamcrypt/internal/doctor"
	"github.com/streamcrypt/streamcrypt/internal/findings"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/internal/service"
)

// examineSeveral looks at every route of a file that run reads. Each mistake of
// the file is a line of its own, and the routes that can be read are looked at
// nonetheless.
func (c *doctorCmd) examineSeveral(p *program, host *doctor.Host) ([]findings.Line, error) {
	if c.From != "" || c.To != "" || len(c.Key) > 0 || len(c.Beside) > 0 {
		return nil, &startError{hint.New("a file of several routes, and a route beside it",
			"leave out --from, --to, --key and --beside: the file has them")}
	}
	content, err := service.ReadFile(p.settings)
	if err != nil {
		return nil, &startError{err}
	}
	file, err := readRunFile(p.settings, content.Data, p.ends)
	if err != nil {
		return nil, err
	}
	env := p.newEnv()
	env.Log = quiet
	err = file.checkRoutes(&file.process, env, memlimit.ReadCgroup(os.DirFS("/")))
	lines := listMistakes(file, err)
	for i := range file.members {
		lines = append(lines, c.examineMember(p, host, file.members, i)...)
	}
	return lines, nil
}

// listMistakes makes a line of each mistake in a file.
func listMistakes(file *runFile, err error) []findings.Line {
	var wrong *mistakes
	if !errors.As(err, &wrong) {
		return []findings.Line{{
			Check: doctor.Configuration, Subject: file.name, Level: findings.OK,
			Found: fmt.Sprintf("%d routes, no mistake", len(file.members)),
		}}
	}
	var lines []findings.Line
	for i := range wrong.problems {
		lines = append(lines, findings.Line{
			Check: doctor.Configuration, Subject: file.name, Level: findings.Fail, Found: wrong.problems[i].describe(),
			Remedy: "correct the line; streamcrypt config check " + file.name + " shows all of them",
		})
	}
	return lines
}

// examineMember looks at one of several routes, with the others beside it.
func (c *doctorCmd) examineMember(p *program, host *doctor.Host, all []route.Member, at int) []findings.Line {
	own := all[at]
	own.Config.Wait = &c.Wait
	var others []route.Neighbour
	for i := range all {
		if i != at {
			others = append(others, route.Neighbour{Direction: all[i].Direction, Config: all[i].Config})
		}
	}
	env := p.newEnv()
	env.Log = quiet
	lines, err := route.Diagnose(p.ctx, own.Direction, own.Config, others, host, env)
	if err != nil {
		lines = append(lines, findings.Line{
			Check: doctor.Configuration, Subject: "route", Level: findings.Fail, Found: err.Error(),
			Remedy: findHint(err),
		})
	}
	for i := range lines {
		lines[i].Route = own.Name
	}
	return lines
}
