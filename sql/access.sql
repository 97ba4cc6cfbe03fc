-- access.sql: whose token may publish to a topic, or read it, over HTTP.

CREATE TABLE evaudit.publish_grants (
	topic text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	folded text COLLATE "C" NOT NULL,
	constraints jsonb,
	fields text[],
	PRIMARY KEY (topic, folded)
);
COMMENT ON TABLE evaudit.publish_grants IS
	'which subjects of tokens may publish to which topics over HTTP';
COMMENT ON COLUMN evaudit.publish_grants.subject IS
	'the claim "sub", compared without regard to case';
COMMENT ON COLUMN evaudit.publish_grants.folded IS
	'subject without its case';
COMMENT ON COLUMN evaudit.publish_grants.constraints IS
	'{"field": ["pattern", ...], ...}: top-level fields of the payload, each of which must be matched as a whole by one of its patterns; NULL: any payload';
COMMENT ON COLUMN evaudit.publish_grants.fields IS
	'the order in which the fields of the constraints are decided, as a map had it; NULL: that of jsonb';

CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evaudit.publish_grants
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.announce_change();
ALTER TABLE evaudit.publish_grants ENABLE ALWAYS TRIGGER announce_change;

-- Apart, since publishers may not read by their grant.
CREATE TABLE evaudit.read_grants (
	topic text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	folded text COLLATE "C" NOT NULL,
	PRIMARY KEY (topic, folded)
);
COMMENT ON TABLE evaudit.read_grants IS
	'which subjects of tokens may read which topics over HTTP';
COMMENT ON COLUMN evaudit.read_grants.topic IS
	'the topic, or ''services'' for GET /users/{user_id}/services';
COMMENT ON COLUMN evaudit.read_grants.subject IS
	'the claim "sub", compared without regard to case';
COMMENT ON COLUMN evaudit.read_grants.folded IS
	'subject without its case';

CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evaudit.read_grants
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.announce_change();
ALTER TABLE evaudit.read_grants ENABLE ALWAYS TRIGGER announce_change;

-- Each hands on what the role that made it may do, while that is so.  Dumps do
-- not take them along, and a copy of the database has another oid.
CREATE TABLE evaudit.operate_grants (
	subject text COLLATE "C" PRIMARY KEY,
	grantor name NOT NULL,
	grantor_oid oid NOT NULL,
	database oid NOT NULL
);
COMMENT ON TABLE evaudit.operate_grants IS
	'which subjects of tokens may pause, resume and redrive over HTTP';
COMMENT ON COLUMN evaudit.operate_grants.subject IS
	'the claim "sub", to the letter';
COMMENT ON COLUMN evaudit.operate_grants.grantor IS
	'the role with whose privileges they do';

-- A topic that is created later under the same name begins without grants.
CREATE FUNCTION evaudit.forget_grants() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_forget_grants';
COMMENT ON FUNCTION evaudit.forget_grants() IS
	'internal: trigger that removes the grants of a dropped topic';
CREATE TRIGGER forget_grants AFTER DELETE ON evaudit.topics
	FOR EACH ROW EXECUTE FUNCTION evaudit.forget_grants();

CREATE FUNCTION evaudit.grant_publish(topic text, subject text,
									  constraints jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_grant_publish';
COMMENT ON FUNCTION evaudit.grant_publish(text, text, jsonb) IS
	'let the subject of a token publish to a topic over HTTP, any payload or what the constraints {"field": ["pattern", ...], ...} allow; replaces an earlier grant';

CREATE FUNCTION evaudit.revoke_publish(topic text, subject text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_revoke_publish';
COMMENT ON FUNCTION evaudit.revoke_publish(text, text) IS
	'revoke what grant_publish() granted';

CREATE FUNCTION evaudit.grant_read(topic text, subject text)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_grant_read';
COMMENT ON FUNCTION evaudit.grant_read(text, text) IS
	'let the subject of a token read the kept events of a topic over HTTP; ''services'' for GET /users/{user_id}/services';

CREATE FUNCTION evaudit.revoke_read(topic text, subject text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_revoke_read';
COMMENT ON FUNCTION evaudit.revoke_read(text, text) IS
	'take back what grant_read() gave';

CREATE FUNCTION evaudit.grant_operate(subject text)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_grant_operate';
COMMENT ON FUNCTION evaudit.grant_operate(text) IS
	'let the subject of a token pause, resume and redrive over HTTP what the current user may; replaces an earlier grant';

CREATE FUNCTION evaudit.revoke_operate(subject text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_revoke_operate';
COMMENT ON FUNCTION evaudit.revoke_operate(text) IS
	'revoke what grant_operate() granted';

CREATE FUNCTION evaudit.import_access_map(map jsonb,
										  replace boolean DEFAULT false)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_import_access_map';
COMMENT ON FUNCTION evaudit.import_access_map(jsonb, boolean) IS
	'replace the grants to publish of the topics in a map {"topic": ["subject", ...]} or {"topic": {"subject": {"field": ["pattern", ...]}}}; with "replace", those of all other topics are revoked';

-- A document as a file has it: jsonb forgets the order of fields.
CREATE FUNCTION evaudit.import_access_map(map text,
										  replace boolean DEFAULT false)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_import_access_map_text';
COMMENT ON FUNCTION evaudit.import_access_map(text, boolean) IS
	'the same for a map as text, whose fields are decided in their order';

CREATE FUNCTION evaudit.explain_access(topic text, subject text, payload jsonb)
RETURNS jsonb
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_explain_access';
COMMENT ON FUNCTION evaudit.explain_access(text, text, jsonb) IS
	'whether a subject may publish a payload to a topic over HTTP, and which rule decides; "may_read" tells whether it may read the topic';
