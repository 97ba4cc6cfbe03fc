# A real Prometheus scrapes a real front: alerts of monitoring/alerts.yml fire
# when their causes are made, and end with them.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Process;
use HTTP::Tiny;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $programs = $ENV{EVAUDIT_PROMETHEUS};
plan skip_all => 'Prometheus is not there' unless $programs;
plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '300ms'\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

query('CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
my $front = Evaudit::Front->new($node,
	'metrics-database' => $node->connstr('postgres') . ' user=watcher');

# The rules as they are, but that nothing has to last, and little is large.
my $rules = slurp_file('monitoring/alerts.yml');
$rules =~ s/^( *for:) .*/$1 1s/mg;
$rules =~ s/\[1m\]/[5s]/g;
$rules =~ s/\b5e9\b/1/;

my $prometheus = Evaudit::Process->new('prometheus');
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$prometheus->{dir}/alerts.yml", $rules);
append_to_file("$prometheus->{dir}/prometheus.yml", <<"YAML");
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: evaudit
    static_configs: [{targets: ['127.0.0.1:$front->{admin_port}']}]
YAML
$prometheus->launch("$programs/prometheus",
	"--config.file=$prometheus->{dir}/prometheus.yml",
	"--storage.tsdb.path=$prometheus->{dir}/data",
	"--web.listen-address=127.0.0.1:$port");

# What fires, as "name label".
sub firing
{
	my $response = HTTP::Tiny->new->get("http://127.0.0.1:$port/api/v1/alerts");
	return '' unless $response->{success};
	my $alerts = JSON::PP::decode_json($response->{content})->{data}{alerts};
	return join(', ', sort map {
			my $labels = $_->{labels};
			join ' ', $labels->{alertname},
			  grep { defined } @$labels{qw(source sink relation issuer what)}
		} grep { $_->{state} eq 'firing' } @$alerts);
}

# Make something wrong, wait for the alert, mend it, wait for its end.
sub fires
{
	my ($alert, $break, $mend) = @_;

	query($break);
	$prometheus->await(sub { firing() eq $alert });
	query($mend);
	$prometheus->await(sub { firing() eq '' });
	pass("$alert fires and ends");
	return;
}

$prometheus->await(sub {
	my $targets = HTTP::Tiny->new->get("http://127.0.0.1:$port/api/v1/targets");
	return $targets->{success} && $targets->{content} =~ /"health":"up"/;
});
# an empty outbox has pages, too
$prometheus->await(sub { firing() eq 'EvauditOutboxLarge' });
pass('a threshold is passed');
$rules =~ s/evaudit_outbox_bytes > 1/evaudit_outbox_bytes > 5e9/;
unlink "$prometheus->{dir}/alerts.yml";
append_to_file("$prometheus->{dir}/alerts.yml", $rules);
kill 'HUP', $prometheus->{pid};
$prometheus->await(sub { firing() eq '' });

query('CREATE TABLE watched (id integer PRIMARY KEY)');
query(q{SELECT evaudit.track('watched')});
fires('EvauditAuditDisabled public.watched', 'ALTER TABLE watched DISABLE TRIGGER ALL',
	q{SELECT evaudit.track('watched')});

query(q{CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'eu-west-1', endpoint_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER aws
		OPTIONS (access_key_id 'a', secret_access_key 'b')});
fires('EvauditIssuerInvalid idp',
	q{SELECT evaudit.create_issuer('idp', '{"issuer": "https://idp", "algorithms": ["RS256"],
		"jwks_url": "https://127.0.0.1:9/keys"}')},
	q{SELECT evaudit.drop_issuer('idp')});

query(q{SELECT evaudit.create_topic('sent', options => '{"keep": true, "key": "/k"}');
	CREATE SERVER here FOREIGN DATA WRAPPER evaudit_function;
	CREATE FUNCTION public.take(events evaudit.event[]) RETURNS void
		LANGUAGE plpgsql AS $$ BEGIN
		IF EXISTS (SELECT FROM unnest(events) e WHERE e.payload ? 'bad') THEN
			RAISE 'refused' USING ERRCODE = 'check_violation';
		END IF; END $$;
	SELECT evaudit.create_sink('out', 'here', '{sent}', '{"function": "public.take"}')});
fires('EvauditParked out', q{SELECT evaudit.publish('sent', '{"bad": 1}', 'one')},
	q{SELECT evaudit.skip_delivery(array_agg(id)) FROM evaudit.deliveries});

fires('EvauditRetentionBehind events',
	q{CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql
			AS 'BEGIN RAISE ''no''; END';
		CREATE TRIGGER refuse BEFORE DELETE ON evaudit.events
			FOR EACH ROW EXECUTE FUNCTION public.refuse();
		UPDATE evaudit.events SET received_at = now() - interval '2 days';
		SELECT evaudit.set_retention('events', '1 day')},
	q{DROP TRIGGER refuse ON evaudit.events; SELECT evaudit.set_retention('events', '1 day')});

query(q{SELECT evaudit.create_source('queue', 'aws', options => '{"queue": "q"}')});
$prometheus->await(sub { firing() eq 'EvauditSourceDown queue' });
query(q{SELECT evaudit.drop_source('queue')});
$prometheus->await(sub { firing() eq '' });
pass('EvauditSourceDown fires and ends');

$front->stop;
$prometheus->await(sub { firing() eq 'EvauditAbsent' });
$front->begin;
$prometheus->await(sub { firing() eq '' });
pass('EvauditAbsent fires and ends');

$prometheus->stop;
$front->stop;
$node->stop;
done_testing();
