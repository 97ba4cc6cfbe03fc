# A stream of logins from a real broker, late, repeated and broken, gives the
# table and the dead letters that an oracle makes of the same stream; so does
# the stream of a broker that crashes and of a server that crashes.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my @options = ('-m', 30, '-r', 200, '-l', 200);
my ($count, $users) = (10000, 300);

my %newest;     # "user service" => "timestamp name"
my %refused;    # "reason payload" => how often

# Take a stream into account, as the rules of the merge say.
sub expect_stream
{
	my ($kafka, $seed) = @_;

	foreach my $line (
		split /\n/, $kafka->tool(@options, 'dump', $count, $users, $seed))
	{
		my (undef, $reason, $user, $service, $name, $timestamp, $payload) =
		  split /\t/, $line, -1;

		if ($reason ne 'ok')
		{
			$refused{"$reason $payload"}++;
			next;
		}
		my $login = "$timestamp $name";
		my $best = \$newest{"$user $service"};
		$$best = $login if !defined $$best || $login gt $$best;
	}
	return;
}

# Compare both tables with what is expected.
sub compare
{
	my ($node, $kafka, $what) = @_;

	await_end($node, $kafka, 'logins', 'logins');
	is( $node->safe_psql('postgres', <<'EOT'),
SELECT user_id || ' ' || service_id || ' ' ||
       to_char(last_accessed AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') ||
       ' ' || service_name
  FROM user_services ORDER BY user_id COLLATE "C", service_id COLLATE "C"
EOT
		join("\n", map { "$_ $newest{$_}" } sort keys %newest),
		"user_services $what");
	is( $node->safe_psql('postgres', <<'EOT'),
SELECT reason || ' ' || convert_from(payload, 'UTF8') || ' ' || count(*)
  FROM evaudit.dead_letters GROUP BY reason, payload
 ORDER BY (reason || ' ' || convert_from(payload, 'UTF8')) COLLATE "C"
EOT
		join("\n", map { "$_ $refused{$_}" } sort keys %refused),
		"dead_letters $what");
	return;
}

my $kafka = Evaudit::Kafka->new;
my $node = Evaudit::Cluster->new('main');
my $servers = $kafka->servers;

$kafka->start;
$kafka->create_topic('logins', 4);
$kafka->load('logins', $count, $users, 1, @options);
expect_stream($kafka, 1);
$node->safe_psql('postgres', <<"EOT");
CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
  OPTIONS ("bootstrap.servers" '$servers');
SELECT evaudit.create_source('logins', 'kafka',
  options => '{"topics": "logins", "start": "earliest"}');
EOT
compare($node, $kafka, 'after a stream');

$kafka->kill9;
$kafka->start;
$kafka->load('logins', $count, $users, 2, @options);
expect_stream($kafka, 2);
compare($node, $kafka, 'after a crash of the broker');

$kafka->load('logins', $count, $users, 3, @options);
expect_stream($kafka, 3);
$node->crash;
compare($node, $kafka, 'after a crash of the server');

$node->stop;
$kafka->stop;

done_testing();
