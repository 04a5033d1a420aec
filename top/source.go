package top

import (
	"context"
	"errors"
	"time"

	"pgweir/status"
)

// readTimeout bounds one reading, and one command to the console.
const readTimeout = 5 * time.Second

// A Source is where figures come from, and where commands go. Its methods wait
// for answers, so they are called off the model, by several goroutines.
type Source interface {
	// Read asks for everything; clients are asked for only if they are wanted,
	// as a list of thousands is not for nothing.
	Read(ctx context.Context, clients bool) *Reading
	// Find looks a client up, as it is now.
	Find(ctx context.Context, id uint64) (*Target, error)
	// Kill disconnects the client that Find has found, and no other.
	Kill(ctx context.Context, target *Target) error
	Close()
}

// A Reading is what was read at one moment. A part that could not be read is
// nil, and its error says why.
type Reading struct {
	At        time.Time
	Savings   *Savings
	Pools     []status.Pool
	Findings  []status.Finding // about pgweir itself
	Censuses  []*status.Census
	HTTPErr   error // pgweir did not answer, or not as it should
	CensusErr error // it answered, but has no census to give

	Clients    []Client
	ConsoleErr error // nil too if clients were not wanted
}

// Savings are those of all pools in /pools. What is unknown is below 0.
type Savings struct {
	Clients, Backends, Saved int
	Ratio                    float64
	SavedPeak                int
	ClientLogins             int64
	ServerLogins             int64
	BackendMemory            int64 // of one backend, on average
	MemorySaved              int64
	MemorySource             string
}

// A Client is a row of SHOW CLIENTS.
type Client struct {
	ID             uint64
	User, Database string
	State          string
	Addr           string // address and port, or "unix"
	Connected      string // when, as the console writes it
	Requested      string // when its last request began
	Wait           time.Duration
	Application    string
	Prepared       int
	TLS            string
	Pin            string
	BackendPID     int // of the backend that it holds; 0 if none
}

// A Target is a client that is to be killed, as it was shown to whoever
// decides.
type Target struct {
	Client
	// Query is what its backend runs or has run last; "" if unknown.
	Query string
	// Pinned is the statement because of which it keeps its backend; "" if it
	// does not, or if Query is known.
	Pinned string
}

// errNoConsole is what comes of a command without a console.
var errNoConsole = errors.New("no console: it needs --console")

// source asks one pgweir.
type source struct {
	http    *httpReader
	console *console // nil without --console
}

func (s *source) Read(ctx context.Context, clients bool) *Reading {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r := &Reading{}
	s.http.read(ctx, r)
	if clients && s.console != nil {
		r.Clients, r.ConsoleErr = s.console.clients(ctx)
	}
	r.At = time.Now()
	return r
}

func (s *source) Find(ctx context.Context, id uint64) (*Target, error) {
	if s.console == nil {
		return nil, errNoConsole
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return s.console.find(ctx, id)
}

func (s *source) Kill(ctx context.Context, target *Target) error {
	if s.console == nil {
		return errNoConsole
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return s.console.kill(ctx, target)
}

func (s *source) Close() {
	s.http.close()
	if s.console != nil {
		s.console.close()
	}
}
