-- retention.sql: how long what is kept is kept.

CREATE TABLE evaudit.retention (
	what text PRIMARY KEY,
	keep interval NOT NULL,
	options jsonb NOT NULL,
	-- where it deletes: a restored or copied database deletes nothing before
	-- set_retention() is called there
	database oid NOT NULL,
	cluster bigint NOT NULL,
	-- who set it, whose right to write files counts
	role_oid oid NOT NULL,
	role_name name NOT NULL,
	-- up to which number rows of audit are gone through, by relation
	positions jsonb NOT NULL DEFAULT '{}',
	deleted bigint NOT NULL DEFAULT 0,
	exported bigint NOT NULL DEFAULT 0,
	last_export text,
	last_run_at timestamptz,
	next_run_at timestamptz NOT NULL,
	waiting text,
	last_error text
);
COMMENT ON TABLE evaudit.retention IS
	'internal: rules of retention; evaudit.stat_retention shows their state';

CREATE FUNCTION evaudit.set_retention(what text, keep interval,
									  options jsonb DEFAULT '{}')
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_set_retention';
COMMENT ON FUNCTION evaudit.set_retention(text, interval, jsonb) IS
	'have what is older deleted in the background: audit (options relations: kept for another time; export: to a directory), dead_letters (option redriven: an interval for those), deliveries (given up ones of sinks that do not run), events, events.<topic>, fetched_schemas (of registries) or schema_versions; NULL: kept for ever';

CREATE FUNCTION evaudit.retention_is_active(database oid, cluster bigint)
RETURNS boolean
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'evaudit_retention_is_active';
COMMENT ON FUNCTION evaudit.retention_is_active(oid, bigint) IS
	'internal: whether a rule of retention was made in this database';

CREATE VIEW evaudit.stat_retention AS
	SELECT r.what, r.keep, r.options,
		CASE WHEN NOT evaudit.retention_is_active(r.database, r.cluster)
			THEN 'inactive'
			WHEN r.last_error IS NOT NULL THEN 'failed'
			WHEN r.waiting IS NOT NULL THEN 'waiting'
			ELSE 'active'
		END AS state,
		r.deleted, r.last_run_at, r.next_run_at,
		COALESCE(r.last_error, r.waiting) AS detail,
		r.exported, r.last_export
	FROM evaudit.retention r;
COMMENT ON VIEW evaudit.stat_retention IS
	'rules of retention, and what they deleted';
COMMENT ON COLUMN evaudit.stat_retention.state IS
	'active; waiting (detail says for what); failed (it is tried again at next_run_at); inactive: the rule came with a restore or a copy, and deletes nothing until set_retention() is called';
COMMENT ON COLUMN evaudit.stat_retention.deleted IS
	'rows deleted since the rule was set';
COMMENT ON COLUMN evaudit.stat_retention.last_run_at IS
	'when everything too old was last deleted';
COMMENT ON COLUMN evaudit.stat_retention.exported IS
	'rows of audit exported since the rule was set, which were deleted then';
COMMENT ON COLUMN evaudit.stat_retention.last_export IS
	'the last file that rows were exported to';

-- What a dispute is about stays, however old it is.
CREATE TABLE evaudit.audit_holds (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	relation text NOT NULL,
	item_key text,
	reason text NOT NULL,
	held_by name NOT NULL DEFAULT SESSION_USER,
	held_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	UNIQUE NULLS NOT DISTINCT (relation, item_key, reason)
);
COMMENT ON TABLE evaudit.audit_holds IS
	'rows of audit that retention keeps: of a relation, as audit names it, and an item_key, or of all';
COMMENT ON COLUMN evaudit.audit_holds.relation IS 'as audit.relation has it';
COMMENT ON COLUMN evaudit.audit_holds.item_key IS
	'key of the row whose changes are kept; NULL: all of the relation''s';
COMMENT ON COLUMN evaudit.audit_holds.held_by IS 'session_user who inserted it';

CREATE VIEW evaudit.held_keys AS
	SELECT h.relation, h.item_key FROM evaudit.audit_holds h
	UNION
	-- a relation that was renamed is held under all of its names
	SELECT pg_catalog.quote_ident(o.schema_name) || '.' ||
		pg_catalog.quote_ident(o.relation_name), h.item_key
	FROM evaudit.audit_holds h
	JOIN evaudit.tracked_relations t
		ON h.relation = pg_catalog.quote_ident(t.schema_name) || '.' ||
			pg_catalog.quote_ident(t.relation_name)
	JOIN evaudit.tracked_relations o ON o.id = t.id;
COMMENT ON VIEW evaudit.held_keys IS
	'internal: what evaudit.audit_holds holds, under all names';

CREATE FUNCTION evaudit.audit_segments(OUT segment oid, OUT first_seq bigint,
	OUT last_seq bigint, OUT state text)
RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'evaudit_audit_segments' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION evaudit.audit_segments() IS
	'internal: the partitions of audit';

CREATE VIEW evaudit.stat_segments AS
	SELECT s.segment::pg_catalog.regclass AS segment, s.state, s.first_seq,
		s.last_seq, NULLIF(c.reltuples, -1)::bigint AS rows,
		pg_catalog.pg_total_relation_size(s.segment) AS bytes,
		t.match[1]::timestamptz AS first_time,
		t.match[2]::timestamptz AS last_time
	FROM evaudit.audit_segments() s
	JOIN pg_catalog.pg_class c ON c.oid = s.segment
	LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = s.segment
		AND k.conname = 'evaudit_modification_time' AND k.convalidated
	LEFT JOIN LATERAL pg_catalog.regexp_match(
		pg_catalog.pg_get_constraintdef(k.oid),
		$$>= '([^']+)'.*<= '([^']+)'$$) AS t (match) ON true;
COMMENT ON VIEW evaudit.stat_segments IS
	'the partitions of audit: their numbers, rows, bytes and times';
COMMENT ON COLUMN evaudit.stat_segments.state IS
	'closed: all of its numbers are drawn; open; ahead: none is; rest: for what belongs to no other';
COMMENT ON COLUMN evaudit.stat_segments.rows IS
	'rows that VACUUM or ANALYZE found last; NULL: neither did';
COMMENT ON COLUMN evaudit.stat_segments.first_time IS
	'of its first row, once it is closed';
