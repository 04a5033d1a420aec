package proof

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"pgweir/wire"
)

// Learned is what a statement may leave behind because of the names in it.
type Learned struct {
	Hints wire.Hints
	// Settings are those of extensions that may be set, by name.
	Settings []string
	// Names are all settings that may get another value, if only until the
	// transaction ends: "all", and "" for those whose names cannot be told.
	Names []string
	// Unknown: settings may be set whose names cannot be told.
	Unknown bool
	// Foreign: SQL may be executed that comes from elsewhere, a table for instance.
	Foreign bool
	// Seeds: what random gives next may be chosen.
	Seeds bool
}

// nothing tells whether nothing is left behind.
func (l *Learned) nothing() bool {
	return l.Hints == 0 && len(l.Settings) == 0 && !l.Unknown && !l.Foreign && !l.Seeds
}

// add adds what another one leaves, and tells whether that is more.
func (l *Learned) add(o *Learned) bool {
	before := *l
	l.Hints |= o.Hints
	l.Unknown = l.Unknown || o.Unknown
	l.Foreign = l.Foreign || o.Foreign
	l.Seeds = l.Seeds || o.Seeds
	for _, name := range o.Settings {
		if !slices.Contains(l.Settings, name) {
			l.Settings = append(l.Settings, name)
		}
	}
	for _, name := range o.Names {
		l.name(name)
	}
	return len(l.Names) != len(before.Names) || l.Hints != before.Hints || l.Unknown != before.Unknown || l.Foreign != before.Foreign || l.Seeds != before.Seeds || len(l.Settings) != len(before.Settings)
}

// Knowledge is what the names of a database's objects may leave behind, closed
// over which object uses which. It is never changed once it is made.
type Knowledge struct {
	names     map[string]*Learned // of functions, relations and types
	operators map[string]*Learned
	events    Learned // of DDL, by event triggers
	any       Learned // of all together
	// Settings are the names of those whose hash tells whether any was set, as
	// the text of an array: PostgreSQL's own that a session may set, and those
	// of extensions that something in the database sets or reads.
	Settings string
	// Customs are the names of the latter. Those that occurred before are among
	// them: a backend may have them yet.
	Customs []string
	// Dblink is the function that lists the connections of the extension dblink;
	// "" if there is none.
	Dblink string
	// HidesSequences: an object other than a function reads currval or lastval.
	HidesSequences bool
	// KeepsPlans: there are functions whose plans stay in a backend.
	KeepsPlans bool
	// defaults are what roles and databases set those to.
	defaults map[wire.Param]bool
}

// maxCustoms bounds the settings of extensions that are asked for by name.
const maxCustoms = 64

// isDefault tells whether a setting of an extension has a value that a session
// begins with.
func (k *Knowledge) isDefault(v wire.Param) bool { return k != nil && k.defaults[v] }

// Set tells whether a setting of an extension that is asked for by name has been
// set, rather than having its default.
func (k *Knowledge) Set(v wire.Param) bool { return v.Value != "" && !k.isDefault(v) }

// Disconnect is the statement that ends the connection of dblink's which has no name,
// and which its list does not have; "" without the extension.
func (k *Knowledge) Disconnect() string {
	if k == nil || k.Dblink == "" {
		return ""
	}
	return "DO $pgweir$ BEGIN PERFORM " + strings.TrimSuffix(k.Dblink, "dblink_get_connections") + "dblink_disconnect(); EXCEPTION WHEN OTHERS THEN NULL; END $pgweir$ LANGUAGE plpgsql"
}

// Any is what a statement may leave behind of which nothing is known.
func (k *Knowledge) Any() *Learned { return &k.any }

// With is Settings with more names.
func (k *Knowledge) With(names []string) string {
	all := k.Settings
	for _, name := range names {
		if slices.Contains(k.Customs, name) {
			continue
		}
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
		all = all[:len(all)-1] + `,"` + quoted + `"}`
	}
	return all
}

// Of is what a statement may leave behind by the objects that it names; nil for
// nothing.
func (k *Knowledge) Of(text []byte, nonconforming bool) *Learned {
	if k == nil {
		return nil
	}
	var all Learned
	defines := false
	wire.Tokens(text, nonconforming, func(kind wire.TokenKind, text []byte) {
		switch kind {
		case wire.TokenName:
			defines = defines || definition.Match(text)
			if l := k.names[string(text)]; l != nil {
				all.add(l)
			}
		case wire.TokenOperator:
			for name, l := range k.operators {
				if strings.Contains(string(text), name) {
					all.add(l)
				}
			}
		}
	})
	if defines {
		all.add(&k.events)
	}
	if all.nothing() {
		return nil
	}
	return &all
}

// builder makes a Knowledge.
type builder struct {
	settings []string
	customs  map[string]bool // settings of extensions that something may set
	read     map[string]bool // and those that something reads
	nodes    map[string]*node
	events   []string
	k        *Knowledge
}

// node is all objects of one name.
type node struct {
	Learned
	function bool
	defines  bool // it may fire event triggers
	usedBy   []string
}

// definition is in every statement that fires event triggers.
var definition = regexp.MustCompile(`(?i)\b(create|alter|drop|grant|revoke|comment|security|import|refresh|reindex|reassign|into)\b`)

// steered are objects of PostgreSQL's own that run what their arguments name,
// which is no part of a shape, or set settings by name.
var steered = func() map[string]Learned {
	all := map[string]Learned{"pg_settings": {Hints: wire.HintSetConfig | wire.HintMeaning, Names: []string{""}}}
	for _, name := range strings.Fields(`table_to_xml table_to_xml_and_xmlschema schema_to_xml schema_to_xml_and_xmlschema
 database_to_xml database_to_xml_and_xmlschema domain_in domain_recv array_in array_recv record_in record_recv range_in range_recv
 multirange_in multirange_recv pg_input_is_valid pg_input_error_info brin_summarize_new_values brin_summarize_range satisfies_hash_partition`) {
		all[name] = Learned{Hints: wire.HintDo}
	}
	for _, name := range strings.Fields("query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema ts_stat ts_rewrite") {
		all[name] = Learned{Hints: wire.HintDo, Foreign: true}
	}
	return all
}()

// newKnowledge makes it of what was read; customs are those that were known
// before.
func newKnowledge(rows []Row, customs []string) *Knowledge {
	b := &builder{customs: map[string]bool{}, read: map[string]bool{}, nodes: map[string]*node{}}
	b.k = &Knowledge{names: map[string]*Learned{}, operators: map[string]*Learned{}, defaults: map[wire.Param]bool{}}
	for name, l := range steered {
		b.node(name).add(&l)
		b.node(name).function = true
	}
	for _, r := range rows {
		b.row(r)
	}
	for _, r := range rows {
		if r.Kind == rowBody || r.Kind == rowText {
			b.calls(r)
		}
	}
	b.close()
	b.fire()
	b.finish(customs)
	return b.k
}

func (b *builder) node(name string) *node {
	n := b.nodes[name]
	if n == nil {
		n = &node{}
		b.nodes[name] = n
	}
	return n
}

// row takes what a row says by itself.
func (b *builder) row(r Row) {
	switch r.Kind {
	case rowRead:
		if name := strings.ToLower(r.Name); customName.MatchString(name) {
			b.read[name] = true
		}
	case rowName:
		b.settings = append(b.settings, r.Name)
	case rowDefault:
		b.k.defaults[wire.Param{Name: r.Name, Value: r.Text}] = true
	case rowText:
		l := Body(r.Text)
		b.node(r.Name).add(&l)
	case rowBody:
		l := Body(r.Text)
		n := b.node(r.Name)
		n.add(&l)
		n.function, n.defines = true, n.defines || definition.MatchString(r.Text)
	case rowCode:
		b.node(r.Name).add(&Learned{Hints: wire.HintDo, Foreign: runsItsArgument.MatchString(r.Name)})
		b.node(r.Name).function = true
	case rowSets:
		b.node(r.Name).add(&Learned{Hints: wire.HintSetConfig | wire.HintMeaning, Names: []string{""}, Unknown: true})
		b.node(r.Name).function = true
	case rowOther:
		l := foreignBody(r.Text)
		b.node(r.Name).add(&l)
		b.node(r.Name).function = true
	case rowUses:
		b.node(r.Name)
		used := b.node(r.Text)
		if strings.HasPrefix(r.Text, "dblink_connect") {
			used.Hints |= wire.HintDblink // it is in C
		}
		used.usedBy = append(used.usedBy, r.Name)
	case rowConnects:
		b.node(r.Name).Hints |= wire.HintDblink
		b.node(r.Name).function = true
	case rowDblink:
		b.k.Dblink = r.Name
	case rowPlans:
		b.k.KeepsPlans = true
	case rowEvent:
		b.events = append(b.events, r.Name)
	}
}

// calls notes which objects a body names.
func (b *builder) calls(r Row) {
	seen := map[string]bool{r.Name: true}
	wire.Tokens([]byte(r.Text), false, func(kind wire.TokenKind, text []byte) {
		if kind == wire.TokenString || seen[string(text)] {
			return
		}
		if used := b.nodes[string(text)]; used != nil {
			seen[string(text)] = true
			used.usedBy = append(used.usedBy, r.Name)
		}
	})
}

// close passes on what objects leave behind to those that use them.
func (b *builder) close() {
	work := slices.Collect(maps.Keys(b.nodes))
	for len(work) > 0 {
		n := b.nodes[work[len(work)-1]]
		work = work[:len(work)-1]
		if n.nothing() {
			continue
		}
		for _, name := range n.usedBy {
			if b.nodes[name].add(&n.Learned) {
				work = append(work, name)
			}
		}
	}
}

// fire passes on what event triggers leave behind to the functions that may fire
// them.
func (b *builder) fire() {
	for _, name := range b.events {
		if n := b.nodes[name]; n != nil {
			b.k.events.add(&n.Learned)
		}
	}
	if b.k.events.nothing() {
		return
	}
	for _, n := range b.nodes {
		if n.defines {
			n.add(&b.k.events)
		}
	}
	b.close()
}

// finish keeps what leaves something behind.
func (b *builder) finish(customs []string) {
	for name, n := range b.nodes {
		if !n.function && n.Hints&wire.HintSequence != 0 {
			b.k.HidesSequences = true
			n.Hints &^= wire.HintSequence
		}
		if n.nothing() {
			continue
		}
		for _, s := range n.Settings {
			b.customs[s] = true
		}
		b.k.any.add(&n.Learned)
		if strings.Trim(name, "+-*/<>=~!@#%^&|`?") == "" {
			b.k.operators[name] = &n.Learned
		} else {
			b.k.names[name] = &n.Learned
		}
	}
	b.k.Customs = slices.Sorted(maps.Keys(b.customs))
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(b.read)), customs) {
		if !slices.Contains(b.k.Customs, name) {
			b.k.Customs = append(b.k.Customs, name)
		}
	}
	if len(b.k.Customs) > maxCustoms {
		b.k.Customs = b.k.Customs[:maxCustoms]
	}
	for _, name := range b.k.Customs {
		if !slices.Contains(b.settings, name) {
			b.settings = append(b.settings, name)
		}
	}
	b.k.Settings = "{" + strings.Join(b.settings, ",") + "}"
}

// customName tells the settings of extensions whose names can be asked for as
// they are.
var customName = regexp.MustCompile(`^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)+$`)
