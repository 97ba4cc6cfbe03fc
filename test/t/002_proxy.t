# The proxy that other tests break the network with.

use strict;
use warnings;

use Evaudit::Proxy;
use IO::Select;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use Test::More;

my $target = PostgreSQL::Test::Cluster::get_free_port();
my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => $target,
	Listen => 5,
	ReuseAddr => 1) or die "listen: $!";
my $proxy = Evaudit::Proxy->new($target);

sub connect_through
{
	return IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $proxy->port);
}

# The next line from a socket; 'silence' if none comes in the time given.
sub next_line
{
	my ($socket, $seconds) = @_;

	return 'silence' unless IO::Select->new($socket)->can_read($seconds);
	return scalar(readline($socket)) // 'end';
}

my $client = connect_through();
my $server = $listener->accept;
print $client "hello\n";
is(next_line($server, 10), "hello\n", 'there');
print $server "hi\n";
is(next_line($client, 10), "hi\n", 'and back');

$proxy->black_hole;
print $client "lost?\n";
is(next_line($server, 0.2), 'silence', 'a black hole passes nothing');
my $second = connect_through();
ok($second, 'but takes connections');
ok(!IO::Select->new($listener)->can_read(0.2), 'and reaches nobody');

$proxy->forward;
is(next_line($server, 10), "lost?\n", 'what was held arrives');
ok($listener->accept, 'and who waited');

$proxy->refuse;
is(next_line($client, 10), 'end', 'connections are reset');
ok(!connect_through(), 'and refused');

$proxy->forward;
ok(connect_through(), 'and taken again');
$proxy->stop;

done_testing();
