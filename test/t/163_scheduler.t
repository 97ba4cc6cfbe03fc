# What is wrong with one source or issuer is its own error: the others run.  A
# scheduler that cannot work says so in stat_sources, and lets run what runs.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins');
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\nlog_statement = none\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

# Wait until a source is in a state, with an error that matches.
sub await_state
{
	my ($name, $state, $error, $what) = @_;
	ok( $node->wait_for("SELECT state, COALESCE(last_error, '') ~ '$error'
			FROM evaudit.stat_sources WHERE name = '$name'", "$state|t"), $what);
	return;
}

# The pids of a source.
sub pids_of
{
	return query("SELECT pids FROM evaudit.stat_sources WHERE name = '$_[0]'");
}

$broker->login('u', 's', 1);
$broker->add_source($node, $_) foreach 'good', 'bad';
$broker->await($node);
await_state('good', 'running', '', 'two sources run');
my $pids = pids_of('good');

# Options: their length is limited, and what is in the table is checked again
foreach my $call (
	q{evaudit.create_source('long', 'kafka', options => jsonb_build_object('topics',
		(SELECT array_agg('t' || i || repeat('x', 200)) FROM generate_series(1, 400) i)))},
	q{evaudit.alter_source('bad', jsonb_build_object('topics',
		(SELECT array_agg('t' || i || repeat('x', 200)) FROM generate_series(1, 400) i)))})
{
	my ($status, $out, $err) = $node->psql('postgres', "SELECT $call");
	like($err, qr/options of a source must not exceed 65536 bytes/,
		'options of more than 64 kB are refused');
}
my %rows = (
	q{{"topics": "logins", "start": 17}} => 'start',
	q{{"topics": "logins", "workers": 1000}} => 'workers',
	q{{"topics": "logins", "unheard_of": 1}} => 'unheard_of',
	q{[]} => 'object',
	q{"topics"} => 'object');
foreach my $options (sort keys %rows)
{
	my $before = query('SELECT now()');
	query(qq{UPDATE evaudit.sources SET options = '$options' WHERE name = 'bad';
		SELECT evaudit.resume_source('bad')});
	$node->wait_for("SELECT last_error_at > '$before' FROM evaudit.stat_sources
		WHERE name = 'bad'");
	await_state('bad', 'stopped', $rows{$options},
		"options $options are that source's own error");
}
query(q{UPDATE evaudit.sources SET options = jsonb_build_object('topics',
		repeat('x', 200000000)) WHERE name = 'bad';
	SELECT evaudit.resume_source('bad')});
await_state('bad', 'stopped', 'must not exceed 65536 bytes',
	'and so are options of 200 MB');
query(q{UPDATE evaudit.sources SET kind = 'carrier pigeon',
		options = '{"topics": "logins"}' WHERE name = 'bad';
	SELECT evaudit.resume_source('bad')});
await_state('bad', 'backoff', 'unrecognized kind of source "carrier pigeon"',
	'or a kind that is not known');
is(pids_of('good'), $pids, 'the other one has run all the time');
query(q{UPDATE evaudit.sources SET kind = 'kafka' WHERE name = 'bad';
	SELECT evaudit.resume_source('bad')});
await_state('bad', 'running', '', 'mended, it runs');

# A scheduler that cannot read its jobs, when a change of roles has it do so
query('ALTER TABLE evaudit.sources RENAME paused TO resting;
	CREATE ROLE whoever');
await_state('good', 'running', '^scheduler: .*does not exist',
	'a scheduler that cannot read the sources says so');
is(pids_of('good'), $pids, 'and lets run what runs');
query('ALTER TABLE evaudit.sources RENAME resting TO paused');
ok( $node->wait_for(q{SELECT bool_or(last_error ~ '^scheduler')
		FROM evaudit.stat_sources}, 'f'),
	'until it can again');
is(pids_of('good'), $pids, 'and nothing was started anew');

# An issuer that does not validate
query(q{INSERT INTO evaudit.issuers VALUES
	('bad', '{"jwks_url": "https://localhost:1/", "refresh_cooldown": "soon"}', '[]'),
	('good', '{"jwks_url": "https://localhost:1/", "issuer": "i"}', '[]')});
ok( $node->wait_for(q{SELECT string_agg(name || ' ' || (COALESCE(invalid, last_error) ~
		CASE name WHEN 'bad' THEN 'interval: "soon"' ELSE 'connect' END), ', '
		ORDER BY name) FROM evaudit.stat_issuers}, 'bad true, good true'),
	'each issuer has its own error');
is(pids_of('good'), $pids, 'sources run on');

$node->stop;
$broker->stop;
done_testing();
