# Nothing leaves that a failover could take back: while a synchronous standby
# has not got a batch, the batch is not sent, whatever its publishers wait for.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use MIME::Base64;
use Test::More;

my $aws = Evaudit::Aws->new;
my $url = $aws->endpoint;
my $secret = 'whsec_' . encode_base64('s' x 24, '');
my $node = Evaudit::Cluster->new('main',
	init => { allows_streaming => 1 },
	conf => "synchronous_commit = local\nevaudit.max_backoff = '300ms'\n");

$aws->control(pages => { '/hook' => { status => 200 } });
$node->backup('backup');
my $standby = bless PostgreSQL::Test::Cluster->new('standby'), 'Evaudit::Cluster';
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', qq{
	ALTER SYSTEM SET synchronous_standby_names = 'standby';
	SELECT pg_reload_conf();
	CREATE SERVER hook FOREIGN DATA WRAPPER evaudit_webhook
		OPTIONS (url '$url/hook', allow_private 'true');
	CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (secret '$secret');
	SELECT evaudit.create_topic('t');
	SELECT evaudit.create_sink('hook', 'hook', '{t}')});
$node->wait_for(q{SELECT sync_state FROM pg_stat_replication}, 'sync');

# Publish; no session waits for a standby.
sub publish
{
	my ($id) = @_;
	$node->safe_psql('postgres', "SELECT evaudit.publish('t', '{}', '$id')");
	return;
}

sub sent { return join ' ', map { $_->{headers}{'webhook-id'} } @{ $aws->requests('/hook') }; }

publish('a');
wait_until(sub { sent() eq 'a' }, 'the first event');
pass('with its standby it sends');

$standby->stop;
publish('b');
$node->wait_for(q{SELECT wait_event FROM pg_stat_activity
	WHERE backend_type = 'evaudit sink'}, 'SyncRep');
is(sent(), 'a', 'without it nothing is sent');

$standby->start;
wait_until(sub { sent() eq 'a b' }, 'the second event');
pass('with it, the rest is');

# and what was sent is there after a failover
$node->stop('immediate');
$standby->promote;
is($standby->safe_psql('postgres',
	q{SELECT string_agg(event_id, ' ' ORDER BY id) FROM evaudit.events}), 'a b',
	'the standby has all that was sent');

done_testing();
