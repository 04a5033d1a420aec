package proof

import (
	"maps"
	"slices"
	"strings"
)

// The kinds of rows that learnQuestion is answered with.
const (
	rowName     = 'g' // a setting of PostgreSQL's or of an extension's that a session may have
	rowDefault  = 'r' // a setting of an extension's, and what roles and databases set it to
	rowBody     = 'f' // a function in SQL or PL/pgSQL, and its body
	rowOther    = 'o' // a function in another language, and its body
	rowCode     = 'C' // a function in C that may do other things with other arguments
	rowSets     = 'S' // another name of set_config
	rowText     = 'x' // an object, and the expression of it that calls a function of PostgreSQL's which leaves something
	rowRead     = 'y' // a setting of an extension's that an object reads
	rowUses     = 'u' // an object, and another one that it uses
	rowDblink   = 'D' // the function dblink_get_connections, by its whole name
	rowConnects = 'K' // a function that opens a connection of dblink's, whatever its name
	rowPlans    = 'P' // there are functions whose plans stay in a backend
	rowEvent    = 'v' // a function that an event trigger calls
)

// digestQuestion is one text for all objects of a database that decide what a
// statement does: of each catalog the number of its rows and the sum of the
// transactions that wrote them. A row that is written anew has a later
// transaction than any before, so no change leaves both as they were. Neither
// depends on the order of the rows, which a client's settings may decide.
// Nothing temporary is in it, nor what initdb's first transaction wrote.
var digestQuestion = func() string {
	const class = " JOIN pg_catalog.pg_class c ON c.relpersistence OPERATOR(pg_catalog.<>) 't' AND c.oid OPERATOR(pg_catalog.=) x."
	const lasting = " OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.~) '^pg_(toast_)?temp_'))"
	sql := "SELECT 'd', '', pg_catalog.concat_ws('.'"
	for _, from := range []string{
		"pg_proc x WHERE x.pronamespace" + lasting,
		"pg_rewrite x" + class + "ev_class",
		"pg_trigger x" + class + "tgrelid",
		"pg_attrdef x" + class + "adrelid",
		"pg_policy x",
		"pg_constraint x WHERE x.contype OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'x', 'f']::pg_catalog.\"char\"[]) AND x.connamespace" + lasting,
		"pg_type x WHERE x.typtype OPERATOR(pg_catalog.=) ANY (ARRAY['d', 'b', 'e', 'r', 'm']::pg_catalog.\"char\"[]) AND x.typelem OPERATOR(pg_catalog.=) 0::pg_catalog.oid AND x.typnamespace" + lasting,
		"pg_operator x WHERE x.oprnamespace" + lasting,
		"pg_cast x",
		"pg_aggregate x",
		"pg_event_trigger x",
		"pg_inherits x" + class + "inhrelid",
		"pg_namespace x WHERE x.oid" + lasting,
		"pg_attribute x" + class + "attrelid",
		"pg_statistic_ext x WHERE x.stxnamespace" + lasting,
		"pg_opclass x",
		"pg_amop x",
		"pg_amproc x",
		"pg_auth_members x",
		"pg_db_role_setting x",
		"pg_enum x",
		"pg_collation x WHERE x.collnamespace" + lasting,
		"pg_ts_config x WHERE x.cfgnamespace" + lasting,
		"pg_ts_dict x WHERE x.dictnamespace" + lasting,
		"pg_index x" + class + "indexrelid WHERE x.indexprs IS NOT NULL OR x.indpred IS NOT NULL",
	} {
		table, where, found := strings.Cut(from, " WHERE ")
		if found {
			where = " AND (" + where + ")"
		}
		sql += ",\n (SELECT pg_catalog.concat_ws('+', pg_catalog.count(*), pg_catalog.sum(x.xmin::pg_catalog.text::pg_catalog.int8)) FROM pg_catalog." +
			table + " WHERE x.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid" + where + ")"
	}
	// These are touched by much that changes no meaning.
	return sql + `,
 (SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(',', x.oid, x.relname, x.relnamespace, x.relkind, x.relrowsecurity, x.relforcerowsecurity, x.relispartition, x.relowner, x.reloptions)))
 FROM pg_catalog.pg_class x WHERE x.relpersistence OPERATOR(pg_catalog.<>) 't' AND x.relkind OPERATOR(pg_catalog.<>) 't'),
 (SELECT pg_catalog.sum(pg_catalog.hashtext(pg_catalog.concat_ws(',', x.oid, x.rolname, x.rolsuper, x.rolinherit, x.rolbypassrls))) FROM pg_catalog.pg_roles x))`
}()

// leaving are PostgreSQL's own functions, of the versions 14 to 18, that leave
// something in a session, or tell what is left, besides those of steered.
const leaving = `set_config lastval currval setseed pg_notify pg_listening_channels
 pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared
 pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all
 pg_replication_origin_session_setup pg_create_physical_replication_slot pg_create_logical_replication_slot
 pg_copy_physical_replication_slot pg_copy_logical_replication_slot pg_backup_start pg_start_backup`

// leavingNames are all of them, as a list of constants.
func leavingNames() string {
	all := slices.Concat(strings.Fields(leaving), slices.Sorted(maps.Keys(steered)))
	return "'" + strings.Join(all, "', '") + "'"
}

// learnQuestion reads what statements may leave by the objects that they use:
// the bodies of functions, the expressions of other objects that call one of
// PostgreSQL's functions which leave something, and which object uses which. It
// runs under a search_path of pg_catalog alone (Question.Guarded).
var learnQuestion = strings.Replace(`SELECT 'g'::text, name, ''::text FROM pg_settings WHERE context IN ('user', 'superuser')
 AND name <> ALL (ARRAY['application_name','client_encoding','DateStyle','IntervalStyle','TimeZone','standard_conforming_strings',
 'transaction_isolation','transaction_read_only','transaction_deferrable','seed'])
 UNION ALL SELECT 'D', quote_ident(n.nspname) || '.' || quote_ident(p.proname), '' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.proname = 'dblink_get_connections' AND p.pronargs = 0 AND has_function_privilege(p.oid, 'EXECUTE')
 UNION ALL SELECT 'g', name, '' FROM unnest(ARRAY['role','session_authorization']) name
 UNION ALL SELECT 'r', lower(split_part(s, '=', 1)), substr(s, strpos(s, '=') + 1) FROM pg_db_role_setting d, unnest(d.setconfig) s
 WHERE d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND strpos(split_part(s, '=', 1), '.') > 0
 UNION ALL SELECT CASE WHEN l.lanname IN ('sql', 'plpgsql') THEN 'f' ELSE 'o' END, p.proname::text, COALESCE(pg_get_function_sqlbody(p.oid), p.prosrc)
 FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE l.lanname NOT IN ('c', 'internal') AND p.oid >= 16384 AND NOT starts_with(n.nspname::text, 'pg_temp_')
 UNION ALL SELECT 'P', '', '' WHERE EXISTS (SELECT FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE l.lanname NOT IN ('c', 'internal') AND (l.lanname <> 'sql' OR current_setting('server_version_num')::int >= 180000) AND p.oid >= 16384)
 UNION ALL SELECT DISTINCT 'C', p.proname::text, '' FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE l.lanname IN ('c', 'internal') AND p.oid >= 16384 AND p.pronargs > 0 AND 'internal'::regtype <> ALL (p.proargtypes::oid[]) AND p.prorettype <> 'trigger'::regtype
 AND (p.provolatile = 'v' OR p.proname ~ '^(crosstab|connectby|xpath_table)')
 UNION ALL SELECT DISTINCT 'K', p.proname::text, '' FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE l.lanname = 'c' AND p.oid >= 16384 AND p.prosrc = 'dblink_connect'
 UNION ALL SELECT DISTINCT 'S', p.proname::text, '' FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE l.lanname = 'internal' AND p.oid >= 16384 AND p.prosrc = 'set_config_by_name'
 UNION ALL SELECT DISTINCT 'y', m[1], '' FROM (
  SELECT COALESCE(pg_get_function_sqlbody(p.oid), p.prosrc) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
   WHERE l.lanname NOT IN ('c', 'internal') AND p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  UNION ALL SELECT concat_ws(' ', pg_get_expr(y.polqual, y.polrelid), pg_get_expr(y.polwithcheck, y.polrelid)) FROM pg_policy y
  UNION ALL SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
   WHERE c.relpersistence <> 't' AND d.adbin::text ~ (SELECT '(:funcid|:opfuncid) (' || string_agg(oid::text, '|') || ') ' FROM pg_proc WHERE proname = 'current_setting')
  UNION ALL SELECT pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
   WHERE r.oid >= 16384 AND c.relpersistence <> 't' AND r.ev_action::text ~ (SELECT ':funcid (' || string_agg(oid::text, '|') || ') ' FROM pg_proc WHERE proname = 'current_setting')
  ) t (body), LATERAL regexp_matches(t.body, 'current_setting[[:space:]]*[(][[:space:]]*''+([a-z_][a-z0-9_$]*([.][a-z_][a-z0-9_$]*)+)''', 'gi') m
 UNION ALL SELECT 'x', x.name, x.body FROM (
  SELECT '(:funcid|:opfuncid|:aggfnoid|:winfnoid) (' || string_agg(oid::text, '|') || ') ' AS calls, array_agg(oid) AS oids FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN (
$leaving)) f, LATERAL (
  SELECT c.relname::text AS name, pg_get_ruledef(r.oid) AS body FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
   WHERE r.oid >= 16384 AND c.relpersistence <> 't' AND (r.ev_action::text ~ f.calls OR r.ev_qual::text ~ f.calls)
  UNION ALL SELECT c.relname, pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
   WHERE c.relpersistence <> 't' AND d.adbin::text ~ f.calls
  UNION ALL SELECT COALESCE(c.relname, t.typname), pg_get_constraintdef(k.oid) FROM pg_constraint k
   LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
   WHERE k.conbin::text ~ f.calls AND c.relpersistence IS DISTINCT FROM 't'
  UNION ALL SELECT c.relname, concat_ws(' ; ', pg_get_expr(y.polqual, y.polrelid), pg_get_expr(y.polwithcheck, y.polrelid)) FROM pg_policy y
   JOIN pg_class c ON c.oid = y.polrelid WHERE y.polqual::text ~ f.calls OR y.polwithcheck::text ~ f.calls
  UNION ALL SELECT c.relname, pg_get_triggerdef(g.oid) FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
   WHERE c.relpersistence <> 't' AND g.tgqual::text ~ f.calls
  UNION ALL SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
   WHERE c.relpersistence <> 't' AND (i.indexprs::text ~ f.calls OR i.indpred::text ~ f.calls)
  UNION ALL SELECT p.proname, pg_get_expr(p.proargdefaults, 0) FROM pg_proc p WHERE p.oid >= 16384 AND p.proargdefaults::text ~ f.calls
  UNION ALL SELECT t.typname, pg_get_expr(t.typdefaultbin, 0) FROM pg_type t WHERE t.oid >= 16384 AND t.typdefaultbin::text ~ f.calls
  UNION ALL SELECT o.oprname, o.oprcode || '()' FROM pg_operator o WHERE o.oprcode::oid = ANY (f.oids)
  UNION ALL SELECT t.typname, s.castfunc::regproc || '()' FROM pg_cast s JOIN pg_type t ON t.oid IN (s.castsource, s.casttarget) WHERE s.castfunc = ANY (f.oids)
  UNION ALL SELECT p.proname, concat_ws('() ', g.aggtransfn, g.aggfinalfn, '') FROM pg_aggregate g JOIN pg_proc p ON p.oid = g.aggfnoid
   WHERE g.aggtransfn::oid = ANY (f.oids) OR g.aggfinalfn::oid = ANY (f.oids)) x
 UNION ALL SELECT DISTINCT 'u', a.name, b.name FROM pg_depend d,
 LATERAL (SELECT c.relname::text AS name FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
  UNION ALL SELECT c.relname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE d.classid = 'pg_trigger'::regclass AND g.oid = d.objid
  UNION ALL SELECT c.relname FROM pg_attrdef f JOIN pg_class c ON c.oid = f.adrelid WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
  UNION ALL SELECT COALESCE(c.relname, t.typname) FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
   WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
  UNION ALL SELECT c.relname FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid WHERE d.classid = 'pg_policy'::regclass AND y.oid = d.objid
  UNION ALL SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
  UNION ALL SELECT c.relname FROM pg_class c WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid
  UNION ALL SELECT o.oprname FROM pg_operator o WHERE d.classid = 'pg_operator'::regclass AND o.oid = d.objid
  UNION ALL SELECT t.typname FROM pg_cast s JOIN pg_type t ON t.oid IN (s.castsource, s.casttarget) WHERE d.classid = 'pg_cast'::regclass AND s.oid = d.objid
  UNION ALL SELECT p.proname FROM pg_proc p WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid
  UNION ALL SELECT t.typname FROM pg_type t WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid) a,
 LATERAL (SELECT p.proname::text AS name FROM pg_proc p WHERE d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
  UNION ALL SELECT o.oprname FROM pg_operator o WHERE d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
  UNION ALL SELECT t.typname FROM pg_type t WHERE d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
  UNION ALL SELECT c.relname FROM pg_class c WHERE d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)) b
 WHERE (d.refobjid >= 16384 OR d.refobjid = 'pg_settings'::regclass) AND a.name <> b.name
 UNION ALL SELECT DISTINCT 'u', u.relname::text, r.relname::text FROM pg_constraint k JOIN pg_class u ON u.oid = k.confrelid JOIN pg_class r ON r.oid = k.conrelid WHERE k.contype = 'f'
 UNION ALL SELECT DISTINCT 'u', p.relname::text, c.relname::text FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
 UNION ALL SELECT DISTINCT 'u', c.relname::text, p.relname::text FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relispartition
 UNION ALL SELECT DISTINCT 'u', c.relname::text, t.typname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
 WHERE a.atttypid >= 16384 AND a.attnum > 0 AND c.relpersistence <> 't'
 UNION ALL SELECT DISTINCT 'u', t.typname::text, b.typname::text FROM pg_type t JOIN pg_type b ON b.oid IN (t.typbasetype, t.typelem) WHERE b.oid >= 16384
 UNION ALL SELECT 'v', p.proname::text, '' FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid`, "$leaving", leavingNames(), 1)
