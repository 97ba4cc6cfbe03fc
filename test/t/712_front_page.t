# The page of the admin listener in a browser, with faults on: what reads and
# what sends, how fast and how far behind, what could not be used, what is large.

use strict;
use warnings;

use Evaudit::Browser;
use Evaudit::Cluster;
use Evaudit::Front;
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

# A source that reaches nobody, one that is paused, a sink that gets all, and
# dead letters that the watcher may see.
my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '300ms'\nevaudit.alert_interval = 1\n");
$node->safe_psql('postgres', q{
	CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
	UPDATE evaudit.alert_rules SET hold = '0', enabled = name = 'source_down';
	ALTER DATABASE postgres OWNER TO watcher;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ("bootstrap.servers" '127.0.0.1:1');
	SELECT evaudit.create_source('nowhere', 'kafka', options => '{"topics": "logins"}');
	SELECT evaudit.create_source('paused', 'kafka', options => '{"topics": "logins"}'), evaudit.pause_source('paused');
	SELECT evaudit.create_topic('things', options => '{"event_id": "/id", "keep": true}');
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE SCHEMA app;
	CREATE FUNCTION app.take(events evaudit.event[]) RETURNS void LANGUAGE sql AS 'SELECT';
	INSERT INTO evaudit.dead_letter_store (source, topic, owner, payload, reason, error)
		SELECT '<b>markup</b>', 'things', 'watcher', 'secret', r, 'secret' FROM unnest(ARRAY['too_deep', 'too_deep', 'malformed_json']) r});
$node->safe_psql('postgres', q{SELECT evaudit.create_sink('taker', 'local', '{things}', '{"function": "app.take"}')});
my $front = Evaudit::Front->new($node, 'sample-interval' => 200,
	'metrics-database' => $node->connstr('postgres') . ' user=watcher');
my $admin = "http://127.0.0.1:$front->{admin_port}";

# What the page is fed by.
sub status { return decode_json(HTTP::Tiny->new->get("$admin/status")->{content}); }

$front->await(sub { (status()->{now} || {})->{sources} });
$node->wait_for(q(SELECT state FROM evaudit.stat_sources WHERE name = 'nowhere'), 'backoff');
$node->wait_for(q(SELECT subject FROM evaudit.alerts), 'nowhere');
foreach my $round (1 .. 3)
{
	$node->safe_psql('postgres', "SELECT evaudit.publish('things', jsonb_build_object('id', '$round-' || n)) FROM generate_series(1, 50) n");
	$node->wait_for(q(SELECT delivered FROM evaudit.stat_sinks WHERE name = 'taker'), 50 * $round);
	my $seen = 50 * $round;
	$front->await(sub { grep { $_ && ($_->{sinks}{taker}[0] // 0) == $seen } @{ status()->{samples} } });
}
my $status = status();
is($status->{interval}, 200, 'samples are so far apart');
is(scalar @{ $status->{samples} }, 120, 'and so many');
# the one is tried again and again
is(join(', ', map { "$_->{name} $_->{state}" =~ s/starting/backoff/r } @{ $status->{now}{sources} }), 'nowhere backoff, paused paused', 'sources');
is_deeply([ map { [ @$_{qw(reason count)} ] } @{ $status->{now}{dead_letters} } ], [ [ 'too_deep', 2 ], [ 'malformed_json', 1 ] ], 'dead letters by reason');
is(join(' ', map { scalar @{ $_->{examples} } } @{ $status->{now}{dead_letters} }), '2 1', 'with examples');
unlike(JSON::PP->new->encode($status), qr/secret/, 'but no payload and no text');
my ($audit) = grep { $_->{name} eq 'audit' } @{ $status->{now}{sizes} };
is($audit->{bytes}, $node->safe_psql('postgres', q(SELECT COALESCE((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('audit')), pg_total_relation_size('audit')))), 'sizes');

my $page = HTTP::Tiny->new->get("$admin/");
is("$page->{status} $page->{headers}{'content-type'}", '200 text/html; charset=utf-8', 'a page');
like($page->{headers}{'content-security-policy'}, qr/default-src 'none'.*frame-ancestors 'none'/, 'that asks nobody else, in no other page');
unlike($page->{content}, qr{(?:src|href)=}, 'and is one file');
is(HTTP::Tiny->new->post("$admin/")->{status}, 405, 'which is read only');
is($front->request('GET', '/status')->{status}, 404, 'clients of the API do not see it');

SKIP:
{
	skip(Evaudit::Browser->unavailable, 7) if Evaudit::Browser->unavailable;
	my $dom = Evaudit::Browser->new->dom("$admin/") =~ s{<script>.*?</script>}{}sr;
	like($dom, qr{<td><span class="critical">source_down</span></td><td>nowhere</td><td>[^<]+</td><td>[^<]*could not reach a Kafka broker}, 'an alert');
	like($dom, qr{<tr><td>nowhere</td><td>kafka</td><td><span class="(backoff|starting)">\g1</span>}, 'a source that fails');
	like($dom, qr{<span class="error">could not reach a Kafka broker}, 'and why');
	like($dom, qr{<tr><td>taker</td>.*?<td class="n">150</td><td><svg[^>]* aria-label="up to [\d.,]+/s lately"><path d="M[\d.]+ [\d.]+L}, 'a sink, and its rate');
	like($dom, qr{<td>&lt;b&gt;markup&lt;/b&gt;</td><td>things</td><td>too_deep</td><td class="n">2</td>.*?<td>id \d+, \d+</td>}, 'dead letters, as text');
	like($dom, qr{<td>audit</td><td class="n">[\d.,]+ [kMG]B</td>}, 'a size');
	unlike($dom, qr/could not be asked/, 'and no error');
}

# without a database to ask, the page says so
$node->stop;
$front->await(sub { !status()->{now} });
ok(1, 'nothing is shown as if it were known');
$front->stop;

# nor without a role to ask as
$node->start;
my $other = Evaudit::Front->new($node);
is(decode_json(HTTP::Tiny->new->get("http://127.0.0.1:$other->{admin_port}/status")->{content})->{now}, undef, 'nor where there is no role to ask as');

$other->stop;
$node->stop;
done_testing();
