-- wait.sql: waits until the source has seen all of :events, a queue or a topic,
-- whose partitions, which a queue has none of, are read to their ends.

SELECT set_config('demo.events', :'events', false) \g /dev/null
DO $$
DECLARE
	deadline timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
	WHILE NOT EXISTS (SELECT FROM evaudit.stat_sources
					  WHERE name = 'logins' AND
					  received >= current_setting('demo.events')::bigint)
		OR EXISTS (SELECT FROM evaudit.stat_partitions
				   WHERE lag IS DISTINCT FROM 0)
	LOOP
		IF clock_timestamp() > deadline THEN
			RAISE EXCEPTION 'the events did not arrive: %',
				(SELECT to_json(s) FROM evaudit.stat_sources s);
		END IF;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
