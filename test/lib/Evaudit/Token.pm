
=pod

=head1 NAME

Evaudit::Token - an issuer of tokens, its key and its tokens

=head1 SYNOPSIS

  my $issuer = Evaudit::Token->new($dir);
  $issuer->keys;                              # {"keys": [{"key": "..."}]}
  my $token = $issuer->token(sub => 'Alice'); # valid for an hour, RS256

The key is made by C<openssl>, in a directory that exists.

=cut

package Evaudit::Token;

use strict;
use warnings;

use Carp;
use Evaudit::Pipes;
use IPC::Run;
use JSON::PP;
use MIME::Base64 qw(encode_base64 encode_base64url);

sub openssl
{
	my ($in, @args) = @_;
	my ($out, $err);

	IPC::Run::run([ 'openssl', @args ], '<', \$in, '>', \$out, '2>', \$err)
	  or croak "openssl @args: $err";
	return $out;
}

sub new
{
	my ($class, $dir) = @_;
	my $key = "$dir/token.key";

	openssl('', 'genrsa', '-out', $key, '2048');
	return bless { key => $key }, $class;
}

# The public key as event gateways are given it.
sub keys
{
	my ($self) = @_;
	my $der = openssl('', 'pkey', '-in', $self->{key}, '-pubout', '-outform', 'DER');

	return encode_json({ keys => [ { key => encode_base64($der, '') } ] });
}

sub token
{
	my ($self, %claims) = @_;
	my $text = join '.', map { encode_base64url(encode_json($_)) } (
		{ alg => 'RS256', typ => 'JWT' },
		{ iat => time() - 10, exp => time() + 3600, %claims });

	return $text . '.' . encode_base64url(
		openssl($text, 'dgst', '-sha256', '-sign', $self->{key}, '-binary'));
}

1;
