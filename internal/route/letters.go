package route

import (
	"cmp"

	"github.com/streamcrypt/streamcrypt/internal/deadletter"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// letterWords are the words for how much of a value a dead letter has, the
// default first.
var letterWords = []string{
	string(deadletter.FullValues), string(deadletter.HashedValues), string(deadletter.NoValues),
}

// checkLetters refuses settings of dead letters that there are none of, and
// letters with plaintext.
func (p *plan) checkLetters() error {
	word, err := chooseWord("dead letter value", p.DeadLetterValue, letterWords...)
	switch {
	case err != nil || p.DeadLetterValue == "":
		return err
	case p.dead == nil:
		return hint.New("dead letter value: there are no dead letters", "say --dead-letter URL")
	case p.do == encrypt && word != string(deadletter.NoValues):
		return hint.New("dead letter value "+word+": when encrypting a value is plaintext, and letters have none",
			"leave out --dead-letter-value: a letter says where its message is stored")
	}
	return nil
}

// letterValues returns how much of a value a dead letter has.
func (p *plan) letterValues() deadletter.Values {
	if p.do == encrypt {
		return deadletter.NoValues
	}
	return deadletter.Values(cmp.Or(p.DeadLetterValue, letterWords[0]))
}
