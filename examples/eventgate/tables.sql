-- tables.sql: the tables that a gateway's writer for PostgreSQL fills.  They are
-- left as they are where they exist: a gateway's own migrations make the same.
--
-- A role that nobody logs in as owns them and the functions that fill them, so
-- that those run with its rights: the role that HTTP comes by needs none.

SELECT 'CREATE ROLE eventgate NOLOGIN' WHERE to_regrole('eventgate') IS NULL
\gexec
SELECT 'CREATE SCHEMA eventgate AUTHORIZATION eventgate'
WHERE to_regnamespace('eventgate') IS NULL
\gexec
SET ROLE eventgate;

CREATE TABLE IF NOT EXISTS eventgate.runs (
	event_id text NOT NULL,
	job_ref text NOT NULL,
	tenant_id text NOT NULL,
	source_app text NOT NULL,
	source_app_version text NOT NULL,
	environment text NOT NULL,
	timestamp_start bigint,
	timestamp_end bigint
);

CREATE TABLE IF NOT EXISTS eventgate.runs_jobs (
	internal_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event_id text NOT NULL,
	country text,
	catalog_id text NOT NULL,
	status text NOT NULL,
	timestamp_start bigint,
	timestamp_end bigint,
	message text,
	additional_info jsonb
);

CREATE TABLE IF NOT EXISTS eventgate.dlchange (
	event_id text NOT NULL,
	tenant_id text NOT NULL,
	source_app text NOT NULL,
	source_app_version text NOT NULL,
	environment text NOT NULL,
	timestamp_event bigint,
	country text,
	catalog_id text NOT NULL,
	operation text,
	location text,
	format text,
	format_options jsonb,
	additional_info jsonb
);

CREATE TABLE IF NOT EXISTS eventgate.test (
	event_id text NOT NULL,
	tenant_id text NOT NULL,
	source_app text NOT NULL,
	environment text NOT NULL,
	timestamp_event bigint,
	additional_info jsonb
);

-- The latest status of each job.
CREATE TABLE IF NOT EXISTS eventgate.status_change (
	job_id uuid PRIMARY KEY,
	job_group_id uuid,
	parent_job_id uuid,
	initial_job_id uuid,
	job_ref text,
	job_name text,
	definition_id text,
	definition_version text,
	tenant_id text,
	country text,
	source_app text,
	source_app_version text,
	environment text,
	platform text,
	platform_metadata jsonb,
	input_arguments jsonb,
	additional_context jsonb,
	attempt_number integer NOT NULL DEFAULT 1 CHECK (attempt_number > 0),
	status_type text CHECK (status_type IN
		('WAITING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'KILLED')),
	status_subtype text,
	status_detail text,
	created_at timestamptz,
	started_at timestamptz,
	finished_at timestamptz,
	last_updated_at timestamptz NOT NULL
);
