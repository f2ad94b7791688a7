package contest

import (
	"encoding/xml"
	"fmt"
	"image/color"
	"io"
	"strings"
)

// svg is a canvas that becomes an SVG file.
type svg struct{ body strings.Builder }

func newSVG(width, height float64) *svg {
	s := &svg{}
	fmt.Fprintf(&s.body, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" `+
		`viewBox="0 0 %.0f %.0f" font-family="Helvetica, Arial, sans-serif">`+"\n",
		width, height, width, height)
	return s
}

func (s *svg) drawRect(x, y, w, h float64, fill color.RGBA) {
	fmt.Fprintf(&s.body, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#%02x%02x%02x"/>`+"\n",
		x, y, w, h, fill.R, fill.G, fill.B)
}

func (s *svg) drawText(x, y, size float64, at anchor, text string) {
	fmt.Fprintf(&s.body, `<text x="%.1f" y="%.1f" font-size="%.0f" fill="#%02x%02x%02x" text-anchor="%s">`,
		x, y, size, ink.R, ink.G, ink.B, [...]string{"start", "middle", "end"}[at])
	_ = xml.EscapeText(&s.body, []byte(text)) // a Builder takes everything
	s.body.WriteString("</text>\n")
}

func (s *svg) writeImage(w io.Writer) error {
	_, err := io.WriteString(w, s.body.String()+"</svg>\n")
	return err
}
