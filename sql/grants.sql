-- grants.sql: who may do what.  Nothing is granted but what stands here.

REVOKE ALL ON ALL ROUTINES IN SCHEMA evaudit FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA evaudit FROM PUBLIC;

GRANT USAGE ON SCHEMA evaudit TO PUBLIC;

-- Each of these decides by itself: by the grants of the tables read or
-- written, by owning the table to be tracked, by USAGE on the server, by
-- membership in the owner of the source.
GRANT EXECUTE ON FUNCTION
	evaudit.track(regclass, jsonb),
	evaudit.alter_tracking(regclass, jsonb),
	evaudit.untrack(regclass),
	evaudit.patch(jsonb, jsonb, boolean),
	evaudit.capture(),
	evaudit.capture_truncate(),
	evaudit.raise_seq(),
	evaudit.changes_key(text, jsonb),
	evaudit.history(text, jsonb),
	evaudit.row_as_of(text, jsonb, timestamptz),
	evaudit.table_as_of(anyelement, timestamptz),
	evaudit.undo(xid8, text, bigint[], text, boolean),
	evaudit.restore_row(regclass, jsonb, timestamptz),
	evaudit.baseline(regclass),
	evaudit.reconcile(regclass),
	evaudit.redact(text, jsonb, text[], text),
	evaudit.publish(text, jsonb, text),
	evaudit.validate(text, jsonb),
	evaudit.redrive(bigint[]),
	evaudit.redrive(text),
	evaudit.create_source(text, name, text, jsonb),
	evaudit.alter_source(text, jsonb),
	evaudit.drop_source(text),
	evaudit.pause_source(text),
	evaudit.resume_source(text),
	evaudit.seek_source(text, text),
	evaudit.create_sink(text, name, text[], jsonb),
	evaudit.alter_sink(text, jsonb),
	evaudit.drop_sink(text),
	evaudit.pause_sink(text),
	evaudit.resume_sink(text),
	evaudit.seek_sink(text, text),
	evaudit.sink_stats(),
	evaudit.redeliver(bigint[]),
	evaudit.redeliver(text),
	evaudit.skip_delivery(bigint[]),
	evaudit.delivery_event(bigint),
	evaudit.wait_delivered(text, text, interval),
	evaudit.sink_wants(text[], text),
	evaudit.check_server(name),
	evaudit.check_front(),
	evaudit.json_schema_is_valid(jsonb, jsonb, boolean),
	evaudit.json_schema_errors(jsonb, jsonb, boolean, integer),
	evaudit.owns(oid),
	evaudit.source_stats(),
	evaudit.kafka_topic_wanted(jsonb, text),
	evaudit.kafka_partition_wanted(jsonb, integer),
	evaudit.partition_stats(),
	evaudit.dead_letters_by_reason(bigint[]),
	evaudit.sqs_queues(jsonb),
	evaudit.queue_stats()
TO PUBLIC;

GRANT EXECUTE ON PROCEDURE evaudit.redrive_all(text, bigint),
	evaudit.undo_all(xid8, text, bigint[], text, bigint),
	evaudit.baseline_all(regclass, bigint) TO PUBLIC;

-- What becomes of events is the database owner's to say, or whoever's EXECUTE
-- is granted to.
GRANT EXECUTE ON FUNCTION
	evaudit.create_topic(text, jsonb, jsonb),
	evaudit.alter_topic(text, jsonb, jsonb),
	evaudit.drop_topic(text),
	evaudit.import_topics(jsonb, jsonb, boolean),
	evaudit.grant_publish(text, text, jsonb),
	evaudit.revoke_publish(text, text),
	evaudit.grant_read(text, text),
	evaudit.revoke_read(text, text),
	evaudit.grant_operate(text),
	evaudit.revoke_operate(text),
	evaudit.import_access_map(jsonb, boolean),
	evaudit.import_access_map(text, boolean),
	evaudit.explain_access(text, text, jsonb),
	evaudit.set_retention(text, interval, jsonb)
TO pg_database_owner;

GRANT SELECT, INSERT, DELETE ON evaudit.audit_holds TO pg_database_owner;

-- A front's role is given this; tokens and grants to publish decide then.
GRANT EXECUTE ON FUNCTION
	evaudit.http(text, text, jsonb, bytea),
	evaudit.http_admin(text, text, jsonb),
	evaudit.http_wait(text[], interval)
TO pg_database_owner WITH GRANT OPTION;

-- The caller's own rights on audit, user_services and configuration decide.
GRANT EXECUTE ON FUNCTION
	evaudit.configuration_rows(),
	evaudit.audit_rows(),
	evaudit.audit_head(),
	evaudit.audit_row(@extschema@.audit),
	evaudit.user_services_document(text),
	@extschema@.services_for_user(text)
TO PUBLIC;

-- Each shows what belongs to the one who asks; stat_* all to pg_monitor.
GRANT EXECUTE ON FUNCTION
	evaudit.is_audited(regclass),
	evaudit.tracking_options(regclass),
	evaudit.audit_stats(regclass)
TO pg_monitor;
GRANT SELECT ON evaudit.stat_audit TO pg_monitor;
GRANT SELECT ON evaudit.stat_issuers TO pg_monitor;
GRANT EXECUTE ON FUNCTION evaudit.issuer_error(text, jsonb, jsonb)
TO pg_monitor;
GRANT SELECT, DELETE ON evaudit.dead_letters TO PUBLIC;
GRANT SELECT ON evaudit.stat_sources, evaudit.stat_partitions,
	evaudit.stat_dead_letters, evaudit.stat_queues TO PUBLIC;
GRANT SELECT ON evaudit.stat_sinks, evaudit.deliveries TO PUBLIC;
GRANT SELECT ON evaudit.stat_jobs TO PUBLIC;
GRANT EXECUTE ON FUNCTION evaudit.progress_rows() TO PUBLIC;
GRANT SELECT ON evaudit.stat_retention TO pg_monitor;
GRANT SELECT ON evaudit.stat_segments, evaudit.sinks_behind TO pg_monitor;
GRANT EXECUTE ON FUNCTION evaudit.audit_segments() TO pg_monitor;
GRANT EXECUTE ON FUNCTION evaudit.retention_is_active(oid, bigint)
TO pg_monitor;
GRANT EXECUTE ON FUNCTION evaudit.metrics(), evaudit.metric_list(),
	evaudit.http_counts(), evaudit.token_counts(), evaudit.job_counts(),
	evaudit.doctor()
TO pg_monitor;
GRANT SELECT ON evaudit.alerts, evaudit.alert_rules, evaudit.stat_topics
TO pg_monitor;
GRANT EXECUTE ON FUNCTION evaudit.alert_rule_list(),
	evaudit.topic_stats(text)
TO pg_monitor;
