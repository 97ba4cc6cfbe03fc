# Retention deletes what a rule says is too old and nothing else: not before
# somebody made the rule, not in a copy, not while VACUUM is behind.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => <<'CONF');
autovacuum = off
evaudit.retention_interval = '1s'
CONF

sub query { return $node->safe_psql('postgres', $_[0]); }

# What a statement raises
sub refused
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	return $err =~ /ERROR:  (.*)/ ? $1 : 'nothing';
}

# Events of a topic, numbered, each a day older than the one after it
sub keep_events
{
	my ($topic, $n) = @_;
	query(qq{INSERT INTO evaudit.events (topic, event_id, payload, received_at)
		SELECT '$topic', i, '{}', now() - make_interval(days => $n - i)
		FROM generate_series(1, $n) i});
	return;
}

sub kept
{
	my ($topic) = @_;
	return query(
		"SELECT count(*), min(event_id::int) FROM evaudit.events WHERE topic = '$topic'"
	);
}

query('CREATE ROLE nobody');
query(q{SELECT evaudit.create_topic('plain', options => '{"keep": true}')});
query(q{SELECT evaudit.create_topic('own', options => '{"keep": true}')});
query(
	q{SELECT evaudit.create_topic('wide', options => '{"keep": true, "dedup_window": "60 days"}')}
);
keep_events($_, 100) for 'plain', 'own', 'wide', 'dropped';
# more than a batch goes through
query(q{INSERT INTO evaudit.events (topic, event_id, payload, received_at)
	SELECT 'many', i, '{}', now() - interval '31 days'
	FROM generate_series(1, 12000) i});

# who, and what
is( refused(q{SET ROLE nobody; SELECT evaudit.set_retention('events', '1 day')}),
	'permission denied for function set_retention',
	'nobody sets a rule without a grant');
is( refused(q{SELECT evaudit.set_retention('everything', '1 day')}),
	'there is no retention of "everything"',
	'of what there is none');
is(refused("SELECT evaudit.set_retention('events', '$_')"),
	'"keep" must be an interval that is positive', "of $_")
  for '0', '-1 day';
like( refused(q{SELECT evaudit.set_retention('events', '1 day', '{"redriven": "1 day"}')}),
	qr/redriven/, 'an option of another rule');
like( refused(q{SELECT evaudit.create_topic('bad', options => '{"dedup_window": "soon"}')}),
	qr/dedup_window/, 'a window that is none');

# events: of all topics, but those with a rule of their own
query(q{SELECT evaudit.set_retention('events.own', '10 days')});
query(q{SELECT evaudit.set_retention('events', '29.5 days')});
$node->wait_swept($_) for 'events', 'events.own';
is(kept('plain'), '30|71', 'events of a topic');
is(kept('dropped'), '30|71', 'and of one that is not there any more');
is(kept('own'), '10|91', 'those of a rule of its own');
is(kept('wide'), '60|41', 'those of a topic that remembers ids for longer');
is(kept('many'), '0|', 'those of more than a batch');
is( query(q{SELECT deleted, state FROM evaudit.stat_retention WHERE what = 'events'}),
	(70 + 70 + 40 + 12000) . '|active',
	'and they are counted');

# dead letters: redriven ones sooner
query(q{INSERT INTO evaudit.dead_letter_store (owner, source, topic, reason,
		error, received_at, redriven_at)
	SELECT 'postgres', 's', 't', 'malformed_json', i || '', now() - make_interval(days => i),
		CASE WHEN i % 2 = 0 THEN now() - make_interval(days => i) END
	FROM generate_series(1, 50) i});
query(
	q{SELECT evaudit.set_retention('dead_letters', '30.5 days', '{"redriven": "6.5 days"}')});
$node->wait_swept('dead_letters');
is( query(q{SELECT count(*) FILTER (WHERE redriven_at IS NULL),
		max(error::int) FILTER (WHERE redriven_at IS NULL),
		count(redriven_at), max(error::int) FILTER (WHERE redriven_at IS NOT NULL)
		FROM evaudit.dead_letters}),
	'15|29|3|6', 'dead letters');

# schemas: those that neither the topic nor a kept event needs
query(q{SELECT evaudit.create_topic('versions', '{"minProperties": 1}', '{"keep": true}')});
query(qq{SELECT evaudit.alter_topic('versions', '{"minProperties": $_}')}) for 2 .. 4;
query(q{UPDATE evaudit.topic_schemas SET created_at = now() -
	make_interval(days => 100 - 10 * version) WHERE topic = 'versions'});
query(q{SELECT evaudit.set_retention('schema_versions', '75 days')});
$node->wait_swept('schema_versions');
my $versions =
  q{SELECT string_agg(version::text, ',' ORDER BY version) FROM evaudit.topic_schemas WHERE topic = 'versions'};
is(query($versions), '2,3,4', 'schemas replaced long ago');
query(q{SELECT evaudit.set_retention('events.versions', '1 year')});
# 2 was replaced 110 days ago, 3 for 100
query(q{INSERT INTO evaudit.events (topic, event_id, payload, received_at, schema_version)
	VALUES ('versions', 'x', '{}', now() - interval '105 days', 3)});
query(q{UPDATE evaudit.topic_schemas SET created_at = created_at - interval '40 days'
	WHERE topic = 'versions'});
$node->wait_swept('schema_versions');
is(query($versions), '3,4', 'but not that of an event that is kept');

# the table's owner has triggers that run as he, and errors of theirs are his
query(q{CREATE ROLE keeper;
	GRANT CREATE ON SCHEMA public TO keeper;
	ALTER TABLE evaudit.events OWNER TO keeper;
	SET ROLE keeper;
	CREATE TABLE public.seen (who name, topic text);
	CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN
		IF OLD.topic = 'broken' THEN RAISE 'no'; END IF;
		INSERT INTO public.seen VALUES (current_user, OLD.topic);
		RETURN OLD;
	END$$;
	CREATE TRIGGER refuse BEFORE DELETE ON evaudit.events
		FOR EACH ROW EXECUTE FUNCTION public.refuse()});
keep_events('plain2', 31);
$node->wait_swept('events');
is(query(q{SELECT DISTINCT who, topic FROM seen}),
	'keeper|plain2', 'triggers of the table run as its owner');
keep_events('broken', 31);
query(q{SELECT evaudit.set_retention('events.broken', '1 day')});
$node->wait_for(
	q{SELECT state, detail FROM evaudit.stat_retention WHERE what = 'events.broken'},
	'failed|no');
$node->wait_swept('dead_letters');
pass('a rule that fails does not hold up others');
is(kept('broken'), '31|1', 'and deletes nothing');
query(q{SELECT evaudit.set_retention('events.broken', NULL)});
is(query(q{SELECT count(*) FROM evaudit.stat_retention WHERE what = 'events.broken'}),
	'0', 'NULL removes a rule');

# a copy keeps everything until somebody says otherwise there
query(q{SELECT evaudit.set_retention('events.broken', '100 years')});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
command_ok(
	[ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ],
	'a dump');
query('CREATE DATABASE copy');
command_ok(
	[
		'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $node->host,
		'-p', $node->port, '-f', $dump, 'copy'
	],
	'and its restore');
$node->safe_psql('copy',
	q{UPDATE evaudit.events SET received_at = now() - interval '1000 days'});
my $copied = $node->safe_psql('copy', 'SELECT count(*) FROM evaudit.events');
$node->safe_psql('copy', q{SELECT evaudit.set_retention('dead_letters', '1 day')});
$node->wait_for(
	q{SELECT last_run_at > now() - interval '1 hour' AND deleted > 0 FROM evaudit.stat_retention WHERE what = 'dead_letters'},
	't', database => 'copy');
is( $node->safe_psql('copy',
		q{SELECT string_agg(what || ' ' || state, ', ' ORDER BY what COLLATE "C") FROM evaudit.stat_retention}),
	'dead_letters active, events inactive, events.broken inactive, events.own inactive, events.versions inactive, schema_versions inactive',
	'rules of a restore do nothing');
is($node->safe_psql('copy', 'SELECT count(*) FROM evaudit.events'),
	$copied, 'and nothing of theirs is deleted');

# VACUUM behind
query(q{INSERT INTO evaudit.events (topic, event_id, payload)
	SELECT 'dead', i, '{}' FROM generate_series(1, 110000) i});
query(q{ALTER TABLE evaudit.events DISABLE TRIGGER refuse});
query(q{DELETE FROM evaudit.events WHERE topic = 'dead'});
$node->wait_for(
	q{SELECT state, detail FROM evaudit.stat_retention WHERE what = 'events'},
	'waiting|VACUUM is behind');
keep_events('late', 31);
query('VACUUM evaudit.events');
$node->wait_swept('events');
is(kept('late'), '30|2', 'after VACUUM it goes on');

$node->stop;
done_testing();
