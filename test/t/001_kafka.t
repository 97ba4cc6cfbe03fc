# The broker that other tests rely on does what they ask of it.

use strict;
use warnings;

use Evaudit::Kafka;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new(sasl => { alice => 'secret' }, tls => 1, proxy => 1);
$kafka->start;

# messages of every kind come back as they were sent
$kafka->create_topic('kinds', 1);
$kafka->produce('kinds', "key\tvalue", 'value alone', "two\ttabs\there");
$kafka->tool('-e', 'produce', 'kinds', \<<'EOT');
tombstone	\N
bytes	\x00\xff\\\t
with all	value	1735689600000	name=value	empty
EOT
is($kafka->tool('consume', 'kinds'), <<"EOT", 'messages of every kind');
0	0	key	value
0	1	\\N	value alone
0	2	two	tabs\\x09here
0	3	tombstone	\\N
0	4	bytes	\\x00\xff\\\\\\x09
0	5	with all	value
EOT

# a stream of events is spread over partitions, and is what dump says
$kafka->create_topic('logins', 3);
my @stream = ('-m', 50, '-r', 100, '-l', 100);
$kafka->load('logins', 2000, 100, 7, @stream);
is_deeply(
	[ sort map { (split /\t/)[3] // '' } split /\n/, $kafka->tool('consume', 'logins') ],
	[ sort map { (split /\t/)[6] // '' } split /\n/, $kafka->tool(@stream, 'dump', 2000, 100, 7) ],
	'a stream is what dump says');
is(scalar(grep { $_->[1] > 0 } @{ $kafka->offsets('logins') }),
	3, 'and is spread over the partitions');

# transactions
$kafka->create_topic('transactions', 1);
$kafka->tool('transaction', 'transactions', 'abort', \"k\taborted\n");
$kafka->tool('transaction', 'transactions', 'commit', \"k\tcommitted\n");
is($kafka->tool('consume', 'transactions'),
	"0\t2\tk\tcommitted\n", 'an aborted transaction is not seen');

# logs that shrink, grow and go away
$kafka->tool('delete-records', 'kinds', 0, 2);
is_deeply($kafka->offsets('kinds'), [ [ 2, 6 ] ], 'records are deleted');
$kafka->tool('partitions', 'kinds', 2);
is_deeply($kafka->offsets('kinds'), [ [ 2, 6 ], [ 0, 0 ] ], 'a topic grows');
$kafka->delete_topic('kinds');
ok(!eval { $kafka->offsets('kinds'); 1 }, 'a topic is deleted');

# security protocols
sub log_in
{
	my ($protocol, $mechanism, $password) = @_;
	my @options = (
		'-s', $kafka->servers($protocol), '-X', "security.protocol=$protocol",
		'-X', 'ssl.ca.location=' . $kafka->ca_file);
	push @options, '-X', "sasl.mechanism=$mechanism", '-X',
	  'sasl.username=alice', '-X', "sasl.password=$password"
	  if $mechanism;
	return eval { $kafka->tool(@options, '-X', 'log_level=0', 'offsets', 'logins') };
}

foreach my $mechanism ('PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512')
{
	ok(log_in('SASL_PLAINTEXT', $mechanism, 'secret'), "$mechanism");
	ok(log_in('SASL_SSL', $mechanism, 'secret'), "$mechanism over TLS");
}
ok(log_in('SSL'), 'TLS');

ok($kafka->tool('-s', $kafka->servers('PROXIED'), 'offsets', 'logins'),
	'by way of the proxy');
$kafka->proxy->refuse;
ok(!eval {
		$kafka->tool('-s', $kafka->servers('PROXIED'), '-X', 'log_level=0',
			'-w', 1, 'offsets', 'logins');
	},
	'which can be cut off');

# what was written outlives the broker's crash
my $before = $kafka->offsets('transactions');
$kafka->kill9;
ok(!$kafka->running, 'the broker is killed');
$kafka->start;
is_deeply($kafka->offsets('transactions'), $before, 'and comes back');
$kafka->stop;

done_testing();
