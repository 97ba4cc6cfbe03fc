-- event_log.sql: events that are kept, and events as a projection gets them.

CREATE TABLE evaudit.events (
	topic text NOT NULL,
	event_id text NOT NULL,
	payload jsonb NOT NULL,
	subject text,
	source text,
	source_position jsonb,
	received_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	schema_version integer,
	id bigint GENERATED ALWAYS AS IDENTITY,
	PRIMARY KEY (topic, event_id)
);
CREATE INDEX events_id_idx ON evaudit.events (topic, id);
COMMENT ON TABLE evaudit.events IS
	'events of the topics that keep them; publishing to one of these needs INSERT here';
COMMENT ON COLUMN evaudit.events.topic IS
	'the topic it was published to';
COMMENT ON COLUMN evaudit.events.event_id IS
	'unique within its topic: another event of that id is the same if its payload is equal, else a conflict';
COMMENT ON COLUMN evaudit.events.payload IS
	'what was published';
COMMENT ON COLUMN evaudit.events.subject IS
	'who published it: of a token, or the role that called publish(); NULL if a source read it';
COMMENT ON COLUMN evaudit.events.source IS
	'the source that read it; NULL if it was published';
COMMENT ON COLUMN evaudit.events.source_position IS
	'where it came from, such as {"topic": "logins", "partition": 0, "offset": 17}';
COMMENT ON COLUMN evaudit.events.received_at IS
	'when it was received';
COMMENT ON COLUMN evaudit.events.schema_version IS
	'the version of the topic''s schema that accepted it, in evaudit.topic_schemas';
COMMENT ON COLUMN evaudit.events.id IS
	'in the order of arrival, with gaps; statistics are paged by it';

CREATE TYPE evaudit.event AS (
	topic text,
	event_id text,
	key bytea,
	payload jsonb,
	headers jsonb,
	event_time timestamptz,
	subject text,
	source text,
	source_position jsonb
);
COMMENT ON TYPE evaudit.event IS
	'an event as the function of the topic option "project" gets it, in an array for each batch';
