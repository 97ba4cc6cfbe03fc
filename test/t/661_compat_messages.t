# With compat, what is said to an event that a schema refuses is what
# python-jsonschema says.

use strict;
use warnings;

use Evaudit::Cluster;
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "evaudit.http_compat = eventgate\n");
my $token = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
$node->safe_psql('postgres', q{
	SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
		"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
	SELECT evaudit.create_topic('t');
	SELECT evaudit.grant_publish('t', 'Alice')});

my $file = PostgreSQL::Test::Utils::tempdir() . '/cases.csv';
my $n = 0;
PostgreSQL::Test::Utils::append_to_file($file,
	join '', map { ++$n . qq(,") . s/,$//r =~ s/"/""/gr . qq("\n) }
	  grep { length > 2 } split /\n/, slurp_file("$FindBin::RealBin/../jsonschema/messages.json"));
$node->safe_psql('postgres', qq{
	CREATE TABLE cases (n integer, line jsonb, status integer, message text);
	COPY cases (n, line) FROM '$file' (FORMAT csv);
	DO \$\$
	DECLARE
		c cases;
		h record;
	BEGIN
		FOR c IN SELECT * FROM cases ORDER BY n LOOP
			PERFORM evaudit.alter_topic('t', c.line -> 0);
			SELECT status, convert_from(body, 'UTF8')::jsonb #>> '{errors,0,message}' AS message INTO h
			FROM evaudit.http('POST', '/topics/t', '{"bearer": "$token"}', convert_to((c.line -> 1)::text, 'UTF8'));
			UPDATE cases SET status = h.status, message = h.message WHERE n = c.n;
		END LOOP;
	END \$\$});
cmp_ok($n, '>=', 50, 'there are messages to compare');
foreach my $case (split /\n/, $node->safe_psql('postgres', q(SELECT jsonb_build_array(line -> 1, line -> 2, status, message) FROM cases ORDER BY n)))
{
	my ($event, $expected, $status, $message) = @{ decode_json($case) };
	is($message, $expected, JSON::PP->new->canonical->allow_nonref->encode($event) . ": $status");
}

$node->stop;
done_testing();
