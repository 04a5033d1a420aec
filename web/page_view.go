package web

// What the page shows is made here once, as words: the template writes it into
// the page, and the script puts the same words in their places when they have
// changed. The keys in JSON are the places' names in page.html.

// stateView is everything but the trees of processes. It is made anew each
// second.
type stateView struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Up          string `json:"up"`
	Verdict     string `json:"verdict"`
	VerdictTone tone   `json:"verdictTone"`
	Summary     string `json:"summary"` // a sentence for those who listen to the page

	Saved         string `json:"saved"`
	SavedNoun     string `json:"savedNoun"`
	Clients       string `json:"clients"`
	ClientsWidth  string `json:"clientsWidth"`
	Backends      string `json:"backends"`
	BackendsWidth string `json:"backendsWidth"`
	Ratio         string `json:"ratio"`

	Memory      string `json:"memory"`
	MemoryNote  string `json:"memoryNote"`
	Forks       string `json:"forks"`
	ForksNote   string `json:"forksNote"`
	Peak        string `json:"peak"`
	PeakNote    string `json:"peakNote"`
	Waiting     string `json:"waiting"`
	WaitingNote string `json:"waitingNote"`
	Pinned      string `json:"pinned"`
	PinnedNote  string `json:"pinnedNote"`

	Seconds chart `json:"seconds"`
	Minutes chart `json:"minutes"`

	Findings []findingView `json:"findings"`
	Well     bool          `json:"well"`
	WellNote string        `json:"wellNote"`
	Pools    []poolView    `json:"pools"`
	NoPools  bool          `json:"noPools"`
	Sums     []sumView     `json:"sums"`
	Advice   []adviceView  `json:"advice"`
	NoSizing bool          `json:"noSizing"`
	Pins     []pinView     `json:"pins"`
	NoPins   bool          `json:"noPins"`
	MorePins string        `json:"morePins"`
	Servers  []readView    `json:"servers"`
	NoCensus bool          `json:"noCensus"`
}

// tone says how something stands, in one word that the style sheet knows.
type tone string

const (
	toneWell     tone = "well"
	toneInfo     tone = "info"
	toneWarning  tone = "warning"
	toneCritical tone = "critical"
)

type findingView struct {
	Key      string `json:"key"`
	Severity string `json:"severity"` // one of a tone too
	ID       string `json:"id"`
	Server   string `json:"server"`
	Text     string `json:"text"`
	Advice   string `json:"advice"`
	NoAdvice bool   `json:"noAdvice"`
	Since    string `json:"since"`
}

type poolView struct {
	Key      string `json:"key"`
	Database string `json:"database"`
	User     string `json:"user"`
	Mode     string `json:"mode"`
	Paused   bool   `json:"paused"`
	Clients  string `json:"clients"`
	Waiting  string `json:"waiting"`
	Longest  string `json:"longest"`
	Usual    string `json:"usual"` // 99 of 100 waits were shorter
	Backends string `json:"backends"`
	Active   string `json:"active"`
	Size     string `json:"size"`
	Pinned   string `json:"pinned"`
	Saved    string `json:"saved"`
	Memory   string `json:"memory"` // that is saved
	Queries  string `json:"queries"`
	Tone     tone   `json:"tone"`
}

type sumView struct {
	Key    string `json:"key"`
	Server string `json:"server"`
	Text   string `json:"text"`
	Fits   string `json:"fits"`
	Tone   tone   `json:"tone"`
}

type adviceView struct {
	Key      string `json:"key"`
	Pool     string `json:"pool"`
	Do       string `json:"do"`
	Evidence string `json:"evidence"`
}

type pinView struct {
	Key         string `json:"key"`
	PID         string `json:"pid"`
	Pool        string `json:"pool"`
	Reasons     string `json:"reasons"`
	Client      string `json:"client"`
	Application string `json:"application"`
}

// readView is when a server was looked at. The rest of it is in a serverView
// with the same key.
type readView struct {
	Key  string `json:"key"`
	Read string `json:"read"`
}
