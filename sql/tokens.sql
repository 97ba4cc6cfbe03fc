-- tokens.sql: whose tokens are accepted, and with which keys.

CREATE TABLE evaudit.issuers (
	name text PRIMARY KEY,
	-- without those that hold keys
	options jsonb NOT NULL,
	-- an array of {"spki", "kid", "alg"}: public keys, and nothing else of
	-- the documents that they came in
	keys jsonb NOT NULL
);
COMMENT ON TABLE evaudit.issuers IS
	'issuers whose tokens evaudit.verify_token() accepts';
COMMENT ON COLUMN evaudit.issuers.keys IS
	'public keys as they were given, or fetched last';

CREATE FUNCTION evaudit.issuers_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_issuers_changed';
COMMENT ON FUNCTION evaudit.issuers_changed() IS
	'internal: trigger that invalidates cached issuers and wakes the scheduler';
CREATE TRIGGER issuers_changed
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evaudit.issuers
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.issuers_changed();
ALTER TABLE evaudit.issuers ENABLE ALWAYS TRIGGER issuers_changed;

-- How fetching goes; apart, so that a fetch that brings nothing new makes no
-- session read the issuers anew.  No row: due at once.
CREATE TABLE evaudit.issuer_fetches (
	issuer text PRIMARY KEY,
	last_attempt_at timestamptz NOT NULL,
	last_fetched_at timestamptz,
	last_error text,
	last_error_at timestamptz,
	-- in a row
	failures integer NOT NULL,
	next_fetch_at timestamptz NOT NULL
);
COMMENT ON TABLE evaudit.issuer_fetches IS
	'internal: state of the fetches that evaudit.stat_issuers shows';

CREATE FUNCTION evaudit.create_issuer(name text, options jsonb)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_create_issuer';
COMMENT ON FUNCTION evaudit.create_issuer(text, jsonb) IS
	'accept tokens that are signed with these keys, or with those of a URL';

CREATE FUNCTION evaudit.alter_issuer(name text, options jsonb)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_alter_issuer';
COMMENT ON FUNCTION evaudit.alter_issuer(text, jsonb) IS
	'set options or keys of an issuer; the others stay, a null resets an option to its default';

CREATE FUNCTION evaudit.drop_issuer(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_drop_issuer';
COMMENT ON FUNCTION evaudit.drop_issuer(text) IS
	'accept tokens of an issuer no longer';

-- Not strict: no token is a fault like any other.
CREATE FUNCTION evaudit.verify_token(token text) RETURNS jsonb
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_verify_token';
COMMENT ON FUNCTION evaudit.verify_token(text) IS
	'the claims of a valid token (JWT); any other raises an error of SQLSTATE 28000';

CREATE FUNCTION evaudit.issuer_error(name text, options jsonb, keys jsonb)
RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_issuer_error';
COMMENT ON FUNCTION evaudit.issuer_error(text, jsonb, jsonb) IS
	'internal: why an issuer of these columns would be invalid, or null';

-- No row fails the others, whatever is in it.
CREATE VIEW evaudit.stat_issuers AS
	SELECT i.name,
		   CASE pg_catalog.jsonb_typeof(i.keys) WHEN 'array'
				THEN pg_catalog.jsonb_array_length(i.keys) ELSE 0
		   END AS keys,
		   f.last_fetched_at, f.last_error, f.last_error_at,
		   CASE WHEN i.options ? 'jwks_url'
				THEN COALESCE(f.next_fetch_at, pg_catalog.now())
		   END AS next_fetch_at,
		   evaudit.issuer_error(i.name, i.options, i.keys) AS invalid
	FROM evaudit.issuers i
	LEFT JOIN evaudit.issuer_fetches f ON f.issuer = i.name;
COMMENT ON VIEW evaudit.stat_issuers IS
	'number of keys of each issuer, and the state of fetching those that come from a URL';
COMMENT ON COLUMN evaudit.stat_issuers.invalid IS
	'why the issuer''s tokens are all refused, its row not being what create_issuer() writes; NULL if it is valid';
COMMENT ON COLUMN evaudit.stat_issuers.last_error IS
	'why the last fetch failed, which leaves the keys as they were; NULL once one succeeded';
