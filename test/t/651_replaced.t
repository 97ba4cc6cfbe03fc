# Two small services that the front replaces: what their own tests ask of
# them, over HTTP.  A logger of events by FastAPI, whose id is required, and a
# query of the services that a user has logged in to.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use JSON::PP;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main');
my $front = Evaudit::Front->new($node);
$node->safe_psql('postgres', q(
	ALTER ROLE front SET evaudit.http_events = 'open';
	ALTER ROLE front SET evaudit.http_events_require_id = on;
	ALTER ROLE front SET evaudit.http_services = 'open';
	ALTER ROLE front SET evaudit.http_services_root = on;
	ALTER ROLE front SET evaudit.http_cors_origins = '*';
	GRANT INSERT ON evaudit.events TO front));
$front->stop;
$front->begin;

sub ask
{
	my ($method, $path, $body) = @_;
	my $response = $front->request($method, $path, $body && encode_json($body), Origin => 'https://a.example');
	is($response->{headers}{'access-control-allow-origin'}, '*', "$method $path: for any page");
	return ($response->{status}, decode_json($response->{content}), $response->{headers}{'content-type'});
}

# --- the logger: created, without an id, read again, not there

my %event = (id => '123', type => 'test', payload => { key => 'value' });
my ($status, $body) = ask('POST', '/events', \%event);
is($status, 201, 'an event is created');
like(delete $body->{created_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/, 'at a time');
is_deeply($body, \%event, 'as it was sent');
($status, $body) = ask('POST', '/events', { type => 'test', payload => { key => 'value' } });
is($status, 422, 'an event without an id');
is_deeply($body->{detail}[0]{loc}, [ 'body', 'id' ], 'is told what is missing');
($status, $body) = ask('GET', '/events/123');
is("$status $body->{id} $body->{payload}{key}", '200 123 value', 'an event is read');
($status, $body) = ask('GET', '/events/789');
is($status, 404, 'an event that is not there');
is_deeply($body, { message => 'Event not found' }, 'in its words');

# --- the services of a user: the first, another, the same at another time

# Have a user log in.
sub log_in
{
	my ($service, $name, $time) = @_;
	my $login = encode_json({ user_id => '1234', service_id => $service, service_name => $name, timestamp => $time });
	return $node->safe_psql('postgres', "SELECT evaudit.publish('login', '$login')");
}

# What the query says, which is what the service keeps.
sub services
{
	my ($user) = @_;
	my ($code, $found, $type) = ask('GET', "/?user_id=$user");
	is("$code $type", '200 application/json', "services of $user");
	is($found->{user_id}, $user, 'of that user');
	return $found->{services};
}

is_deeply(services('1234'), [], 'a user whom nobody knows has none');
log_in('abcdef', 'A service name', '2022-08-04T08:50:39Z');
my %service = (service_id => 'abcdef', service_name => 'A service name', last_accessed => '2022-08-04T08:50:39Z');
is_deeply(services('1234'), [ \%service ], 'a service, in that form');
log_in('ghijkl', 'Another service name', '2022-07-03T10:23:45Z');
is(scalar @{ services('1234') }, 2, 'another service is added');
log_in('abcdef', 'A service name', '2022-08-05T00:00:00Z');
is_deeply([ map { "$_->{service_id} $_->{last_accessed}" } @{ services('1234') } ],
	[ 'abcdef 2022-08-05T00:00:00Z', 'ghijkl 2022-07-03T10:23:45Z' ], 'the same one has its new time');
log_in('abcdef', 'A service name', '2021-01-01T00:00:00Z');
is(services('1234')->[0]{last_accessed}, '2022-08-05T00:00:00Z', 'not an earlier one');
is_deeply(services('12345'), [], 'nobody else has them');

$front->stop;
$node->stop;
done_testing();
