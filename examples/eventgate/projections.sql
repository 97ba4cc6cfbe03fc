-- projections.sql: what a gateway's writer for PostgreSQL does with an event,
-- as functions of topics: rows and event commit together, or neither does.

CREATE OR REPLACE FUNCTION eventgate.take_runs(events evaudit.event[])
RETURNS void LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO eventgate.runs
	SELECT e.event_id, e.payload->>'job_ref', e.payload->>'tenant_id',
		e.payload->>'source_app', e.payload->>'source_app_version',
		e.payload->>'environment', (e.payload->>'timestamp_start')::bigint,
		(e.payload->>'timestamp_end')::bigint
	FROM unnest(events) e;

	INSERT INTO eventgate.runs_jobs (event_id, country, catalog_id, status,
		timestamp_start, timestamp_end, message, additional_info)
	SELECT e.event_id, COALESCE(j.job->>'country', ''), j.job->>'catalog_id',
		j.job->>'status', (j.job->>'timestamp_start')::bigint,
		(j.job->>'timestamp_end')::bigint, j.job->>'message',
		j.job->'additional_info'
	FROM unnest(events) e, jsonb_array_elements(e.payload->'jobs') j(job);
END;

CREATE OR REPLACE FUNCTION eventgate.take_dlchange(events evaudit.event[])
RETURNS void LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO eventgate.dlchange
	SELECT e.event_id, e.payload->>'tenant_id', e.payload->>'source_app',
		e.payload->>'source_app_version', e.payload->>'environment',
		(e.payload->>'timestamp_event')::bigint,
		COALESCE(e.payload->>'country', ''), e.payload->>'catalog_id',
		e.payload->>'operation', e.payload->>'location',
		e.payload->>'format', e.payload->'format_options',
		e.payload->'additional_info'
	FROM unnest(events) e;
END;

CREATE OR REPLACE FUNCTION eventgate.take_test(events evaudit.event[])
RETURNS void LANGUAGE sql
BEGIN ATOMIC
	INSERT INTO eventgate.test
	SELECT e.event_id, e.payload->>'tenant_id', e.payload->>'source_app',
		e.payload->>'environment', (e.payload->>'timestamp')::bigint,
		e.payload->'additional_info'
	FROM unnest(events) e;
END;

-- What a job has after an event: of the newer of both what is there, else of
-- the older.
CREATE OR REPLACE FUNCTION eventgate.latest(is_newer boolean, new anyelement,
											old anyelement)
RETURNS anyelement LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN is_newer THEN COALESCE(new, old) ELSE COALESCE(old, new) END
$$;

-- The row that an event alone would make; a member that is null is none.
CREATE OR REPLACE FUNCTION eventgate.status_of(payload jsonb)
RETURNS eventgate.status_change LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.job_id, r.job_group_id, r.parent_job_id, r.initial_job_id,
		r.job_ref, r.job_name, r.definition_id, r.definition_version,
		r.tenant_id, r.country, r.source_app, r.source_app_version,
		r.environment, r.platform, NULLIF(r.platform_metadata, 'null'),
		NULLIF(r.input_arguments, 'null'),
		NULLIF(r.additional_context, 'null'),
		COALESCE(NULLIF(r.attempt_number, 0), 1), r.status_type,
		r.status_subtype, r.status_detail,
		CASE WHEN t.type IN ('JobCreatedEvent', 'JobCreatedAndStartedEvent')
			THEN t.at END,
		CASE WHEN t.type IN ('JobStartedEvent', 'JobCreatedAndStartedEvent')
			THEN t.at END,
		CASE WHEN t.type = 'JobFinishedEvent' THEN t.at END,
		t.at
	FROM jsonb_populate_record(NULL::eventgate.status_change,
			payload - '{created_at,started_at,finished_at,last_updated_at}'::text[]) r,
		(SELECT payload->>'event_type',
			to_timestamp((payload->>'timestamp_event')::numeric / 1000))
			t(type, at);
END;

-- As the gateway does: an event that is older than the row adds what the row has
-- not, and changes nothing else.
CREATE OR REPLACE FUNCTION eventgate.take_status_change(events evaudit.event[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	new eventgate.status_change;
BEGIN
	FOR new IN SELECT (eventgate.status_of(e.payload)).*
		FROM pg_catalog.unnest(events) e ORDER BY 1
	LOOP
		INSERT INTO eventgate.status_change AS t SELECT (new).*
		ON CONFLICT (job_id) DO UPDATE SET (
			job_group_id, parent_job_id, initial_job_id, job_ref, job_name,
			definition_id, definition_version, tenant_id, country, source_app,
			source_app_version, environment, platform, platform_metadata,
			input_arguments, additional_context, attempt_number, status_type,
			status_subtype, status_detail, created_at, started_at, finished_at,
			last_updated_at) = (
			SELECT eventgate.latest(n, new.job_group_id, t.job_group_id),
				eventgate.latest(n, new.parent_job_id, t.parent_job_id),
				eventgate.latest(n, new.initial_job_id, t.initial_job_id),
				eventgate.latest(n, new.job_ref, t.job_ref),
				eventgate.latest(n, new.job_name, t.job_name),
				eventgate.latest(n, new.definition_id, t.definition_id),
				eventgate.latest(n, new.definition_version, t.definition_version),
				eventgate.latest(n, new.tenant_id, t.tenant_id),
				eventgate.latest(n, new.country, t.country),
				eventgate.latest(n, new.source_app, t.source_app),
				eventgate.latest(n, new.source_app_version, t.source_app_version),
				eventgate.latest(n, new.environment, t.environment),
				eventgate.latest(n, new.platform, t.platform),
				eventgate.latest(n, new.platform_metadata, t.platform_metadata),
				eventgate.latest(n, new.input_arguments, t.input_arguments),
				CASE WHEN new.additional_context IS NULL THEN t.additional_context
					WHEN t.additional_context IS NULL THEN new.additional_context
					WHEN n THEN t.additional_context || new.additional_context
					ELSE new.additional_context || t.additional_context END,
				COALESCE(eventgate.latest(n, NULLIF(new.attempt_number, 1),
					NULLIF(t.attempt_number, 1)), 1),
				CASE WHEN n THEN new.status_type ELSE t.status_type END,
				CASE WHEN n THEN new.status_subtype ELSE t.status_subtype END,
				CASE WHEN n THEN new.status_detail ELSE t.status_detail END,
				eventgate.latest(n, new.created_at, t.created_at),
				eventgate.latest(n, new.started_at, t.started_at),
				eventgate.latest(n, new.finished_at, t.finished_at),
				GREATEST(new.last_updated_at, t.last_updated_at)
			FROM (SELECT new.last_updated_at >= t.last_updated_at) i(n));
	END LOOP;
END
$$;

-- Publishers over HTTP have a grant; nobody else calls these.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA eventgate FROM PUBLIC;
RESET ROLE;
