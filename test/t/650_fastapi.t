# What the event logger says to a body that it does not accept is what FastAPI
# says: all faults, in its order and its words.

use strict;
use warnings;

use Evaudit::Cluster;
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "evaudit.http_events = open\n");
my $json = JSON::PP->new->allow_nonref->utf8;
my $bodies = $json->decode(slurp_file("$FindBin::RealBin/../fastapi/bodies.json"));

cmp_ok(scalar @$bodies, '>=', 34, 'there are bodies to compare');
foreach my $case (@$bodies)
{
	my ($body, @expected) = @$case;
	my $name = $json->encode($body);
	my $bytes = $body;

	utf8::encode($bytes);
	foreach my $required ('on', 'off')
	{
		my $detail = shift @expected;
		my ($status, $found, $same) = split /\|/, $node->safe_psql('postgres',
			"SET evaudit.http_events_require_id = $required;
			SELECT status, replace(convert_from(body, 'UTF8'), '|', '/'),
				COALESCE(convert_from(body, 'UTF8')::jsonb -> 'detail' = \$j\$" . $json->encode($detail) . "\$j\$::jsonb, false)
			FROM evaudit.http('POST', '/events', '{}', '\\x" . unpack('H*', $bytes) . "')");

		is($status, $detail ? 422 : 201, "$name, id required: $required");
		ok(!$detail || $same eq 't', 'and what is wrong with it')
		  or diag("$found\n" . $json->encode($detail));
	}
}

$node->stop;
done_testing();
