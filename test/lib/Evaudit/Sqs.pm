
=pod

=head1 NAME

Evaudit::Sqs - what tests of a server that reads from queues share

=head1 SYNOPSIS

  add_aws($node, $aws->endpoint);              # the foreign server "aws"
  read_queue($node, 'logins', 'logins', on_bad_event => 'leave');
  my $body = login('user', 'service', 10);     # the second it happened at
  await_queue($sqs, 'logins');                 # until it is empty
  await_queue($sqs, 'logins', visible => 3);   # until so many wait

=cut

package Evaudit::Sqs;

use strict;
use warnings;

use Evaudit::Pipeline;
use Exporter 'import';
use JSON::PP;
use POSIX qw(strftime);

our @EXPORT = qw(add_aws read_queue login await_queue);

# Make the server "aws", with further options.
sub add_aws
{
	my ($node, $endpoint, %options) = @_;
	my $more = join('',
		map { qq{, $_ '$options{$_}'} } sort keys %options);

	$node->safe_psql('postgres', qq{
		CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
			OPTIONS (region 'us-east-1', endpoint_url '$endpoint'$more);
		CREATE USER MAPPING FOR CURRENT_USER SERVER aws
			OPTIONS (access_key_id 'AKIATEST', secret_access_key 'secret')});
	return;
}

# Create a source of the server "aws".
sub read_queue
{
	my ($node, $source, $queue, %options) = @_;
	my $topic = delete $options{topic} // 'login';
	my $json = JSON::PP->new->allow_nonref->encode(
		{ queue => $queue, %options });

	$node->safe_psql('postgres', qq{
		SELECT evaudit.create_source('$source', 'aws', '$topic', \$\$$json\$\$)});
	return;
}

# The body of a login event.
sub login
{
	my ($user, $service, $second, %more) = @_;

	return JSON::PP->new->canonical->encode({
		user_id => "$user", service_id => "$service",
		service_name => "Service $service",
		timestamp => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(1_700_000_000 + $second)),
		%more });
}

# Wait until counts of a queue are as expected; empty unless told otherwise.
sub await_queue
{
	my ($sqs, $queue, %expected) = @_;

	%expected = (all => 0) unless %expected;
	wait_until(
		sub {
			my $counts = $sqs->counts($queue);
			return !grep { $counts->{$_} != $expected{$_} } keys %expected;
		},
		join(', ', map { "$expected{$_} $_" } sort keys %expected)
		  . " in queue $queue");
	return;
}

1;
