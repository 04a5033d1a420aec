package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"pgweir/status"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// plainStyle is for browsers that run no script: tables stand in for what needs
// one.
const plainStyle = `.live{display:none!important}`

// The page is one file that needs no other. Its style and its script are named
// in its content security policy by their hashes, so that nothing that somebody
// has smuggled into a name can be either.
var (
	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"style":      func() template.CSS { return template.CSS(pageStyle) },
		"plainStyle": func() template.CSS { return template.CSS(plainStyle) },
		"script":     func() template.JS { return template.JS(pageScript) },
		"blank":      blank,
		"plainRows":  plainRows,
	}).Parse(pageSource))

	pagePolicy = strings.Join([]string{
		"default-src 'none'",
		"script-src " + sourceHash(pageScript),
		"style-src " + sourceHash(pageStyle) + " " + sourceHash(plainStyle),
		"img-src data:", // its icon
		"connect-src 'self'",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	}, "; ")
)

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// blank is an empty row of a list, from which the script makes new ones.
func blank(list string) any {
	switch list {
	case "finding":
		return findingView{Severity: string(status.Info)}
	case "pool":
		return poolView{}
	case "sum":
		return sumView{}
	case "advice":
		return adviceView{}
	case "pin":
		return pinView{}
	case "server":
		return readServer{}
	case "group":
		return groupView{}
	case "process":
		return processView{}
	default:
		panic("bug: no list of " + list)
	}
}

// pageView is what page.html shows.
type pageView struct {
	*stateView
	Trees []readServer
	Hour  []tick
}

// readServer is a server's tree, and when it was read.
type readServer struct {
	serverView
	Read string
}

// pageHandler serves the page.
func pageHandler(src Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var body bytes.Buffer
		if err := pageTemplate.Execute(&body, pageOf(src.Snapshot(status.Counts), src.History(), src.Sizing())); err != nil {
			http.Error(w, "cannot render: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", pagePolicy)
		// A client that has gone is nobody's concern.
		_, _ = w.Write(body.Bytes())
	})
}

func pageOf(s *status.Snapshot, h status.History, sizing *status.Sizing) *pageView {
	out := &pageView{stateView: stateOf(s, h, sizing), Hour: ticksOf(minutesOf(&h))}
	for i, tree := range censusOf(s.Censuses).Servers {
		out.Trees = append(out.Trees, readServer{tree, out.Servers[i].Read})
	}
	return out
}

// plainRows are all processes of a server as rows of a table. They are written
// here, since for hundreds of processes the template would take most of the
// page's time for them.
func plainRows(of readServer) template.HTML {
	var b strings.Builder
	write := func(list ...processView) {
		for i := range list {
			v := &list[i]
			b.WriteString(`<tr><th scope="row">` + v.PID + "</th>")
			for _, words := range []string{v.Kind, v.State, v.Wait} {
				b.WriteString(`<td class="text">` + template.HTMLEscapeString(words) + "</td>")
			}
			b.WriteString("<td>" + v.Since + "</td><td>" + v.CPU + "</td><td>" + v.Memory + "</td>")
			for _, words := range []string{v.User, v.Database, v.Application, v.Client, v.Pin} {
				b.WriteString(`<td class="text">` + template.HTMLEscapeString(words) + "</td>")
			}
			b.WriteString("</tr>")
		}
	}
	write(of.Postmaster)
	write(of.Others...)
	write(of.More...)
	for i := range of.Groups {
		write(of.Groups[i].Rows...)
		write(of.Groups[i].More...)
	}
	return template.HTML(b.String())
}
