package web

import (
	"encoding/json"
	"net/http"
	"time"

	"pgweir/status"
)

// reloadTime is how long the answer to a reload may take: commands that passwords come
// from are waited for.
const reloadTime = 15 * time.Minute

// crossOrigin refuses what a page of another origin has a browser send, which adds the
// password that it knows by itself.
var crossOrigin = http.NewCrossOriginProtection()

// reload answers POST /reload, for those with the right to Statements.
func reload(w http.ResponseWriter, r *http.Request, src Source, guard *Guard) {
	defer engage(r.Context())()
	may, why := guard.judge(r)
	switch {
	case may == Nothing:
		guard.refuse(w, r, why)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		http.Error(w, "only POST is answered", http.StatusMethodNotAllowed)
	case crossOrigin.Check(r) != nil:
		http.Error(w, "a page of another origin has asked for it", http.StatusForbidden)
	case may < Statements && guard.couldProve(r):
		guard.challenge(w, noProof)
	case may < Statements:
		http.Error(w, "a reload needs a token of http_admin_token_file", http.StatusForbidden)
	default:
		guard.logger().Info("a reload was asked for over HTTP", "addr", r.RemoteAddr)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reloadTime))
		done, err := src.Reload()
		if err != nil {
			writeReload(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
			return
		}
		writeReload(w, http.StatusOK, reloadOf(done))
	}
}

// couldProve tells whether a request without a token could come with one of an admin's.
func (g *Guard) couldProve(r *http.Request) bool {
	_, came := tokenOf(r)
	return !came && len(g.keys.Load().Admins) > 0
}

// reloaded is the answer.
type reloaded struct {
	Changes []change `json:"changes"`
	// Pending are of settings that keep their value until a restart.
	Pending []change `json:"pending"`
}

type change struct {
	Setting string `json:"setting"`
	Kind    string `json:"kind"`
	Before  string `json:"before,omitempty"`
	After   string `json:"after,omitempty"`
	Text    string `json:"text"`
}

func reloadOf(r *status.Reload) reloaded {
	return reloaded{Changes: changesOf(r.Changes), Pending: changesOf(r.Pending)}
}

func changesOf(all []status.Change) []change {
	out := make([]change, len(all))
	for i, c := range all {
		out[i] = change{Setting: c.Setting, Kind: c.Kind, Before: c.Before, After: c.After, Text: c.String()}
	}
	return out
}

func writeReload(w http.ResponseWriter, code int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("bug: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}
