# The endpoints of a region, plain, of IPv6 and of validated cryptography,
# as botocore has them.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Moto;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Moto::unavailable()
  if Evaudit::Moto::unavailable();

my @regions = qw(eu-west-1 us-gov-west-1 cn-north-1 us-iso-east-1
  us-isob-east-1 us-isof-south-1 eu-isoe-west-1 eusc-de-east-1);
my $program = << 'EOT';
import json, sys
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import create_loader
loader = create_loader()
partitions = loader.load_data("partitions")
found = {}
for service in "sqs", "sts", "sns":
    rules = loader.load_service_model(service, "endpoint-rule-set-1")
    provider = EndpointProvider(rules, partitions)
    for region in sys.argv[1:]:
        for fips in False, True:
            for dual in False, True:
                found[f"{service} {region} {fips:d}{dual:d}"] = provider.resolve_endpoint(
                    Region=region, UseFIPS=fips, UseDualStack=dual).url
print(json.dumps(found))
EOT
my ($expected, $stderr);
{
	local $ENV{PYTHONPATH} = $ENV{EVAUDIT_MOTO};
	IPC::Run::run([ 'python3', '-c', $program, @regions ],
		'>', \$expected, '2>', \$stderr)
	  or die $stderr;
	$expected = decode_json($expected);
}

# no request gets further than that
$ENV{https_proxy} = 'http://127.0.0.1:1';
my $node = Evaudit::Cluster->new('main');
$node->safe_psql('postgres', q{
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws OPTIONS
		(region 'eu-west-1', use_fips_endpoint 'false',
		use_dualstack_endpoint 'false');
	CREATE USER MAPPING FOR CURRENT_USER SERVER aws
		OPTIONS (access_key_id 'AKIATEST', secret_access_key 'secret');
	SELECT evaudit.create_topic('t', options => '{"keep": true}');
	SELECT evaudit.create_sink('out', 'aws', '{t}', '{"service": "sns",
		"topic_arn": "arn:aws:sns:eu-west-1:123456789012:t"}');
	SELECT evaudit.pause_sink('out')});
my %found;
foreach my $region (@regions)
{
	foreach my $kind (qw(00 01 10 11))
	{
		my ($fips, $dual) = map { $_ ? 'true' : 'false' } split //, $kind;
		my $lines = $node->safe_psql('postgres', qq{
			ALTER SERVER aws OPTIONS (SET region '$region',
				SET use_fips_endpoint '$fips', SET use_dualstack_endpoint '$dual');
			SELECT check_name, detail FROM evaudit.check_server('aws')});
		my %said = map { split /\|/, $_, 2 } split /\n/, $lines;
		my %check = (sqs => 'service', sts => 'identity', sns => 'sink "out"');

		foreach my $service (sort keys %check)
		{
			my ($url) = ($said{ $check{$service} } // '') =~ m{(https://[^:]+):};
			$found{"$service $region $kind"} = $url;
		}
	}
}
is_deeply(\%found, $expected, 'endpoints are where botocore has them');

foreach my $kind (qw(use_fips_endpoint use_dualstack_endpoint))
{
	my ($status, $out, $err) = $node->psql('postgres', qq{
		CREATE SERVER no FOREIGN DATA WRAPPER evaudit_aws OPTIONS
			(region 'eu-west-1', endpoint_url 'https://sqs.example', $kind 'on')});
	like($err, qr/option "$kind" cannot be used with an endpoint that is named/,
		"$kind of an endpoint that is named");
	($status, $out, $err) = $node->psql('postgres', qq{
		CREATE SERVER no FOREIGN DATA WRAPPER evaudit_aws OPTIONS
			(region 'eu-west-1', $kind 'perhaps')});
	like($err, qr/invalid value for option "$kind"/, "$kind is a Boolean");
}

done_testing();
