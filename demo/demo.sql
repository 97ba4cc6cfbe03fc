-- demo.sql: what evaudit does, on one screen after the other.
--
-- scripts/demo runs it with a broker that holds :events login events, which
-- :source reads.

\set ON_ERROR_STOP on
\pset footer off
SET client_min_messages = warning;

CREATE EXTENSION evaudit;

\echo
\echo '== 1. Every change of configuration is audited, in its own transaction'
\echo
BEGIN;
SET LOCAL evaudit.actor = 'ada';
INSERT INTO configuration VALUES ('max_sessions', '10');
COMMIT;
BEGIN;
SET LOCAL evaudit.actor = 'bob';
UPDATE configuration SET value = '25' WHERE key = 'max_sessions';
COMMIT;
BEGIN;
DELETE FROM configuration WHERE key = 'max_sessions';
ROLLBACK;

\echo 'Two changes were committed and one was rolled back; the audit says:'
\echo
\pset tuples_only on
\pset format unaligned
SELECT a.actor || ': ' || a.document FROM audit a ORDER BY a.seq;
\pset format aligned
\pset tuples_only off
\echo

\echo '== 2. Any table can be tracked'
\echo
CREATE TABLE prices (item text PRIMARY KEY, price numeric, note text);
SELECT evaudit.track('prices') \g /dev/null
INSERT INTO prices VALUES ('tea', 1.0, NULL);
UPDATE prices SET price = 1.00, note = 'organic';
SELECT operation, item_key, updated_attribute, old_value, new_value
  FROM audit WHERE relation = 'public.prices' ORDER BY seq;

\ir :source

\echo 'They came late, twice and broken.  For each user and service one row is'
\echo 'kept, of the newest login:'
\echo
SELECT count(*) AS user_services, count(DISTINCT user_id) AS users,
       max(last_accessed) AS newest
  FROM user_services;

\echo '== 4. What a user-facing request asks'
\echo
\echo 'SELECT services_for_user(''user-00000003'')'
\echo
\pset tuples_only on
\pset format unaligned
SELECT jsonb_pretty(services_for_user('user-00000003'));
\pset format aligned
\pset tuples_only off
\echo

\echo '== 5. What could not be used is kept, with the reason'
\echo
SELECT reason, count(*),
       left(min(convert_from(payload, 'UTF8')), 60) AS for_example
  FROM evaudit.dead_letters GROUP BY reason ORDER BY reason;

\echo '== 6. What is going on'
\echo
\x on
SELECT name, kind, state, received, merged, dead_lettered, batches,
       last_committed_at, last_error
  FROM evaudit.stat_sources;
\x off
\if :{?topic_arn}
\ir accounts.sql
\else
SELECT topic, partition, next_offset, end_offset, lag, state
  FROM evaudit.stat_partitions ORDER BY topic, partition;
\endif
