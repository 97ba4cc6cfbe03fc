# What the extension writes to the log is documented, and can be read by a
# program.

use strict;
use warnings;

use Evaudit::Cluster;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

# Each message of the sources has a row, with values as dots.
my %documented = map { $_ => 1 } slurp_file('docs/logs.md') =~ /^\| `(.+?)` \|/mg;
my %written;
foreach my $file (glob('src/*/*.c'))
{
	my $code = slurp_file($file);

	while ($code =~ /ereport\((?:LOG|WARNING),.*?errmsg\("((?:[^"\\]|\\.)*)"/gs)
	{
		my $message = $1;
		$message =~ s/\\"/"/g;
		$message =~ s/%(?:\.\*)?[a-z]+/…/g;
		utf8::decode(my $dots = "…");
		$message =~ s/$dots/…/g;
		$written{$message} = $file;
	}
}
cmp_ok(scalar(keys %written), '>', 15, 'messages were found');
is(join("\n", grep { !$documented{$_} } sort keys %written), '', 'all are documented');
is(join("\n", grep { !$written{$_} } sort keys %documented), '', 'and no others');

# As JSON, from a background process
my $node = Evaudit::Cluster->new('main',
	conf => "log_destination = 'jsonlog'\nlogging_collector = on\nlog_filename = 'server'\n"
	  . "evaudit.alert_interval = 1\n");
$node->safe_psql('postgres', q{
	UPDATE evaudit.alert_rules SET hold = '0' WHERE name = 'source_down';
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'eu-west-1', endpoint_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER aws
		OPTIONS (access_key_id 'sesame-id', secret_access_key 'sesame');
	SELECT evaudit.create_source('queue', 'aws', options => '{"queue": "q"}')});
$node->wait_for(q{SELECT subject FROM evaudit.alerts}, 'queue');
my @lines = map { JSON::PP::decode_json($_) } grep { /^\{/ } split /\n/,
  slurp_file($node->data_dir . '/log/server.json');

sub line
{
	my ($message) = @_;
	my ($line) = grep { ($_->{backend_type} // '') =~ /^evaudit / && $_->{message} =~ $message } @lines;
	return $line // {};
}

my $failed = line(qr/^source "queue": ./);
is($failed->{state_code}, '58000', 'a source that fails has a SQLSTATE');
is($failed->{detail}, 'source="queue"', 'and a detail');
my $alert = line(qr/^alert "source_down" begins: queue$/);
like($alert->{detail}, qr/^alert="source_down" subject="queue" severity=critical value=1: ./, 'an alert likewise');
is($alert->{state_code}, undef, 'which is no error');

$node->stop;
done_testing();
