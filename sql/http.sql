-- http.sql: requests over HTTP, which any front hands over.

CREATE FUNCTION evaudit.http(method text, path text,
							 headers jsonb DEFAULT NULL,
							 body bytea DEFAULT NULL,
							 OUT status integer, OUT headers jsonb,
							 OUT body bytea)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_http';
COMMENT ON FUNCTION evaudit.http(text, text, jsonb, bytea) IS
	'the response to an HTTP request: routes of an event gateway, of an event logger and of the query; it holds once the transaction commits';

CREATE FUNCTION evaudit.http_admin(method text, path text,
								   headers jsonb DEFAULT NULL,
								   OUT status integer, OUT headers jsonb,
								   OUT body bytea)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_http_admin';
COMMENT ON FUNCTION evaudit.http_admin(text, text, jsonb) IS
	'the response to a request to a front''s admin listener: pause, resume or redrive, for a token whose subject has a grant of grant_operate(); it holds once the transaction commits';

CREATE TYPE evaudit.http_response AS (
	what text,
	status integer,
	headers jsonb,
	body bytea
);
COMMENT ON TYPE evaudit.http_response IS
	'the response to what evaudit.http_wait() was asked for';

CREATE FUNCTION evaudit.http_wait(what text[], timeout interval)
RETURNS SETOF evaudit.http_response
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_http_await';
COMMENT ON FUNCTION evaudit.http_wait(text[], interval) IS
	'wait for sinks, for a second at most: the responses to those requests that are decided, by what evaudit.http() named in the header X-Evaudit-Wait';

CREATE FUNCTION evaudit.check_front(OUT check_name text, OUT ok boolean,
									OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'evaudit_check_front';
COMMENT ON FUNCTION evaudit.check_front() IS
	'whether this session is set up for a front: what would bring tokens into the log, and other settings';

-- The event logger's.
INSERT INTO evaudit.topics (name, options, seed)
SELECT 'http_events', options, options FROM CAST('{
	"event_id": "/id",
	"keep": true
}' AS jsonb) AS options;
