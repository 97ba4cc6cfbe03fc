# The page at /docs in a browser: Swagger UI's files, served by the front, show
# the topics' routes.  Nothing else is served with them.

use strict;
use warnings;

use Evaudit::Browser;
use Evaudit::Cluster;
use Evaudit::Front;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};
my $assets = $ENV{EVAUDIT_SWAGGER_UI};
plan skip_all => 'EVAUDIT_SWAGGER_UI names no folder' unless $assets && -d $assets;

my $node = Evaudit::Cluster->new('main');
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('orders', '{"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}')});
my $front = Evaudit::Front->new($node, 'docs-assets' => $assets);
my $response = $front->request('GET', '/docs');
is($response->{status}, 200, 'the page is there');
foreach my $file (['swagger-ui.css', 'text/css; charset=utf-8'], ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'])
{
	my ($name, $type) = @$file;
	$response = $front->request('GET', "/swagger-ui/$name");
	is("$response->{status} $response->{headers}{'content-type'}", "200 $type", $name);
	is(length($response->{content}), -s "$assets/$name", 'all of it');
	is($response->{headers}{'x-content-type-options'}, 'nosniff', 'as what it is');
}
foreach my $path ('LICENSE', '../../../../etc/passwd.js', '..%2f..%2fetc%2fpasswd.js', 'a/../swagger-ui.css', '.css', '', 'nothing.js', 'swagger-ui.css/')
{
	is($front->request('GET', "/swagger-ui/$path")->{status}, 404, "\"$path\" is not served");
}

SKIP:
{
	skip(Evaudit::Browser->unavailable, 3) if Evaudit::Browser->unavailable;
	my $dom = Evaudit::Browser->new->dom("http://127.0.0.1:$front->{port}/docs");
	like($dom, qr/class="opblock[ "]/, 'a browser shows operations');
	like($dom, qr{data-path="/topics/orders"}, 'of a topic');
	unlike($dom, qr/Failed to load API definition|Unable to render/, 'and no error');
}

done_testing();
