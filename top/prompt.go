package top

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"
)

// A question is what an answer is typed for.
type question uint8

const (
	askFilter question = iota
	askColumn
	askInterval
)

// prompt is a question and the answer so far.
type prompt struct {
	question
	text string
}

// maxAnswerText bounds what can be typed, in bytes.
const maxAnswerText = 200

func (m *model) ask(q question, text string) {
	m.mode, m.prompt = typing, prompt{q, text}
}

// answer is a key while an answer is typed.
func (m *model) answer(msg tea.KeyMsg) tea.Cmd {
	p := &m.prompt
	switch {
	case msg.Type == tea.KeyEnter:
		m.mode = browsing
		return m.answered()
	case msg.Type == tea.KeyEsc:
		m.mode = browsing
		if p.question == askFilter {
			m.filter = ""
			m.arrange()
		}
		return nil
	case msg.Type == tea.KeyBackspace:
		_, n := utf8.DecodeLastRuneInString(p.text)
		p.text = p.text[:len(p.text)-n]
	case msg.Type == tea.KeyCtrlU:
		p.text = ""
	case msg.Type == tea.KeyRunes && !msg.Alt || msg.Type == tea.KeySpace:
		if text := p.text + string(msg.Runes); len(text) <= maxAnswerText {
			p.text = text
		}
	}
	if p.question == askFilter { // its effect shows at once
		m.filter = clean(p.text)
		m.arrange()
	}
	return nil
}

// answered puts an answer to use.
func (m *model) answered() tea.Cmd {
	text := strings.TrimSpace(m.prompt.text)
	if text == "" {
		return nil
	}
	switch m.prompt.question {
	case askColumn:
		i := m.view().columnNamed(text)
		if i < 0 {
			m.message = fmt.Sprintf("No column is called %q. There is: %s", clean(text), m.view().titles())
			return nil
		}
		if i != m.view().sort {
			m.view().sortBy(i)
			m.arrange()
		}
	case askInterval:
		interval, err := ParseInterval(text)
		if err != nil {
			m.message = clean(err.Error())
			return nil
		}
		m.interval = interval
		if !m.busy {
			return m.wait()
		}
	}
	return nil
}

// What the interval may be.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = time.Hour
)

// ParseInterval reads seconds, as "2" or "0.5", or a duration, as "1m". It must
// be from 0.1 seconds to an hour.
func ParseInterval(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds != seconds {
			return 0, fmt.Errorf("an interval is a number of seconds, as 2 or 0.5, or a duration, as 1m; %q is none", text)
		}
		d = time.Duration(max(0, min(seconds, 2*maxInterval.Seconds())) * float64(time.Second))
	}
	return d, checkInterval(d)
}

func checkInterval(d time.Duration) error {
	if d < minInterval || d > maxInterval {
		return errors.New("an interval must be from 0.1 seconds to 1 hour")
	}
	return nil
}
