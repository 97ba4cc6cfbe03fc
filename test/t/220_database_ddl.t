# Commands that need a database without sessions succeed although workers are
# connected, and only who may run them ends any.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins');
my $node = Evaudit::Cluster->new('main', extension => 0);

# Processes of evaudit in a database
sub processes
{
	my ($database) = @_;
	return qq{SELECT string_agg(pid::text, ' ' ORDER BY pid)
		FROM pg_stat_activity WHERE datname = '$database' AND backend_type
		IN ('evaudit scheduler', 'evaudit worker')};
}

# Run a command that must not take long: not as long as it would wait for
# processes that do not end.
sub quickly
{
	my ($sql, $what) = @_;
	my $start = time();
	my ($status, undef, $err) = $node->psql('postgres', $sql);

	is("$status$err", '0', $what);
	cmp_ok(time() - $start, '<', 10, "$what: at once");
	return;
}

$node->safe_psql('postgres', q{
	CREATE ROLE owner LOGIN; CREATE ROLE maker CREATEDB; CREATE ROLE nobody;
	CREATE DATABASE one OWNER owner});
$node->safe_psql('one', 'CREATE EXTENSION evaudit');
$broker->login('u', 's0', 1);
$broker->add_source($node, $_, database => 'one') foreach 'a', 'b';
$broker->await($node, 'one');
$node->wait_for(processes('one') =~ s/string_agg.*pid\)/count(*)/r, '3');
my $pids = $node->safe_psql('postgres', processes('one'));

# who has no right to, ends nothing
foreach my $sql ('DROP DATABASE one', 'ALTER DATABASE one RENAME TO two',
	'CREATE DATABASE two TEMPLATE one',
	'ALTER DATABASE one SET TABLESPACE pg_default')
{
	foreach my $role ('nobody', 'maker')
	{
		my ($status, undef, $err) = $node->psql('postgres',
			"SET ROLE $role;\n$sql");
		like($err, qr/must be owner|permission denied/, "$role: $sql");
	}
}
is($node->safe_psql('postgres', processes('one')),
	$pids, 'and all processes are the same');

# a copy: its sources are paused, those of the original come back
quickly('CREATE DATABASE two TEMPLATE one', 'CREATE DATABASE ... TEMPLATE');
is( $node->safe_psql('two', q{
		SELECT string_agg(state, ' ') FROM evaudit.stat_sources}),
	'paused paused', 'sources of the copy are paused');
$broker->login('u', 's1', 1);
$broker->await($node, 'one');
is( $node->safe_psql('one',
		q{SELECT jsonb_array_length(services_for_user('u')->'services')}),
	'2', 'those of the original read on');
is($node->safe_psql('two',
		q{SELECT jsonb_array_length(services_for_user('u')->'services')}),
	'1', 'those of the copy do not');
$node->safe_psql('two', q{SELECT evaudit.resume_source('a')});
$node->wait_for(
	q{SELECT jsonb_array_length(services_for_user('u')->'services')},
	'2', database => 'two');
ok( $node->wait_for(q{
		SELECT received FROM evaudit.stat_sources WHERE name = 'a'},
		'1', database => 'two'),
	'and goes on where the original was, when it is resumed');

# renamed and moved
quickly('ALTER DATABASE one RENAME TO uno', 'ALTER DATABASE ... RENAME');
$broker->login('u', 's2', 1);
$broker->await($node, 'uno');
my $tablespace = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE other LOCATION '$tablespace'");
quickly('ALTER DATABASE uno SET TABLESPACE other',
	'ALTER DATABASE ... SET TABLESPACE');
$broker->login('u', 's3', 1);
$broker->await($node, 'uno');
is( $node->safe_psql('uno',
		q{SELECT jsonb_array_length(services_for_user('u')->'services')}),
	'4', 'and nothing is missing');
is( $node->safe_psql('uno', q{
		SELECT string_agg(received::text, ' ') FROM evaudit.stat_sources}),
	'4 4', 'nor read twice');

# a command that fails for another reason gives the database back
my $session = $node->background_psql('uno');
$session->query_safe('SELECT 1');
my (undef, undef, $error) = $node->psql('postgres', 'DROP DATABASE uno');
like($error, qr/is being accessed by other users/, 'a user is in the way');
$broker->login('u', 's4', 1);
$broker->await($node, 'uno');
$session->quit;

# in one session and in a procedure, with sources about to start
quickly('DROP DATABASE two', 'DROP DATABASE');
foreach my $i (1 .. 3)
{
	$node->safe_psql('postgres', 'CREATE DATABASE two TEMPLATE uno');
	$node->safe_psql('two', q{SELECT evaudit.resume_source('a')});
	quickly('DROP DATABASE two', 'DROP DATABASE while a source starts');
}
$node->safe_psql('postgres', 'CREATE DATABASE two TEMPLATE uno');
$node->safe_psql('two', q{SELECT evaudit.resume_source('a')});
$node->wait_for(q{SELECT state FROM evaudit.stat_sources WHERE name = 'a'},
	'running', database => 'two');
quickly('DROP DATABASE two WITH (FORCE)', 'DROP DATABASE WITH (FORCE)');
quickly('DROP DATABASE uno', 'DROP DATABASE of the last');
$node->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type
	IN ('evaudit scheduler', 'evaudit worker')}, '0');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'no crash');

$node->stop;
$broker->stop;
done_testing();
