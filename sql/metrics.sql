-- metrics.sql: what evaudit measures, for who monitors it.

CREATE FUNCTION evaudit.metrics() RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_metrics';
COMMENT ON FUNCTION evaudit.metrics() IS
	'all metrics of this database in Prometheus'' text format 0.0.4; those whose tables are locked for more than 100 ms are absent';

CREATE FUNCTION evaudit.metric_list(
	OUT metric_group text, OUT name text, OUT type text, OUT labels text[],
	OUT help text, OUT query text)
RETURNS SETOF record
LANGUAGE c IMMUTABLE ROWS 50 AS 'MODULE_PATHNAME', 'evaudit_metric_list';
COMMENT ON FUNCTION evaudit.metric_list() IS
	'internal: the list that metrics(), docs/metrics.md and the files of monitoring/ are made from';

CREATE FUNCTION evaudit.http_counts(
	OUT listener text, OUT status text, OUT requests bigint)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 40 AS 'MODULE_PATHNAME', 'evaudit_http_counts';
COMMENT ON FUNCTION evaudit.http_counts() IS
	'internal: how many requests evaudit.http() and evaudit.http_admin() responded to in this database';

CREATE FUNCTION evaudit.token_counts(OUT outcome text, OUT tokens bigint)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 16 AS 'MODULE_PATHNAME', 'evaudit_token_counts';
COMMENT ON FUNCTION evaudit.token_counts() IS
	'internal: how many tokens were accepted, or refused for a reason, in this database';

CREATE FUNCTION evaudit.job_counts(
	OUT type text, OUT wanted integer, OUT processes integer,
	OUT runs bigint, OUT failures bigint, OUT run_seconds double precision)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'evaudit_job_counts';
COMMENT ON FUNCTION evaudit.job_counts() IS
	'internal: background processes of this database by their type';

CREATE FUNCTION evaudit.doctor(OUT check_name text, OUT ok boolean,
							   OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 15 AS 'MODULE_PATHNAME', 'evaudit_doctor';
COMMENT ON FUNCTION evaudit.doctor() IS
	'what keeps evaudit from doing what it was set up for, and what to do; asks nothing outside this server';
