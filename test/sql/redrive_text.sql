-- Payloads as text, as a source has them, by way of dead letters: where values
-- are found, whatever the order and repetition of members.
\pset format unaligned
\pset tuples_only on
SELECT evaudit.create_topic('text', options => '{"event_id": "/a/b/1", "key": "/k"}');
CREATE FUNCTION via_source(payload text, reason text DEFAULT 'x') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	letter bigint;
	result text;
BEGIN
	DELETE FROM evaudit.events;
	INSERT INTO evaudit.dead_letter_store (owner, source, topic, source_position, payload, reason, error)
	VALUES (current_user, 's', 'text', '{"topic": "t", "partition": 0, "offset": 7}', convert_to(payload, 'UTF8'), reason, 'then')
	RETURNING id INTO letter;
	PERFORM evaudit.redrive(ARRAY[letter]);
	SELECT event_id INTO result FROM evaudit.events;
	IF NOT FOUND THEN
		SELECT d.reason || ': ' || d.error INTO result FROM evaudit.dead_letters d WHERE id = letter;
	END IF;
	RETURN result;
END $$;
-- the id, or that of its position where there is none
SELECT payload, via_source(payload), evaudit.publish('text', payload::jsonb) ~ '^.{36}$'
FROM unnest(ARRAY[
	'{"a": {"b": ["x", "y", "z"]}}',
	'{"a": {"b": ["x"]}}',
	'{"a": {"b": {"1": "y"}}}',
	'{"a": {"b": {"1": "y"}, "b": {}}}',
	'{"a": {"b": ["x", "y"]}, "a": {}}',
	'{"a": {"b": ["x", "y"]}, "a": 1}',
	'{"a": {}, "a": {"b": ["x", "y"]}}',
	'{"a": {"b": ["x", ["y"]]}}',
	'{"a": {"b": [["p", "q"], "y"]}}',
	'{"a": [{"b": ["x", "y"]}]}',
	'{"c": {"a": {"b": ["x", "y"]}}}',
	'{"\u0061": {"b": ["x", "\u0079"]}}',
	'{"a": {"b": ["x", 1e2]}}',
	'{"a": {"b": ["x", 1.50]}}',
	'{"a": {"b": ["x", ""]}}',
	'{"a" : {"b"
		: [ "x" , "y" ] } }']) payload;
-- what no envelope vouches for is not tried
SELECT via_source('{"a": {"b": ["x", "y"]}}', reason) FROM unnest(ARRAY['bad_envelope', 'bad_signature', 'too_large']) reason;
-- text that is none
SELECT payload, via_source(payload) FROM unnest(ARRAY['', ' ', '1', '1e1024', '[]', '"a"', '{', '{"a": 1e1024}', '{"a": 1e-1024}',
	'{"a": [1, 1e1024]}', '{"a": [1e-1024]}', '{"a": 1e1023, "b": [1e-1023]}', '[1e1024]', '{"a": "\u0000"}',
	'{"a": "\ud800"}', '{"a": 01}', '{"a": .5}', '{"a": 1.}', '{"a": 1e}', '{"a" 1}', '{"a": 1,}', '{"a": 1} 2']) payload;
-- 128 levels, and one more
SELECT n, via_source('{"a": ' || repeat('[', n) || repeat(']', n) || '}') FROM unnest(ARRAY[127, 128]) n;
DELETE FROM evaudit.events;
DELETE FROM evaudit.dead_letter_store;
SELECT evaudit.drop_topic('text');
DROP FUNCTION via_source;
