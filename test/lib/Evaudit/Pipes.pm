
=pod

=head1 NAME

Evaudit::Pipes - a program may end before it has read its input

=head1 SYNOPSIS

  use Evaudit::Pipes;

IPC::Run dies with "Broken pipe" when a program closes its standard input
before all was written to it: an openssl that refuses a certificate, a psql
that cannot connect.  Whether it gets that far first depends on the machine.
With this module, which every module here that feeds a program loads, what is
not read is dropped, as a shell's pipe does it; the program's output and exit
code are what a test compares.

=cut

package Evaudit::Pipes;

use strict;
use warnings;

use Carp;
use Errno qw(EPIPE);
use IPC::Run;
use POSIX ();

no warnings 'redefine';
*IPC::Run::_write = sub {
	my ($fd, $data) = @_;

	my $written = POSIX::write($fd, $data, length $data);
	croak "could not write to a program: $!" unless $written || $! == EPIPE;
	return $written || length $data;
};

1;
