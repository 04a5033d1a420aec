package top

import (
	"io"

	"github.com/charmbracelet/lipgloss"
)

// painter gives texts their colours, as far as the terminal has any and
// NO_COLOR does not forbid them.
type painter struct {
	tones  [critical + 1]lipgloss.Style
	title  lipgloss.Style // of the columns
	sorted lipgloss.Style // of the one that is sorted by
	cursor lipgloss.Style // the row that keys are for
	strong lipgloss.Style
}

// newPainter reads what the terminal behind out can do from the environment.
func newPainter(out io.Writer) *painter {
	r := lipgloss.NewRenderer(out)
	color := func(n string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(n)) }
	p := &painter{
		title:  r.NewStyle().Bold(true),
		sorted: r.NewStyle().Bold(true).Underline(true),
		cursor: r.NewStyle().Reverse(true),
		strong: r.NewStyle().Bold(true),
	}
	p.tones[plain] = r.NewStyle()
	p.tones[faint] = r.NewStyle().Faint(true)
	p.tones[good] = color("2")
	p.tones[warning] = color("3")
	p.tones[critical] = color("1").Bold(true)
	return p
}

func (p *painter) tone(t tone, s string) string {
	if t == plain {
		return s
	}
	return p.tones[t].Render(s)
}
