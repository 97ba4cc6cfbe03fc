# GET /api: valid for a validator, and good for a client that is made from it
# and asks the real front.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Token;
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'EVAUDIT_OPENAPI is not set' unless $ENV{EVAUDIT_OPENAPI};
plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main');
my $dir = PostgreSQL::Test::Utils::tempdir();
my $issuer = Evaudit::Token->new($dir);
my $keys = $issuer->keys;

# schemas of all drafts, with references of each kind
$node->safe_psql('postgres', qq(
	SELECT evaudit.create_issuer('test', '{"algorithms": ["RS256"], "keys": $keys}');
	SELECT evaudit.register_schema('https://schemas.example/money', '{"type": "number", "minimum": 0, "\$defs": {"code": {"type": "string", "minLength": 3}}}');
	SELECT evaudit.register_schema('https://schemas.example/dir/line', '{"type": "object", "properties": {"sku": {"type": "string"}, "price": {"\$ref": "../money"}}}');
	SELECT evaudit.create_topic('orders', '{"\$schema": "https://json-schema.org/draft/2020-12/schema", "\$id": "https://schemas.example/dir/order",
		"type": "object", "required": ["id", "amount"],
		"properties": {"id": {"\$ref": "#/\$defs/id"}, "amount": {"\$ref": "../money"}, "lines": {"type": "array", "items": {"\$ref": "line"}},
			"currency": {"\$ref": "../money#/\$defs/code"}, "label": {"\$ref": "#label"}},
		"\$defs": {"id": {"type": "string", "maxLength": 100}, "a b": {"\$anchor": "label", "type": "string"}}}', '{"event_id": "/id", "keep": true}');
	SELECT evaudit.create_topic('a b', '{"\$schema": "http://json-schema.org/draft-04/schema#", "id": "http://x.example/s",
		"definitions": {"p": {"id": "#p", "type": "integer", "minimum": 1, "exclusiveMinimum": true}},
		"properties": {"p": {"\$ref": "#p"}, "q": {"\$ref": "#/definitions/p", "minimum": 7},
			"t": {"type": "array", "items": [{"type": "string"}, {"\$ref": "#/definitions/p"}], "additionalItems": false}}}');
	SELECT evaudit.create_topic('tree', '{"\$schema": "https://json-schema.org/draft/2020-12/schema", "\$dynamicAnchor": "node", "type": "object",
		"properties": {"children": {"type": "array", "items": {"\$dynamicRef": "#node"}}}}');
	SELECT evaudit.create_topic('tree-19', '{"\$schema": "https://json-schema.org/draft/2019-09/schema", "\$recursiveAnchor": true, "type": "object",
		"properties": {"next": {"\$recursiveRef": "#"}, "in": {"\$id": "inner", "\$defs": {"x": {"type": "null"}}, "properties": {"x": {"\$ref": "#/\$defs/x"}}}}}', '{"batch": true, "keep": true}');
	SELECT evaudit.create_topic('any', 'true');
	SELECT evaudit.create_topic('never', '{"not": {}}');
	SELECT evaudit.grant_publish(t, 'Alice') FROM unnest(ARRAY['orders', 'http_events']) t;
	SELECT evaudit.grant_read(t, 'Alice') FROM unnest(ARRAY['orders', 'http_events']) t));
my $front = Evaudit::Front->new($node);

my ($out, $err) = ('', '');
{
	local $ENV{PYTHONPATH} = $ENV{EVAUDIT_OPENAPI};
	local $ENV{HOME} = $dir;
	IPC::Run::run([ 'python3', "$FindBin::RealBin/../openapi/check.py",
			"http://127.0.0.1:$front->{port}", $issuer->token(sub => 'Alice'), $dir ],
		'<', \undef, '>', \$out, '2>', \$err);
}
my @checks = $out =~ /^((?:not )?ok - .*)$/mg;
like($_, qr/^ok/, s/^(not )?ok - (.*)/$2/sr) foreach @checks;
cmp_ok(scalar @checks, '>=', 34, 'all was checked') or diag("$out\n$err");

$front->stop;
$node->stop;
done_testing();
