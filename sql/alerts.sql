-- alerts.sql: what somebody has to know of now.

CREATE FUNCTION evaudit.alert_rule_list(
	OUT name text, OUT severity text, OUT threshold double precision,
	OUT hold interval, OUT description text, OUT hint text)
RETURNS SETOF record
LANGUAGE c IMMUTABLE ROWS 20 AS 'MODULE_PATHNAME', 'evaudit_alert_rule_list';
COMMENT ON FUNCTION evaudit.alert_rule_list() IS
	'internal: the rules of evaudit.alert_rules as they are by default';

-- What is set otherwise than by default; the rules themselves come with the
-- library, so that no dump has them.
CREATE TABLE evaudit.alert_rule_settings (
	name text PRIMARY KEY,
	threshold double precision NOT NULL,
	hold interval NOT NULL CHECK (hold >= '0' AND hold <= '1 day'),
	enabled boolean NOT NULL,
	severity text NOT NULL
		CHECK (severity IN ('info', 'warning', 'critical'))
);
COMMENT ON TABLE evaudit.alert_rule_settings IS
	'internal: rules of evaudit.alert_rules that were altered';

CREATE VIEW evaudit.alert_rules AS
	SELECT l.name,
		   COALESCE(s.severity, l.severity) AS severity,
		   COALESCE(s.threshold, l.threshold) AS threshold,
		   COALESCE(s.hold, l.hold) AS hold,
		   COALESCE(s.enabled, true) AS enabled,
		   l.description, l.hint
	FROM evaudit.alert_rule_list() l
	LEFT JOIN evaudit.alert_rule_settings s ON s.name = l.name;
COMMENT ON VIEW evaudit.alert_rules IS
	'what becomes an alert: severity, threshold, hold and enabled can be updated';
COMMENT ON COLUMN evaudit.alert_rules.threshold IS
	'the value beyond which there is an alert; description says of what, and in which unit';
COMMENT ON COLUMN evaudit.alert_rules.hold IS
	'for how long it has to be so until the alert begins, and not to be so until it ends';
COMMENT ON COLUMN evaudit.alert_rules.hint IS
	'what to do; docs/runbook.md says more';

CREATE FUNCTION evaudit.alter_alert_rule() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_alter_alert_rule';
COMMENT ON FUNCTION evaudit.alter_alert_rule() IS
	'internal: what an UPDATE of evaudit.alert_rules does';
CREATE TRIGGER alter_alert_rule INSTEAD OF UPDATE ON evaudit.alert_rules
	FOR EACH ROW EXECUTE FUNCTION evaudit.alter_alert_rule();

CREATE TABLE evaudit.alert_state (
	name text NOT NULL,
	subject text NOT NULL,
	value double precision NOT NULL,
	detail text NOT NULL,
	since timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	PRIMARY KEY (name, subject)
);
COMMENT ON TABLE evaudit.alert_state IS
	'internal: rows of the view evaudit.alerts';

CREATE VIEW evaudit.alerts AS
	SELECT a.name, a.subject, r.severity, a.since, a.value, a.detail, r.hint
	FROM evaudit.alert_state a
	JOIN evaudit.alert_rules r ON r.name = a.name;
COMMENT ON VIEW evaudit.alerts IS
	'what is wrong now, by the rules of evaudit.alert_rules; also notified on channel evaudit_alerts, logged, and sent by sinks of topic "alerts"';
COMMENT ON COLUMN evaudit.alerts.subject IS
	'the source, sink, table or the like that it is about';
COMMENT ON COLUMN evaudit.alerts.since IS
	'when the alert began';
COMMENT ON COLUMN evaudit.alerts.value IS
	'what was measured, at most a minute ago';
