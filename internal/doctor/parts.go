package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// Part is an end or a key that has been looked at.
type Part struct {
	// Subject names it: its role and its name.
	Subject string
	// Reach, Rights and Settings are the names of the checks that its report
	// answers.
	Reach, Rights, Settings string
	// Unreached is why it could not be looked at; nil if it could.
	Unreached error
	Report    findings.Report
	// Advise returns the advice about an error, "" without any.
	Advise func(error) string
}

// JudgePart makes lines of a look at an end or a key.
func (p *Part) JudgePart() []findings.Line {
	if p.Unreached != nil {
		return []findings.Line{p.blame(p.Reach, p.Unreached)}
	}
	reach := findings.Line{Check: p.Reach, Subject: p.Subject, Level: findings.OK, Found: "it can be used"}
	if facts := p.listFacts(); facts != "" && p.Settings == p.Reach {
		reach.Found = facts
	}
	var lines []findings.Line
	if p.Settings != p.Reach || len(p.Report.Problems) == 0 {
		lines = append(lines, reach)
	}
	lines = append(lines, p.judgeRights()...)
	return append(lines, p.judgeSettings()...)
}

func (p *Part) listFacts() string {
	facts := make([]string, 0, len(p.Report.Facts)+len(p.Report.Makes))
	for _, f := range p.Report.Facts {
		facts = append(facts, f.Name+" "+f.Value)
	}
	for _, made := range p.Report.Makes {
		facts = append(facts, "a run makes "+made)
	}
	return strings.Join(facts, "; ")
}

// usualRemedies are the advice where an error has none of its own.
var usualRemedies = map[string]string{
	Reach: "is it running, is the name right, and do firewall and DNS let this machine through? For a file: " +
		"is it there, and may this user read it?",
	KeyReach: "is the file there, and may this user read it? For a key service: network, region and credentials",
	Settings: "change the setting, or the URL",
}

func (p *Part) blame(check string, err error) findings.Line {
	return findings.Line{
		Check: check, Subject: p.Subject, Level: findings.Fail, Found: err.Error(),
		Remedy: cmp.Or(p.Advise(err), usualRemedies[check]),
	}
}

// judgeRights makes a line of each right that is missing, and one of the
// others.
func (p *Part) judgeRights() []findings.Line {
	var lines []findings.Line
	given, unknown := 0, []string{}
	for _, need := range p.Report.Needs {
		line := findings.Line{
			Check: p.Rights, Subject: p.Subject, Level: findings.Fail, Found: "missing: " + need.Right,
			Remedy: cmp.Or(need.Grant, "ask the owner of the service for it"),
		}
		switch {
		case need.State == findings.Given:
			given++
		case need.State == findings.Unknown:
			unknown = append(unknown, need.Right)
		case need.Optional:
			line.Level, line.Found = findings.Warn, line.Found+", which a run does without"
			lines = append(lines, line)
		default:
			lines = append(lines, line)
		}
	}
	if given+len(unknown) == 0 {
		return lines
	}
	found := fmt.Sprintf("%d rights are given", given)
	if len(unknown) > 0 {
		found += "; nobody tells of " + strings.Join(unknown, ", ")
	}
	return append(lines, findings.Line{Check: p.Rights, Subject: p.Subject, Level: findings.OK, Found: found})
}

func (p *Part) judgeSettings() []findings.Line {
	var lines []findings.Line
	for _, err := range p.Report.Problems {
		lines = append(lines, p.blame(p.Settings, err))
	}
	for _, warning := range p.Report.Warnings {
		lines = append(lines, findings.Line{
			Check: p.Settings, Subject: p.Subject, Level: findings.Warn, Found: warning,
			Remedy: usualRemedies[Settings],
		})
	}
	if facts := p.listFacts(); len(lines) == 0 && p.Settings != p.Reach && facts != "" {
		lines = append(lines, findings.Line{
			Check: p.Settings, Subject: p.Subject, Level: findings.OK, Found: facts,
		})
	}
	return lines
}

// JudgeSizes compares how large a message may be on both sides. growth is how
// many bytes larger messages become.
func JudgeSizes(subject string, in, out *endpoint.Checked, growth int) []findings.Line {
	if in == nil || in.MaxMessage == 0 || out.MaxMessage == 0 {
		return nil
	}
	line := findings.Line{Check: MessageSize, Subject: subject, Level: findings.OK}
	room := out.MaxMessage - max(growth, 0)
	line.Found = fmt.Sprintf("the source takes messages of up to %d bytes, the destination of up to %d",
		in.MaxMessage, out.MaxMessage)
	switch {
	case out.MaxMessage < in.MaxMessage:
		line.Level = findings.Warn
		line.Remedy = fmt.Sprintf("raise the destination's limit to %d (max.message.bytes, max_payload and "+
			"max_msg_size), or expect too-large in the dead letters", in.MaxMessage+max(growth, 0))
	case room < in.MaxMessage:
		line.Found += fmt.Sprintf(": those above %d bytes are too large once they are sealed", room)
	}
	return []findings.Line{line}
}
