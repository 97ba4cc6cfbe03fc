# A source and its dead letters belong to a role by oid: a role that is renamed,
# or made anew under a name, gains nothing.  The source waits until somebody who
# has the rights of both resumes it.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins');
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

# The error of SQL that a role runs; empty if there is none.
sub error_of
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) =
	  $node->psql('postgres', "SET ROLE \"$role\";\n$sql");
	return $err;
}

# How many rows a role sees in each of the views.
sub sees
{
	my ($role) = @_;
	return query(qq{SET ROLE "$role"; SELECT (SELECT count(*) FROM
		evaudit.stat_sources), (SELECT count(*) FROM evaudit.dead_letters)});
}

# Wait until the source is in a state, with an error that matches.
sub await_state
{
	my ($state, $error, $what) = @_;
	ok( $node->wait_for("SELECT state, last_error ~ '$error'
			FROM evaudit.stat_sources WHERE name = 'logins'", "$state|t"), $what);
	return;
}

# Wait until the source's worker runs as a role.
sub await_worker
{
	my ($role, $what) = @_;
	ok( $node->wait_for(q{SELECT string_agg(usename::text, ' ') FROM
			pg_stat_activity WHERE backend_type = 'evaudit worker'}, $role), $what);
	return;
}

query(q{CREATE ROLE alice LOGIN; CREATE ROLE nobody;
	GRANT SELECT, INSERT, UPDATE ON user_services TO PUBLIC});
$broker->produce('not json');
$broker->add_source($node, 'logins', role => 'alice');
$broker->await($node);
await_worker('alice', 'a source runs as its owner');
is(sees('alice'), '1|1', 'who sees it, and its dead letter');

# The name is another role's, by renames
query('ALTER ROLE alice RENAME TO bob; CREATE ROLE alice LOGIN');
await_state('stopped', 'was renamed, or another role has that name',
	'an owner that was renamed');
await_worker('', 'has no worker');
is(sees('bob'), '1|1', 'the owner sees what is his, by any name');
is(sees('alice'), '0|0', 'who has got his name does not');
foreach my $call ('pause', 'resume', 'drop')
{
	like(error_of('alice', "SELECT evaudit.${call}_source('logins')"),
		qr/must be owner of source "logins"/, "or may $call it");
}
like(error_of('bob', q{SELECT evaudit.resume_source('logins')}),
	qr/must be owner of source "logins"/, 'neither resumes it alone');
query(q{GRANT alice TO bob; SET ROLE bob; SELECT evaudit.resume_source('logins')});
await_worker('bob', 'who has the rights of both does');
is(query('SELECT owner, owner_oid::regrole FROM evaudit.sources'), 'bob|bob',
	'and the source knows both again');

# A rename that is undone
query('ALTER ROLE bob RENAME TO carol');
await_state('stopped', 'was renamed', 'renamed again');
query('ALTER ROLE carol RENAME TO bob');
await_worker('bob', 'and back');

# The role is dropped, and one of its name is a superuser
query(q{DROP OWNED BY bob; DROP ROLE bob});
await_state('stopped', 'does not exist any more', 'an owner that is gone');
query(q{CREATE ROLE bob LOGIN SUPERUSER});
await_state('stopped', 'another role has that name', 'one of his name is not he');
await_worker('', 'nothing runs as the superuser');
query(q{SELECT evaudit.resume_source('logins')});
await_worker('bob', 'until he, or another superuser, resumes the source');

# A dump carries names alone: oids of one cluster mean others in another
my $other = Evaudit::Cluster->new('other', extension => 0);
my $file = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $oid = query(q{SELECT oid FROM pg_roles WHERE rolname = 'bob'});
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $file,
		'postgres' ], 'dump');
$other->safe_psql('postgres', 'CREATE ROLE alice; CREATE ROLE nobody;
	CREATE ROLE bob LOGIN; CREATE DATABASE copy');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $other->host,
		'-p', $other->port, '-f', $file, 'copy' ], 'restore');
is($other->safe_psql('copy', q{SELECT owner, owner_oid, server_oid, cluster
		FROM evaudit.sources; SELECT owner, owner_oid FROM evaudit.dead_letter_store}),
	"bob|||\nalice|", 'no oid is restored');
like(($other->psql('copy',
		q{SET ROLE nobody; SELECT evaudit.resume_source('logins')}))[2],
	qr/must be owner/, 'not everybody resumes a restored source');
$other->safe_psql('copy', q{SET ROLE bob; SELECT evaudit.resume_source('logins')});
is($other->safe_psql('copy',
		q{SELECT owner_oid::regrole, paused FROM evaudit.sources}),
	'bob|f', 'its owner does');

$other->stop;
$node->stop;
$broker->stop;
done_testing();
