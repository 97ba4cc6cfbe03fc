# Options for Amazon MSK with IAM, and for OIDC: what can be, and what is
# refused when the server is made.  Nothing is connected to.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main');

# What making a server, and a mapping if any, says.
sub verdict
{
	my ($server, $mapping) = @_;
	my $sql = "BEGIN; CREATE SERVER s FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ($server);";

	$sql .= "CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS ($mapping);"
	  if $mapping;
	my ($status, $out, $err) = $node->psql('postgres', "$sql ROLLBACK");
	return $err =~ s/^psql:[^ ]* ERROR:  //r =~ s/\n.*//sr;
}

my $iam = q{"aws.msk.iam" 'true'};
my $here = q{"bootstrap.servers" '127.0.0.1:9098'};
my $region = q{"aws.region" 'eu-west-1'};
foreach my $good (
	[qq{$here, $iam, $region}],
	[qq{$here, "aws.msk.iam" 'off'}],
	[qq{$here, $iam, $region, "security.protocol" 'SASL_SSL', "sasl.mechanism" 'OAUTHBEARER'}],
	[qq{"bootstrap.servers" 'b-1.c.abc.c2.kafka.eu-west-1.amazonaws.com:9098,b-2.x:1', $iam}],
	[qq{"bootstrap.servers" 'boot-x.c1.kafka-serverless.us-east-1.amazonaws.com:9098', $iam}],
	[qq{"metadata.broker.list" 'b-1.c.abc.c2.kafka.cn-north-1.amazonaws.com.cn:9098', $iam}],
	[ qq{$here, $iam, $region},
		q{"aws.access_key_id" 'AKIA', "aws.secret_access_key" 's', "aws.session_token" 't'} ],
	[ qq{$here, $iam, $region}, q{"aws.role_arn" 'arn:aws:iam::1:role/r'} ])
{
	is(verdict(@$good), '', "can be: @$good");
}
foreach my $bad (
	[ 'option "aws.region" is required', qq{$here, $iam} ],
	[ 'option "aws.region" is required',
		qq{"bootstrap.servers" 'x:1,b-1.c.kafka.eu-west-1.amazonaws.com:9098', $iam} ],
	[ 'invalid value for option "aws.msk.iam"', qq{$here, "aws.msk.iam" 'perhaps'} ],
	[ 'invalid value for option "region"', qq{$here, $iam, "aws.region" 'a b'} ],
	[ 'invalid value for option "region"',
		qq{"bootstrap.servers" 'b.eu_west.amazonaws.com:9098', $iam} ],
	[ 'invalid option "aws.endpoint_url"',
		qq{$here, $iam, $region, "aws.endpoint_url" 'http://x'} ],
	[ 'invalid option "aws.msk"', qq{$here, $iam, $region, "aws.msk" 'x'} ],
	[ 'invalid option "aws.msk.iam"', $here, $iam ],
	[ 'option "secret_access_key" is a secret and cannot be set for a server',
		qq{$here, $iam, $region, "aws.secret_access_key" 's'} ],
	[ 'option "security.protocol" cannot be used with "aws.msk.iam"',
		qq{$here, $iam, $region, "security.protocol" 'sasl_plaintext'} ],
	[ 'option "sasl.mechanisms" cannot be used with "aws.msk.iam"',
		qq{$here, $iam, $region, "sasl.mechanisms" 'PLAIN'} ],
	[ 'option "enable.sasl.oauthbearer.unsecure.jwt" cannot be used with "aws.msk.iam"',
		qq{$here, $iam, $region, "enable.sasl.oauthbearer.unsecure.jwt" 'true'} ],
	[ 'option "secret_access_key" is required with option "access_key_id"',
		qq{$here, $iam, $region}, q{"aws.access_key_id" 'AKIA'} ])
{
	my ($error, @options) = @$bad;

	is(verdict(@options), $error, "cannot be: @options");
}

# OIDC is a matter of how the library was built
my $oidc = verdict(qq{$here, "sasl.oauthbearer.method" 'oidc'});
like(
	$oidc,
	qr/^(?:option "sasl\.oauthbearer\.method" is not supported by this build of librdkafka)?$/,
	'OIDC is there, or is refused at once');
is(verdict($here, q{"sasl.oauthbearer.client.secret" 'x'}),
	$oidc =~ s/method/client.secret/r, 'and so is what belongs to it');

done_testing();
