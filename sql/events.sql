-- events.sql: what events become, and the queries on it.

-- A page keeps room for newer versions of its rows: most updates then touch
-- no index.
CREATE TABLE @extschema@.user_services (
	user_id text COLLATE "C" NOT NULL,
	service_id text COLLATE "C" NOT NULL,
	service_name text COLLATE "C" NOT NULL,
	last_accessed timestamptz NOT NULL,
	PRIMARY KEY (user_id, service_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE @extschema@.user_services IS
	'the services that each user accessed, with the latest access: the newest login event of each user and service';
COMMENT ON COLUMN @extschema@.user_services.user_id IS
	'who accessed the service';
COMMENT ON COLUMN @extschema@.user_services.service_id IS
	'the service that was accessed';
COMMENT ON COLUMN @extschema@.user_services.service_name IS
	'its name, as in the newest event';
COMMENT ON COLUMN @extschema@.user_services.last_accessed IS
	'time of the newest event';

-- The planner inlines services_for_user(), as this is as strict, as stable
-- and as parallel safe as it is, and calls nothing else.  It runs with the
-- rights of the caller.
CREATE FUNCTION evaudit.user_services_document(user_id text) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'evaudit_user_services_document'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION evaudit.user_services_document(text) IS
	'internal: the body of services_for_user()';

CREATE FUNCTION @extschema@.services_for_user(user_id text) RETURNS jsonb
	LANGUAGE sql STABLE STRICT PARALLEL SAFE COST 100
	RETURN evaudit.user_services_document(user_id);
COMMENT ON FUNCTION @extschema@.services_for_user(text) IS
	'the services of a user, newest first, as a JSON document';

