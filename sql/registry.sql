-- registry.sql: schemas of payloads, as registries have them.

CREATE FUNCTION evaudit.registry_validator(options text[], catalog oid)
RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'evaudit_registry_validator';
COMMENT ON FUNCTION evaudit.registry_validator(text[], oid) IS
	'internal: validates options of servers and user mappings of evaudit_registry';

CREATE FOREIGN DATA WRAPPER evaudit_registry
	NO HANDLER VALIDATOR evaudit.registry_validator;
COMMENT ON FOREIGN DATA WRAPPER evaudit_registry IS
	'schema registries: url of one with Confluent''s or Apicurio''s API, or region of AWS Glue';

-- Not in a dump: a server has another oid where it is restored, and workers
-- fetch again what they need.
CREATE TABLE evaudit.registry_schemas (
	server_oid oid NOT NULL,
	-- where the server led to: its url, or region and endpoint
	location text NOT NULL,
	id text NOT NULL,
	-- AVRO, PROTOBUF, ..., or UNTYPED where the registry does not say it; NULL:
	-- the registry knew no such id
	type text,
	schema text,
	-- schemas that it refers to, [{"name", "schema"}, ...]
	refs jsonb,
	fetched_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (server_oid, location, id)
);
COMMENT ON TABLE evaudit.registry_schemas IS
	'internal: schemas of registries that workers have fetched; at most 10,000 of a server, the latest ones';
