# Where the keys of AWS come from, in which order, and who may use which.
# Every request's signature is checked by the server that it goes to.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $aws = Evaudit::Aws->new;
my $home = PostgreSQL::Test::Utils::tempdir('home');
my @secrets = qw(mapping-secret env-secret file-secret base-secret token-in-file
  container-token session-of-mapping session-of-env);

# An environment in which there is nothing, whatever the machine has.
my %nothing = (HOME => $home, AWS_EC2_METADATA_DISABLED => 'true');
$ENV{$_} = $nothing{$_} foreach keys %nothing;

$aws->control(
	keys => {
		AKIAMAPPING => { secret => 'mapping-secret/+=' },
		ASIAMAPPING =>
		  { secret => 'mapping-secret/+=', token => 'session-of-mapping/+=' },
		AKIAENVIRONMENT => { secret => 'env-secret' },
		ASIAENVIRONMENT =>
		  { secret => 'env-secret', token => 'session-of-env' },
		AKIAFILE => { secret => 'file-secret' },
		AKIABASE => { secret => 'base-secret' },
	},
	credentials => { check => JSON::PP::true });

my $node = Evaudit::Cluster->new('main', preload => 0);
my $url = $aws->endpoint;
$node->safe_psql('postgres', qq{
	CREATE ROLE app LOGIN;
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'us-east-1', endpoint_url '$url',
			sts_endpoint_url '$url');
	CREATE SERVER far FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'us-east-1', endpoint_url '$url');
	GRANT USAGE ON FOREIGN SERVER aws TO app});

# What check_server() finds: the details of all lines, those that are not
# well marked by a "!".
sub found
{
	my (%args) = @_;
	my $role = $args{role} ? "SET ROLE $args{role};" : '';
	my $server = $args{server} || 'aws';

	my ($status, $out, $err) = $node->psql('postgres', qq{$role
		SELECT check_name || CASE WHEN ok THEN ': ' ELSE '! ' END || detail
		FROM evaudit.check_server('$server') WHERE check_name <> 'service' OR NOT ok});
	return $err || $out;
}

# The same with a user mapping for the time being.
sub found_with
{
	my ($options, %args) = @_;
	my $user = $args{role} || 'CURRENT_USER';

	$node->safe_psql('postgres',
		"CREATE USER MAPPING FOR $user SERVER aws OPTIONS ($options)");
	my $found = found(%args);
	$node->safe_psql('postgres', "DROP USER MAPPING FOR $user SERVER aws");
	return $found;
}

# Run the server with a part of the environment.
sub environment
{
	my (%vars) = @_;

	delete $ENV{$_} foreach grep { /^AWS_/ } keys %ENV;
	%vars = (%nothing, %vars);
	$ENV{$_} = $vars{$_} foreach keys %vars;
	$node->restart;
	return;
}

# Write files below the home of the server's user.
sub write_home
{
	my (%files) = @_;

	mkdir "$home/.aws";
	foreach my $name (keys %files)
	{
		unlink "$home/.aws/$name";
		append_to_file("$home/.aws/$name", $files{$name})
		  if defined $files{$name};
	}
	return;
}

# The doors at which keys were handed out since the last time.
sub doors
{
	my @doors = map { $_->{door} } @{ $aws->issued };

	$aws->forget;
	return "@doors";
}

my $identity = "\nidentity: arn:aws:iam::000000000000:user/test";

# --- nothing

like(found(), qr/^credentials! no AWS credentials were found/,
	'nobody has credentials');

# --- the user mapping

my $keys = q{access_key_id 'AKIAMAPPING', secret_access_key 'mapping-secret/+='};
is(found_with($keys), "credentials: from user mapping, key ...PING$identity",
	'keys of a user mapping');
is( found_with(q{access_key_id 'ASIAMAPPING', secret_access_key}
		  . q{ 'mapping-secret/+=', session_token 'session-of-mapping/+='}),
	"credentials: from user mapping, key ...PING$identity",
	'with a session token');
like(
	found_with(q{access_key_id 'AKIAMAPPING', secret_access_key 'no-secret'}),
	qr/identity! SignatureDoesNotMatch.*service! SignatureDoesNotMatch/s,
	'another secret is refused');
like(
	found_with(q{access_key_id 'AKIANOBODY', secret_access_key 'no-secret'}),
	qr/service! InvalidClientTokenId/, 'and another key');
is(doors(), '', 'nobody was asked for keys');

my $role = q{role_arn 'arn:aws:iam::000000000000:role/r&d'};
like(found_with("$keys, $role, external_id 'x=y', role_session_name 'me'"),
	qr/^credentials: from assumed role, key \.\.\.0001, expire at 20.*Z$identity$/,
	"a user mapping's role");
my $body = $aws->requests('AssumeRole')->[0]{body};
is( $body, 'Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A'
	  . '000000000000%3Arole%2Fr%26d&RoleSessionName=me&ExternalId=x%3Dy',
	'is asked for');
is(doors(), 'AssumeRole', 'once');
like(
	found_with(qq{access_key_id 'AKIAMAPPING', secret_access_key 'no', $role}),
	qr/^credentials! could not assume role "arn:aws:iam::000000000000:role\/r&d" at \S+: SignatureDoesNotMatch/,
	'not with another secret');
doors();

# --- the environment, which is the server's

environment(
	AWS_ACCESS_KEY_ID => 'AKIAENVIRONMENT',
	AWS_SECRET_ACCESS_KEY => 'env-secret',
	AWS_ENDPOINT_URL_STS => $url);
write_home(credentials => "[default]\naws_access_key_id = AKIAFILE\n"
	  . "aws_secret_access_key = file-secret\n");
is(found(), "credentials: from environment, key ...MENT$identity",
	'keys of the environment come before files');
is(found_with($keys), "credentials: from user mapping, key ...PING$identity",
	'and after a user mapping');
is( found(server => 'far'), "credentials: from environment, key ...MENT$identity",
	'the environment also says where STS is');
like(found_with($role), qr/^credentials: from assumed role/,
	'a role can be assumed with them');

my $refused = 'credentials! the user mapping has no access_key_id, and the AWS'
  . ' credentials of the server are for superusers and members of the role in'
  . ' evaudit.ambient_credentials_role';
is(found(role => 'app'), $refused, 'others may not use them');
is(found_with($role, role => 'app'), $refused, 'not even to assume a role');
is( found_with($keys, role => 'app'),
	"credentials: from user mapping, key ...PING$identity",
	'but their own keys');
$node->safe_psql('postgres', q{
	LOAD 'evaudit';
	CREATE ROLE cloud; GRANT cloud TO app;
	ALTER SYSTEM SET evaudit.ambient_credentials_role = 'cloud'});
$node->reload;
$node->wait_for('SHOW evaudit.ambient_credentials_role', 'cloud');
is( found(role => 'app'), "credentials: from environment, key ...MENT$identity",
	'members of a role that is named may');
$node->safe_psql('postgres', 'REVOKE cloud FROM app');
is(found(role => 'app'), $refused, 'as long as they are');

environment(
	AWS_ACCESS_KEY_ID => 'ASIAENVIRONMENT',
	AWS_SECRET_ACCESS_KEY => 'env-secret',
	AWS_SESSION_TOKEN => 'session-of-env');
is( found(), "credentials: from environment, key ...MENT$identity",
	'a session of the environment');
environment(AWS_ACCESS_KEY_ID => 'AKIAENVIRONMENT');
is( found(),
	'credentials! AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY',
	'half a pair of keys');
doors();

# --- shared files, read anew each time

environment(AWS_ENDPOINT_URL_STS => $url);
is(found(), "credentials: from shared configuration, key ...FILE$identity",
	'keys of the credentials file');
write_home(
	credentials => "# comment\n\n [indented]\n[default] ; comment\r\n"
	  . "region=x\r\naws_access_key_id=AKIAFILE # comment\r\n"
	  . "  nested = 1\nAWS_SECRET_ACCESS_KEY\t=\tfile-secret\r\n",
	config => "[default]\naws_access_key_id = AKIABASE\n"
	  . "aws_secret_access_key = base-secret\n");
is(found(), "credentials: from shared configuration, key ...FILE$identity",
	'which comes before the configuration file');
write_home(credentials => undef);
is(found(), "credentials: from shared configuration, key ...BASE$identity",
	'which has keys, too');
write_home(config => "[default]\naws_access_key_id = AKIABASE\n");
is( found(),
	'credentials! AWS profile "default" has an aws_access_key_id without aws_secret_access_key',
	'half a pair of keys');

my $base = "[profile base]\naws_access_key_id = AKIABASE\n"
  . "aws_secret_access_key = base-secret\n";
write_home(config => "[default]\nsource_profile = base\nexternal_id = e\n"
	  . "role_arn = arn:aws:iam::1:role/p\nduration_seconds = 900\n$base");
like(found(), qr/^credentials: from shared configuration, key \.\.\.\d{4}, expire/,
	'a role of a profile');
like($aws->requests('AssumeRole')->[0]{body},
	qr/role%2Fp&RoleSessionName=evaudit&DurationSeconds=900&ExternalId=e$/,
	'as the profile says');
is(doors(), 'AssumeRole', 'from STS');

my %broken = (
	"role_arn = a\nsource_profile = b\n[profile b]\nrole_arn = b\n"
	  . "source_profile = c\n[profile c]\nrole_arn = c\nsource_profile = b" =>
	  qr/is too far down a chain of source_profile/,
	"role_arn = a" => qr/profile "default" has a role_arn, but no credentials/,
	"role_arn = a\nsource_profile = default" =>
	  qr/profile "default" has a role_arn, but no credentials/,
	"role_arn = a\nsource_profile = nobody" =>
	  qr/profile "default" has a role_arn, but no credentials/,
	"role_arn = a\ncredential_source = Environment" =>
	  qr/credential_source "Environment" of an AWS profile has no credentials/,
	"role_arn = a\nsource_profile = base\nmfa_serial = m" =>
	  qr/needs a code from a person/,
	"role_arn = a\nweb_identity_token_file = /nowhere" =>
	  qr/file "\/nowhere" does not exist/,
	"region = eu-west-1" => qr/no AWS credentials were found/,
);
foreach my $text (sort keys %broken)
{
	write_home(config => "[default]\n$text\n$base");
	like(found(), $broken{$text}, $text);
}
write_home(config => '[default]' . ("\n" x (1024 * 1024)));
like(found(), qr/config" is not a file of at most 1048576 bytes/,
	'a file that is too large');

append_to_file("$home/identity", "token-in-file\n");
write_home(config => undef);
append_to_file("$home/config", "[default]\naws_access_key_id = X\n"
	  . "[profile web]\nrole_arn = arn:aws:iam::1:role/w\n"
	  . "web_identity_token_file = $home/identity\n");
environment(
	AWS_ENDPOINT_URL_STS => $url,
	AWS_CONFIG_FILE => '~/config',
	AWS_PROFILE => 'web');
like(found(), qr/^credentials: from shared configuration, key \.\.\.\d{4}, expire/,
	'a web identity of a profile that AWS_PROFILE names');
is(doors(), 'AssumeRoleWithWebIdentity', 'from STS');
environment(AWS_PROFILE => 'nobody', AWS_CONFIG_FILE => "$home/config");
is( found(),
	'credentials! AWS profile "nobody" has no credentials that can be used',
	'a profile that is not there');

# --- web identity

my %web = (
	AWS_ROLE_ARN => 'arn:aws:iam::1:role/web',
	AWS_ROLE_SESSION_NAME => 'pod',
	AWS_WEB_IDENTITY_TOKEN_FILE => "$home/identity");
environment(%web, AWS_ENDPOINT_URL_STS => $url);
like(found(), qr/^credentials: from web identity, key \.\.\.\d{4}, expire.*$identity$/,
	'a web identity');
is( $aws->requests('AssumeRoleWithWebIdentity')->[0]{body},
	'Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3A'
	  . 'iam%3A%3A1%3Arole%2Fweb&RoleSessionName=pod&WebIdentityToken=token-in-file',
	'by a token');
ok( !exists $aws->requests('AssumeRoleWithWebIdentity')
	  ->[0]{headers}{authorization},
	'without a signature');
doors();
$aws->rules({
	operation => 'AssumeRoleWithWebIdentity', status => 400,
	text => '<ErrorResponse><Error><Code>ExpiredTokenException</Code>'
	  . '<Message>Token &lt;x&gt; expired</Message></Error></ErrorResponse>' });
like(found(),
	qr/^credentials! could not assume role "arn:aws:iam::1:role\/web" at \S+: ExpiredTokenException: Token <x> expired$/,
	'STS refuses');
$aws->rules;
doors();
delete $web{AWS_ROLE_ARN};
environment(%web, AWS_ENDPOINT_URL_STS => $url);
like(found(), qr/AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN/,
	'a token without a role');

# the token is for STS: an option of a server cannot send it elsewhere
environment(
	%web,
	AWS_ROLE_ARN => 'arn:aws:iam::1:role/web',
	AWS_ENDPOINT_URL_STS => 'http://127.0.0.1:1');
like(found(), qr/at http:\/\/127\.0\.0\.1:1: Failed to connect/,
	'sts_endpoint_url does not get a token of the server');
is($aws->count('AssumeRoleWithWebIdentity'), 0, 'nothing was sent there');
doors();

# --- container

$aws->control(credentials => { container_token => 'container-token' });
my $full = 'AWS_CONTAINER_CREDENTIALS_FULL_URI';
environment($full => "$url/ecs",
	AWS_CONTAINER_AUTHORIZATION_TOKEN => 'container-token');
like(found(), qr/^credentials: from container, key \.\.\.\d{4}, expire/,
	'a container');
is(doors(), 'container', 'was given keys');
append_to_file("$home/authorization", 'container-token');
environment($full => "$url/ecs",
	AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE => "$home/authorization");
like(found(), qr/^credentials: from container, key/, 'by a token in a file');
append_to_file("$home/authorization", "\nX-Header: x");
is( found(),
	"credentials! the container's authorization token has more than one line",
	'which is one line');
environment($full => "$url/ecs");
is( found(),
	'credentials! the response of the container credentials service has HTTP status 401',
	'not without one');
environment($full => 'http://192.0.2.1/ecs',
	AWS_CONTAINER_AUTHORIZATION_TOKEN => 'container-token');
is( found(),
	"credentials! $full leads to a host that is not allowed without TLS",
	'the token goes to no other host');
$aws->control(credentials => { container_token => undef });
environment($full => 'http://127.0.0.1:1/');
like(found(), qr/^credentials! could not reach the container credentials service: /,
	'nobody there');
$aws->control(pages => { '/none' => { body => '{"AccessKeyId": 1}' } });
environment($full => "$url/none");
is( found(),
	'credentials! the response of the container credentials service has no credentials',
	'an answer without keys');
foreach my $token ('a\r\nX-Header: x', '', 't' x 20_000, "\\u00e9")
{
	$aws->control(pages => { '/none' => { body => '{"AccessKeyId": "AKIA",'
			. qq( "SecretAccessKey": "s", "Token": "$token"}) } });
	is(found(), 'credentials! the AWS credentials of the container are malformed',
		'keys that no header can have: ' . substr($token, 0, 12));
}
doors();

# --- the machine

my $metadata = 'AWS_EC2_METADATA_SERVICE_ENDPOINT';
environment($metadata => "$url/", AWS_EC2_METADATA_DISABLED => 'false',
	http_proxy => 'http://127.0.0.1:1', no_proxy => 'nothing');
like(found(), qr/^credentials: from instance metadata, key \.\.\.\d{4}, expire/,
	"the machine's role");
like(found(), qr/service! could not reach/,
	'others are reached by the proxy of the environment');
delete @ENV{qw(http_proxy no_proxy)};
is(doors(), 'imds imds', 'was given keys');
environment($metadata => $url);
like(found(), qr/no AWS credentials were found/, 'unless that is disabled');
environment($metadata => "$url/elsewhere", AWS_EC2_METADATA_DISABLED => 'false');
$aws->rules({ operation => '/elsewhere.*', status => 404, text => '' });
like(found(), qr/no AWS credentials were found/, 'another cloud');
environment($metadata => $url, AWS_EC2_METADATA_DISABLED => 'false');
$aws->rules({ operation => '/latest/meta-data.*', status => 500, text => '',
	times => 2 });
like(found(), qr/^credentials: from instance metadata/,
	'an error that passes');
$aws->rules({ operation => '/latest/meta-data.*', status => 404, text => '' });
is( found(),
	'credentials! the response of the instance metadata service has HTTP status 404',
	'a machine without a role');

# --- secrets

$node->stop;
my $log = slurp_file($node->logfile);
my $options = join '|', map { quotemeta } @secrets;
my @seen = grep { /$options/ && !/CREATE USER MAPPING/ } split /\n/, $log;
is_deeply(\@seen, [], 'no secret is in the log');

done_testing();
