
=pod

=head1 NAME

Evaudit::Keys - keys and certificates for servers on loopback

=head1 SYNOPSIS

  Evaudit::Keys::make($dir);

makes in a directory an authority, C<ca.pem>, and by it C<server.pem> for
localhost, 127.0.0.1 and keys.test, with C<server.key>; they are good for two days.

=cut

package Evaudit::Keys;

use strict;
use warnings;

use Carp;
use IPC::Run;
use PostgreSQL::Test::Utils;

sub make
{
	my ($dir) = @_;
	my @key = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes');
	my $log = "$dir/openssl.log";

	append_to_file("$dir/san.cnf", "subjectAltName=DNS:localhost,DNS:keys.test,IP:127.0.0.1\n");
	foreach my $command (
		[
			'req', '-x509', @key, '-days', 2, '-subj', '/CN=evaudit test',
			'-keyout', "$dir/ca.key", '-out', "$dir/ca.pem"
		],
		[
			'req', @key, '-subj', '/CN=localhost',
			'-keyout', "$dir/server.key", '-out', "$dir/server.csr"
		],
		[
			'x509', '-req', '-in', "$dir/server.csr", '-days', 2,
			'-CA', "$dir/ca.pem", '-CAkey', "$dir/ca.key", '-CAcreateserial',
			'-extfile', "$dir/san.cnf", '-out', "$dir/server.pem"
		])
	{
		IPC::Run::run([ 'openssl', @$command ], '>', $log, '2>&1')
		  or croak "openssl @$command: " . slurp_file($log);
	}
	return;
}

1;
