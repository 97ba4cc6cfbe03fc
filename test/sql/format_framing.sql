-- Framings of payloads, by way of dead letters, which keep the bytes.
\pset format unaligned
\pset tuples_only on
-- options that do not go together, or are unknown
CREATE FUNCTION try_topic(options jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	PERFORM evaudit.create_topic('framed', options => options);
	PERFORM evaudit.drop_topic('framed');
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' / ', SQLSTATE, SQLERRM, nullif(hint, ''));
END $$;
SELECT o, try_topic(o) FROM unnest(ARRAY[
	'{"format": "json"}', '{"format": "bytes", "framing": "none"}', '{"framing": "glue"}',
	'{"format": null, "framing": "confluent-headers"}',
	'{"format": "xml"}', '{"format": 1}', '{"framing": "guess"}', '{"framing": true}']::jsonb[]) o;
-- what a payload becomes: of the framing, the bytes in hexadecimal
CREATE FUNCTION framed(options jsonb, payload text, headers jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	letter bigint;
	result text;
BEGIN
	PERFORM evaudit.create_topic('framed', options => options || '{"keep": true}');
	INSERT INTO evaudit.dead_letter_store (owner, owner_oid, source, topic, payload, headers, reason, error)
	VALUES (current_user, current_user::regrole, 's', 'framed', decode(payload, 'hex'), headers, 'x', 'then')
	RETURNING id INTO letter;
	PERFORM evaudit.redrive(ARRAY[letter]);
	SELECT d.reason || ': ' || d.error INTO result FROM evaudit.dead_letters d WHERE id = letter AND redriven_at IS NULL;
	IF NOT FOUND THEN
		SELECT e.payload INTO result FROM evaudit.events e WHERE topic = 'framed';
	END IF;
	DELETE FROM evaudit.events WHERE topic = 'framed';
	PERFORM evaudit.drop_topic('framed');
	RETURN result;
END $$;
CREATE FUNCTION hex(document text) RETURNS text LANGUAGE sql RETURN encode(convert_to(document, 'UTF8'), 'hex');
SELECT framed('{"framing": "confluent"}', x || hex('{"a": 1}')) FROM unnest(ARRAY['0000000001', 'ffffffffff', '01', '', '00000001']) x;
SELECT framed('{"framing": "confluent"}', x) FROM unnest(ARRAY['00', '0000000001', '000000000122', '000000000131', '0000000001ff']) x;
SELECT framed('{"framing": "glue"}', x || hex('{"a": 1}'))
FROM unnest(ARRAY['0300000102030405060708090a0b0c0d0e0f', '0305000102030405060708090a0b0c0d0e0f', '0301000102030405060708090a0b0c0d0e0f', '00', '03']) x;
-- by Python's zlib.compress(b'{"a": 1}'); of 9,000 bytes of white space; cut; with more behind it
SELECT framed('{"framing": "glue", "max_payload_bytes": 100}', '0305000102030405060708090a0b0c0d0e0f' || x)
FROM unnest(ARRAY['789cab564a54b25230ac050009e50229', '789cedc1310d00300800302b04077b71830e32ef08a1ed6467c5fb010000000000000000072c1d5b6765', '789cab564a54b252', '789cab564a54b25230ac050009e5022900', '']) x;
SELECT framed('{"framing": "confluent-headers"}', hex('{"a": 1}'), h) FROM unnest(ARRAY[
	NULL, '{"other": "x"}', '{"__value_schema_id": null}', '{"__value_schema_id": "x"}',
	'{"__value_schema_id": {"hex": "01000102030405060708090a0b0c0d0e"}}',
	'{"__value_schema_id": {"hex": "00000102030405060708090a0b0c0d0e0f"}}',
	'{"__value_schema_id": {"hex": "01000102030405060708090a0b0c0d0e0f"}}']::jsonb[]) h;
SELECT framed('{"format": "bytes"}', x) FROM unnest(ARRAY['00', '00ff', '00ff10', 'c3a90a22']) x;
SELECT framed('{"format": "bytes", "framing": "confluent"}', x) FROM unnest(ARRAY['000000000100ff', '0000000001', 'ff']) x;
SELECT framed('{"format": "bytes", "max_payload_bytes": 40}', repeat('00', n)) FROM unnest(ARRAY[18, 21, 30, 36, 41]) n;
-- what is published is JSON, whatever the format
SELECT evaudit.create_topic('framed', options => '{"format": "bytes", "framing": "glue", "keep": true}');
SELECT evaudit.publish('framed', '{"a": 2}', 'id');
SELECT payload FROM evaudit.events WHERE topic = 'framed';
DELETE FROM evaudit.events WHERE topic = 'framed';
SELECT evaudit.drop_topic('framed');
DELETE FROM evaudit.dead_letter_store;
DROP FUNCTION try_topic, framed, hex;
