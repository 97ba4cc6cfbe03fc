-- deliveries.sql: events that did not leave in their turn, and waiting for
-- those that do.

CREATE VIEW evaudit.deliveries WITH (security_barrier) AS
	SELECT d.id, s.name AS sink, d.topic, d.event_id, d.seq AS position,
		   d.state, d.attempts, d.last_error, d.code, d.next_retry_at, d.since
	FROM evaudit.delivery_store d
	JOIN evaudit.sinks s ON s.id = d.sink_id
	WHERE d.state <> 'skipped'
		AND (pg_catalog.pg_has_role('pg_monitor', 'USAGE')
			OR evaudit.owns(s.owner_oid));
COMMENT ON VIEW evaudit.deliveries IS
	'events that a sink could not deliver in their turn, for the owners of sinks and pg_monitor: retried, parked until redeliver() or skip_delivery(), or blocked by an earlier one of their key';
COMMENT ON COLUMN evaudit.deliveries.position IS
	'order in which events were written to the outbox, or seq of an audit row';
COMMENT ON COLUMN evaudit.deliveries.state IS
	'retrying, parked or blocked';
COMMENT ON COLUMN evaudit.deliveries.code IS
	'the destination''s code of the error, or a SQLSTATE';
COMMENT ON COLUMN evaudit.deliveries.since IS
	'when it could not be delivered for the first time';

CREATE FUNCTION evaudit.delivery_event(id bigint) RETURNS evaudit.event
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'evaudit_delivery_event';
COMMENT ON FUNCTION evaudit.delivery_event(bigint) IS
	'the event of a row of evaudit.deliveries, for the owner of its sink; NULL: there is no such row';

CREATE FUNCTION evaudit.redeliver(ids bigint[]) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_redeliver_ids';
COMMENT ON FUNCTION evaudit.redeliver(bigint[]) IS
	'have parked and retried deliveries tried again now, each key in order; returns how many';

CREATE FUNCTION evaudit.redeliver(sink text) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_redeliver_sink';
COMMENT ON FUNCTION evaudit.redeliver(text) IS
	'have all parked and retried deliveries of a sink tried again now, each key in order; returns how many';

CREATE FUNCTION evaudit.skip_delivery(ids bigint[]) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_skip_delivery';
COMMENT ON FUNCTION evaudit.skip_delivery(bigint[]) IS
	'give these deliveries up: their sink never sends them, and what waits behind them goes on; returns how many';

CREATE FUNCTION evaudit.wait_delivered(topic text, event_id text,
									   timeout interval DEFAULT '5s')
RETURNS TABLE(sink text, state text, error text)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_wait_delivered';
COMMENT ON FUNCTION evaudit.wait_delivered(text, text, interval) IS
	'wait, after the commit, until no sink has an event pending, or the time is over: delivered, parked or pending for each sink of its topic; needs SELECT on evaudit.events';
