package envelope

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// binder turns a Binding into that of package cms: it finds the headers that
// are bound, and puts them in order. It reuses its memory and is not safe for
// concurrent use.
type binder struct {
	bind    Bind
	out     cms.Binding
	headers []cms.BoundHeader
	named   []cms.NamedHeader // one for each name of the list
}

func newBinder(b Bind) binder {
	names := slices.Concat(b.Names, effects)
	slices.Sort(names)
	out := binder{bind: b}
	for _, name := range slices.Compact(names) {
		out.named = append(out.named, cms.NamedHeader{Name: name})
	}
	return out
}

var errHeaders = fmt.Errorf("%w: more than %d headers", cms.ErrTooLarge, cms.MaxBound)

// bindSealing binds a message that is sealed, and notes that in its position.
// The result is valid until the next call.
func (d *binder) bindSealing(b *Binding, p *cms.Position) (*cms.Binding, error) {
	d.beginBinding(b)
	if b.Kind > Tombstone {
		return &d.out, nil
	}
	if d.bind.Time {
		p.Form |= cms.FormTime
		d.out.Time = b.Time.UnixMilli()
	}
	if d.bind.Named {
		p.Form |= cms.FormNamed
		d.out.Named = d.findNamed(b.Headers)
	} else if len(b.Headers) > 0 {
		d.out.Headers = d.countHeaders(b.Headers)
		if len(d.out.Headers) > cms.MaxBound {
			return nil, errHeaders
		}
		p.Bound = uint16(len(d.out.Headers))
	}
	d.out.Form = p.Form
	return &d.out, nil
}

// beginBinding leaves nothing of the message before. Field by field it costs a
// sixth of a composite literal, which is made elsewhere and copied.
func (d *binder) beginBinding(b *Binding) {
	out := &d.out
	out.Subject, out.Key, out.Kind, out.Form = b.Subject, b.Key, b.Kind, 0
	out.Headers, out.Named, out.Time, out.Dictionary = nil, nil, 0, nil
}

// bindOpening binds a message that is opened as its position says. extra is how
// many headers stand behind the bound ones. The result is valid until the next
// call.
func (d *binder) bindOpening(b *Binding, p *cms.Position) (bound *cms.Binding, extra int, err error) {
	d.beginBinding(b)
	d.out.Form = p.Form
	if p.Form&cms.FormTime != 0 {
		d.out.Time = noTime
		if d.bind.Medium != Stream {
			d.out.Time = b.Time.UnixMilli()
		}
	}
	switch {
	case p.Form&cms.FormNamed != 0:
		d.out.Named = d.findNamed(b.Headers)
		return &d.out, 0, nil
	case len(b.Headers) > 0:
		d.out.Headers = d.countHeaders(b.Headers)
	}
	extra = len(d.out.Headers) - int(p.Bound)
	if extra < 0 || extra > 0 && d.bind.Medium == Stream {
		return nil, 0, fmt.Errorf("%w: %d headers, sealed were %d", chunker.ErrTampered, len(d.out.Headers), p.Bound)
	}
	d.out.Headers = d.out.Headers[:p.Bound]
	return &d.out, extra, nil
}

// noTime stands for a record without a time: that of the zero time.Time.
const noTime = -62135596800000

// countHeaders returns the headers that count, in the order of the medium.
func (d *binder) countHeaders(headers []Header) []cms.BoundHeader {
	all := true
	for i := range headers {
		if !d.bind.Medium.counts(headers[i].Name) {
			all = false
			break
		}
	}
	sorted := d.bind.Medium != Stream || slices.IsSortedFunc(headers, compareNames)
	if all && sorted {
		return headers
	}
	d.headers = d.headers[:0]
	for i := range headers {
		if d.bind.Medium.counts(headers[i].Name) {
			d.headers = append(d.headers, headers[i])
		}
	}
	if !sorted {
		slices.SortStableFunc(d.headers, compareNames)
	}
	return d.headers
}

func compareNames(a, b Header) int { return cmp.Compare(a.Name, b.Name) }

// findNamed collects the values of the headers of the list.
func (d *binder) findNamed(headers []Header) []cms.NamedHeader {
	for i := range d.named {
		n := &d.named[i]
		n.Values = n.Values[:0]
		for j := range headers {
			if headers[j].Name == n.Name {
				n.Values = append(n.Values, headers[j].Value)
			}
		}
	}
	return d.named
}
