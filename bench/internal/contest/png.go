package contest

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// scale is how many dots a pixel of a canvas has in a picture, each way.
const scale = 2

// picture is a canvas that becomes a PNG file.
type picture struct {
	image *image.RGBA
	font  *opentype.Font
	faces map[float64]font.Face
}

func newPNG(width, height float64) (*picture, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, err
	}
	size := image.Rect(0, 0, int(width*scale), int(height*scale))
	return &picture{image: image.NewRGBA(size), font: f, faces: map[float64]font.Face{}}, nil
}

func (p *picture) drawRect(x, y, w, h float64, fill color.RGBA) {
	at := func(v float64) int { return int(math.Round(v * scale)) }
	r := image.Rect(at(x), at(y), at(x+w), at(y+h))
	draw.Draw(p.image, r, image.NewUniform(fill), image.Point{}, draw.Src)
}

func (p *picture) drawText(x, y, size float64, at anchor, text string) {
	face := p.findFace(size)
	if face == nil {
		return
	}
	d := font.Drawer{Dst: p.image, Src: image.NewUniform(ink), Face: face}
	width := float64(d.MeasureString(text)) / 64
	d.Dot = fixed.Point26_6{
		X: fixed.Int26_6((x*scale - width*[...]float64{0, 0.5, 1}[at]) * 64),
		Y: fixed.Int26_6(y * scale * 64),
	}
	d.DrawString(text)
}

// findFace returns the font in a size. It returns nil if the font does not have
// the size, which never happens with the sizes used here.
func (p *picture) findFace(size float64) font.Face {
	if p.faces[size] == nil {
		o := &opentype.FaceOptions{Size: size * scale, DPI: 72, Hinting: font.HintingFull}
		face, err := opentype.NewFace(p.font, o)
		if err != nil {
			return nil
		}
		p.faces[size] = face
	}
	return p.faces[size]
}

func (p *picture) writeImage(w io.Writer) error {
	e := png.Encoder{CompressionLevel: png.BestCompression}
	return e.Encode(w, p.image)
}
