-- Which topics a Kafka source reads, as its workers and the views see it.
\pset format unaligned
\pset tuples_only on

SELECT topics, left(name, 20), evaudit.kafka_topic_wanted(jsonb_build_object('topics', topics::jsonb), name)
FROM (VALUES
	(1, '"a"', 'a'),
	(2, '"a"', 'A'),
	(3, '"a"', 'ab'),
	(4, '["b", "a"]', 'a'),
	(5, '"^a"', 'ab'),
	(6, '"^a$"', 'ab'),
	(7, '"^a$"', E'a\n'),
	(8, '["^x", "^a"]', 'ab'),
	(9, '"^[a-z]+-\\d$"', 'logins-1'),
	(10, '"^é+$"', 'éé'),
	-- Kafka's own topics are meant only by patterns that say so
	(11, '"^.*"', '__consumer_offsets'),
	(12, '"^__c"', '__consumer_offsets'),
	(13, '"__consumer_offsets"', '__consumer_offsets'),
	-- what no source could be made with
	(14, '"^("', 'a'),
	(15, '["^(", "a"]', 'a'),
	(16, '7', 'a'),
	(17, '[7, "a"]', 'a'),
	(18, '{"a": "a"}', 'a'),
	(19, '[]', 'a'),
	(20, '"a"', repeat('a', 10000)),
	(21, '"^a"', repeat('a', 10000))) v(i, topics, name)
WHERE i <> 10 OR getdatabaseencoding() = 'UTF8'
ORDER BY i;
SELECT evaudit.kafka_topic_wanted('1', 'a'), evaudit.kafka_topic_wanted('["a"]', 'a'),
	evaudit.kafka_topic_wanted('{}', 'a');

-- and which partitions of them
SELECT share, ARRAY(SELECT p FROM generate_series(0, 6) p
	WHERE evaudit.kafka_partition_wanted(jsonb_build_object('share', share::jsonb), p))
FROM unnest(ARRAY['"1/1"', '"1/3"', '"2/3"', '"3/3"', '"7/1000"', 'null',
	-- what no source could be made with
	'"0/1"', '"2/1"', '"1/1001"', '"01/2"', '"1/02"', '"1/2 "', '"1"', '"/"', '"1/"', '""', '"-1/2"', '"99999999999/2"', '7', '{}']) share;
SELECT evaudit.kafka_partition_wanted('7', 0), evaudit.kafka_partition_wanted('{"share": "1/2"}', -2147483648);

-- whatever its pattern is, a source does not hold up those who look at it
INSERT INTO evaudit.sources (name, kind, owner, server, topic, options)
SELECT 'hostile ' || i, 'kafka', current_user, 'nowhere', 'login', jsonb_build_object('topics', pattern)
FROM unnest(ARRAY['^(a*)(a*)(a*)(a*)(a*)\1\2\3\4\5$', '^(a+)+$', '^(a|aa)+$', '^((a?){1,9}){1,99}$', '^(']) WITH ORDINALITY v(pattern, i);
INSERT INTO evaudit.sources (name, kind, owner, server, topic, options)
SELECT 'hostile many', 'kafka', current_user, 'nowhere', 'login',
	jsonb_build_object('topics', (SELECT jsonb_agg('^(a+)+' || i || '$') FROM generate_series(1, 5000) i));
INSERT INTO evaudit.offsets (source_id, topic, partition, next_offset)
SELECT id, repeat('a', 200) || '!', p, 0 FROM evaudit.sources, generate_series(0, 9) p;
INSERT INTO evaudit.sources (name, kind, owner, server, topic, options)
VALUES ('good', 'kafka', current_user, 'nowhere', 'login', '{"topics": "^good"}');
INSERT INTO evaudit.offsets (source_id, topic, partition, next_offset)
SELECT id, 'good-1', 0, 7 FROM evaudit.sources WHERE name = 'good';
-- with one that backtracks without bounds, it never ends
SET statement_timeout = '5min';
SELECT source, topic, partition, next_offset FROM evaudit.stat_partitions;
SELECT name, state FROM evaudit.stat_sources ORDER BY name;
RESET statement_timeout;
DELETE FROM evaudit.sources;
DELETE FROM evaudit.offsets;
