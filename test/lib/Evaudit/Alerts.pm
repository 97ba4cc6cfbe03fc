
=pod

=head1 NAME

Evaudit::Alerts - alerts that begin and end with their causes

=head1 SYNOPSIS

  my $node = alert_cluster("max_worker_processes = 24\n");
  fires($node, 'source_down logins', $break, $mend, qr/detail/);

The rules are evaluated every second, and nothing has to last longer than
that.  What breaks and what mends is SQL, or a function.

=cut

package Evaudit::Alerts;

use strict;
use warnings;

use Exporter 'import';

use Evaudit::Cluster;
use Test::More;

our @EXPORT = qw($alerts alert_cluster fires);

# The alerts that there are, as "name subject".
our $alerts = q{SELECT coalesce(string_agg(name || ' ' || subject, ', ' ORDER BY name, subject), '') FROM evaudit.alerts};

sub alert_cluster
{
	my ($conf) = @_;
	my $node = Evaudit::Cluster->new('main',
		conf => "evaudit.alert_interval = 1\nevaudit.max_backoff = '300ms'\n" . ($conf // ''));

	$node->safe_psql('postgres', q{UPDATE evaudit.alert_rules SET hold = '1s' WHERE hold > '1s'});
	return $node;
}

# Make something wrong, wait for its alerts and no others, mend it, and wait
# until they are over.
sub fires
{
	my ($node, $expected, $break, $mend, $detail) = @_;
	my ($name) = split / /, $expected;

	ref $break ? $break->() : $node->safe_psql('postgres', $break);
	$node->wait_for($alerts, $expected);
	like($node->safe_psql('postgres', "SELECT detail FROM evaudit.alerts WHERE name = '$name'"), $detail, $name);
	ref $mend ? $mend->() : $node->safe_psql('postgres', $mend);
	ok($node->wait_for($alerts, ''), "$name ends");
	return;
}

1;
