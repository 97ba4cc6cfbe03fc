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
	'{"framing": "apicurio", "schema_id": "global"}', '{"framing": "apicurio-4byte", "schema_id": "content"}',
	'{"framing": "apicurio"}', '{"framing": "apicurio-headers", "schema_id": "both"}', '{"framing": "confluent", "schema_id": "global"}',
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
-- Apicurio's; its ids are signed there
SELECT framed('{"framing": "apicurio", "schema_id": "global"}', x || hex('{"a": 1}'))
FROM unnest(ARRAY['000000000000000001', '007fffffffffffffff', '00ffffffffffffffff', '008000000000000000', '0000000001', '01', '']) x;
SELECT framed('{"framing": "apicurio", "schema_id": "global"}', x) FROM unnest(ARRAY['0000000000000000', '000000000000000001']) x;
SELECT framed('{"framing": "apicurio-4byte", "schema_id": "content"}', x || hex('{"a": 1}')) FROM unnest(ARRAY['0000000001', '00ffffffff', '01']) x;
SELECT framed('{"framing": "apicurio-4byte", "schema_id": "content"}', x) FROM unnest(ARRAY['00000000', '0000000001']) x;
SELECT i, framed(jsonb_build_object('framing', 'apicurio-headers', 'schema_id', i), hex('{"a": 1}'), h)
FROM unnest(ARRAY['global', 'content']) i, unnest(ARRAY[
	NULL, '{"apicurio.value.globalId": {"hex": "0000000000000001"}}', '{"apicurio.value.contentId": {"hex": "0000000000000001"}}',
	'{"apicurio.value.globalId": {"hex": "00000001"}, "apicurio.value.contentId": {"hex": "ffffffffffffffff"}}',
	'{"apicurio.value.globalId": null, "apicurio.value.contentId": {"hex": "000000000000000100"}}']::jsonb[]) h;
-- with schemas as a worker stored them: 1 is another text by each kind of id
CREATE SERVER apicurio FOREIGN DATA WRAPPER evaudit_registry OPTIONS (url 'https://registry.example.com/apis/registry/v2', api 'apicurio-v2');
INSERT INTO evaudit.registry_schemas (server_oid, location, id, type, schema, refs)
SELECT s.oid, 'https://registry.example.com/apis/registry/v2', v.id, 'UNTYPED', v.schema, '[]'
FROM pg_foreign_server s, (VALUES
	('globalIds/1', '{"type": "record", "name": "G", "fields": [{"name": "g", "type": "int"}]}'),
	('contentIds/1', '{"type": "record", "name": "C", "fields": [{"name": "c", "type": "int"}]}'),
	('globalIds/2', 'syntax = "proto3"; package p.q; message A { message In { string i = 1; } string a = 1; } message B { int32 b = 1; } message Inner { }'),
	('contentIds/9223372036854775807', '"string"')) v (id, schema)
WHERE s.srvname = 'apicurio';
CREATE FUNCTION by_apicurio(format text, framing text, schema_id text, payload text, headers jsonb DEFAULT NULL) RETURNS text
LANGUAGE sql RETURN framed(jsonb_build_object('format', format, 'framing', framing, 'schema_id', schema_id, 'registry', 'apicurio'), payload, headers);
SELECT by_apicurio('avro', 'apicurio', 'global', '00000000000000000104'), by_apicurio('avro', 'apicurio', 'content', '00000000000000000104');
SELECT by_apicurio('avro', 'apicurio-4byte', 'global', '000000000104'), by_apicurio('avro', 'apicurio-4byte', 'content', '000000000104');
SELECT by_apicurio('avro', 'apicurio-headers', i, '04', h) FROM unnest(ARRAY['global', 'content']) i,
	(VALUES ('{"apicurio.value.globalId": {"hex": "0000000000000001"}, "apicurio.value.contentId": {"hex": "0000000000000001"}}'::jsonb)) v (h);
SELECT by_apicurio('avro', 'apicurio', 'content', '007fffffffffffffff0261'), by_apicurio('avro', 'apicurio', 'global', '00000000000000000208');
-- the name of a message, as { string name = 1; } with its length in front
SELECT x, by_apicurio('protobuf', 'apicurio', 'global', '000000000000000002' || x) FROM unnest(ARRAY[
	'030a01410a0178', '030a01420805', '050a017a0a01420805', '0510020a01420805', '060a0141' || '0a0142' || '0805',
	'030a01430805', '040a02496e', '070a05702e712e41', '', '00', '030a01', '050a0341', '02100208', '030d01410a', '7f0a0141']) x;
SELECT by_apicurio('protobuf', 'apicurio-4byte', 'global', '0000000002' || '030a01420805');
SELECT by_apicurio('protobuf', 'apicurio-headers', 'global', '0805', '{"apicurio.value.globalId": {"hex": "0000000000000002"}}' || h)
FROM unnest(ARRAY['{"apicurio.protobuf.type": "B"}', '{}', '{"apicurio.protobuf.type": null}', '{"apicurio.protobuf.type": "C"}']::jsonb[]) h;
-- servers of an API, and the framings for each
CREATE SERVER other FOREIGN DATA WRAPPER evaudit_registry OPTIONS (url 'https://registry.example.com', api 'apicurio');
CREATE SERVER other FOREIGN DATA WRAPPER evaudit_registry OPTIONS (region 'eu-west-1', api 'apicurio-v2');
CREATE SERVER other FOREIGN DATA WRAPPER evaudit_registry OPTIONS (url 'https://registry.example.com', api 'confluent');
SELECT try_topic(jsonb_build_object('format', 'avro', 'framing', f, 'registry', r) || CASE WHEN f LIKE 'a%' THEN '{"schema_id": "global"}' ELSE '{}' END::jsonb)
FROM unnest(ARRAY['apicurio', 'other']) r, unnest(ARRAY['apicurio', 'apicurio-4byte', 'apicurio-headers', 'confluent', 'confluent-headers', 'glue']) f;
DROP SERVER apicurio;
DROP SERVER other;
DELETE FROM evaudit.registry_schemas;
DROP FUNCTION by_apicurio;
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
