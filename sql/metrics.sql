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

CREATE FUNCTION evaudit.doctor(OUT check_name text, OUT ok boolean,
							   OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 15 AS 'MODULE_PATHNAME', 'evaudit_doctor';
COMMENT ON FUNCTION evaudit.doctor() IS
	'what keeps evaudit from doing what it was set up for, and what to do; asks nothing outside this server';
