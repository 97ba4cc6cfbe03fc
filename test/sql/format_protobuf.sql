-- Protocol Buffers: what Google's protobuf wrote, and what nobody should.
\set VERBOSITY terse
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION decoded(options jsonb, payload text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	letter bigint;
	result text;
BEGIN
	PERFORM evaudit.create_topic('decoded', options => options || '{"keep": true}');
	INSERT INTO evaudit.dead_letter_store (owner, owner_oid, source, topic, payload, reason, error)
	VALUES (current_user, current_user::regrole, 's', 'decoded', decode(payload, 'hex'), 'x', 'then')
	RETURNING id INTO letter;
	PERFORM evaudit.redrive(ARRAY[letter]);
	SELECT d.reason || ': ' || d.error INTO result FROM evaudit.dead_letters d WHERE id = letter AND redriven_at IS NULL;
	IF NOT FOUND THEN
		SELECT e.payload INTO result FROM evaudit.events e WHERE topic = 'decoded';
	END IF;
	DELETE FROM evaudit.events WHERE topic = 'decoded';
	PERFORM evaudit.drop_topic('decoded');
	RETURN result;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
-- by test/formats/vectors.py: proto
CREATE TEMP TABLE schemas (option text, schema text);
CREATE TEMP TABLE vectors (name text, payload text, expected jsonb);
INSERT INTO schemas VALUES ('descriptor_set', 'CuQBChlnb29nbGUvcHJvdG9idWYvYW55LnByb3RvEg9nb29nbGUucHJvdG9idWYiNgoDQW55EhkKCHR5cGVfdXJsGAEgASgJUgd0eXBlVXJsEhQKBXZhbHVlGAIgASgMUgV2YWx1ZUJ2ChNjb20uZ29vZ2xlLnByb3RvYnVmQghBbnlQcm90b1ABWixnb29nbGUuZ29sYW5nLm9yZy9wcm90b2J1Zi90eXBlcy9rbm93bi9hbnlwYqICA0dQQqoCHkdvb2dsZS5Qcm90b2J1Zi5XZWxsS25vd25UeXBlc2IGcHJvdG8zCvsBCh5nb29nbGUvcHJvdG9idWYvZHVyYXRpb24ucHJvdG8SD2dvb2dsZS5wcm90b2J1ZiI6CghEdXJhdGlvbhIYCgdzZWNvbmRzGAEgASgDUgdzZWNvbmRzEhQKBW5hbm9zGAIgASgFUgVuYW5vc0KDAQoTY29tLmdvb2dsZS5wcm90b2J1ZkINRHVyYXRpb25Qcm90b1ABWjFnb29nbGUuZ29sYW5nLm9yZy9wcm90b2J1Zi90eXBlcy9rbm93bi9kdXJhdGlvbnBi+AEBogIDR1BCqgIeR29vZ2xlLlByb3RvYnVmLldlbGxLbm93blR5cGVzYgZwcm90bzMKvgEKG2dvb2dsZS9wcm90b2J1Zi9lbXB0eS5wcm90bxIPZ29vZ2xlLnByb3RvYnVmIgcKBUVtcHR5Qn0KE2NvbS5nb29nbGUucHJvdG9idWZCCkVtcHR5UHJvdG9QAVouZ29vZ2xlLmdvbGFuZy5vcmcvcHJvdG9idWYvdHlwZXMva25vd24vZW1wdHlwYvgBAaICA0dQQqoCHkdvb2dsZS5Qcm90b2J1Zi5XZWxsS25vd25UeXBlc2IGcHJvdG8zCuYBCiBnb29nbGUvcHJvdG9idWYvZmllbGRfbWFzay5wcm90bxIPZ29vZ2xlLnByb3RvYnVmIiEKCUZpZWxkTWFzaxIUCgVwYXRocxgBIAMoCVIFcGF0aHNChQEKE2NvbS5nb29nbGUucHJvdG9idWZCDkZpZWxkTWFza1Byb3RvUAFaMmdvb2dsZS5nb2xhbmcub3JnL3Byb3RvYnVmL3R5cGVzL2tub3duL2ZpZWxkbWFza3Bi+AEBogIDR1BCqgIeR29vZ2xlLlByb3RvYnVmLldlbGxLbm93blR5cGVzYgZwcm90bzMK4gUKHGdvb2dsZS9wcm90b2J1Zi9zdHJ1Y3QucHJvdG8SD2dvb2dsZS5wcm90b2J1ZiKYAQoGU3RydWN0EjsKBmZpZWxkcxgBIAMoCzIjLmdvb2dsZS5wcm90b2J1Zi5TdHJ1Y3QuRmllbGRzRW50cnlSBmZpZWxkcxpRCgtGaWVsZHNFbnRyeRIQCgNrZXkYASABKAlSA2tleRIsCgV2YWx1ZRgCIAEoCzIWLmdvb2dsZS5wcm90b2J1Zi5WYWx1ZVIFdmFsdWU6AjgBIrICCgVWYWx1ZRI7CgpudWxsX3ZhbHVlGAEgASgOMhouZ29vZ2xlLnByb3RvYnVmLk51bGxWYWx1ZUgAUgludWxsVmFsdWUSIwoMbnVtYmVyX3ZhbHVlGAIgASgBSABSC251bWJlclZhbHVlEiMKDHN0cmluZ192YWx1ZRgDIAEoCUgAUgtzdHJpbmdWYWx1ZRIfCgpib29sX3ZhbHVlGAQgASgISABSCWJvb2xWYWx1ZRI8CgxzdHJ1Y3RfdmFsdWUYBSABKAsyFy5nb29nbGUucHJvdG9idWYuU3RydWN0SABSC3N0cnVjdFZhbHVlEjsKCmxpc3RfdmFsdWUYBiABKAsyGi5nb29nbGUucHJvdG9idWYuTGlzdFZhbHVlSABSCWxpc3RWYWx1ZUIGCgRraW5kIjsKCUxpc3RWYWx1ZRIuCgZ2YWx1ZXMYASADKAsyFi5nb29nbGUucHJvdG9idWYuVmFsdWVSBnZhbHVlcyobCglOdWxsVmFsdWUSDgoKTlVMTF9WQUxVRRAAQn8KE2NvbS5nb29nbGUucHJvdG9idWZCC1N0cnVjdFByb3RvUAFaL2dvb2dsZS5nb2xhbmcub3JnL3Byb3RvYnVmL3R5cGVzL2tub3duL3N0cnVjdHBi+AEBogIDR1BCqgIeR29vZ2xlLlByb3RvYnVmLldlbGxLbm93blR5cGVzYgZwcm90bzMK/wEKH2dvb2dsZS9wcm90b2J1Zi90aW1lc3RhbXAucHJvdG8SD2dvb2dsZS5wcm90b2J1ZiI7CglUaW1lc3RhbXASGAoHc2Vjb25kcxgBIAEoA1IHc2Vjb25kcxIUCgVuYW5vcxgCIAEoBVIFbmFub3NChQEKE2NvbS5nb29nbGUucHJvdG9idWZCDlRpbWVzdGFtcFByb3RvUAFaMmdvb2dsZS5nb2xhbmcub3JnL3Byb3RvYnVmL3R5cGVzL2tub3duL3RpbWVzdGFtcHBi+AEBogIDR1BCqgIeR29vZ2xlLlByb3RvYnVmLldlbGxLbm93blR5cGVzYgZwcm90bzMKhgQKHmdvb2dsZS9wcm90b2J1Zi93cmFwcGVycy5wcm90bxIPZ29vZ2xlLnByb3RvYnVmIiMKC0RvdWJsZVZhbHVlEhQKBXZhbHVlGAEgASgBUgV2YWx1ZSIiCgpGbG9hdFZhbHVlEhQKBXZhbHVlGAEgASgCUgV2YWx1ZSIiCgpJbnQ2NFZhbHVlEhQKBXZhbHVlGAEgASgDUgV2YWx1ZSIjCgtVSW50NjRWYWx1ZRIUCgV2YWx1ZRgBIAEoBFIFdmFsdWUiIgoKSW50MzJWYWx1ZRIUCgV2YWx1ZRgBIAEoBVIFdmFsdWUiIwoLVUludDMyVmFsdWUSFAoFdmFsdWUYASABKA1SBXZhbHVlIiEKCUJvb2xWYWx1ZRIUCgV2YWx1ZRgBIAEoCFIFdmFsdWUiIwoLU3RyaW5nVmFsdWUSFAoFdmFsdWUYASABKAlSBXZhbHVlIiIKCkJ5dGVzVmFsdWUSFAoFdmFsdWUYASABKAxSBXZhbHVlQoMBChNjb20uZ29vZ2xlLnByb3RvYnVmQg1XcmFwcGVyc1Byb3RvUAFaMWdvb2dsZS5nb2xhbmcub3JnL3Byb3RvYnVmL3R5cGVzL2tub3duL3dyYXBwZXJzcGL4AQGiAgNHUEKqAh5Hb29nbGUuUHJvdG9idWYuV2VsbEtub3duVHlwZXNiBnByb3RvMwrcEwoMc2FtcGxlLnByb3RvEgh0LnNhbXBsZRoZZ29vZ2xlL3Byb3RvYnVmL2FueS5wcm90bxoeZ29vZ2xlL3Byb3RvYnVmL2R1cmF0aW9uLnByb3RvGhtnb29nbGUvcHJvdG9idWYvZW1wdHkucHJvdG8aIGdvb2dsZS9wcm90b2J1Zi9maWVsZF9tYXNrLnByb3RvGhxnb29nbGUvcHJvdG9idWYvc3RydWN0LnByb3RvGh9nb29nbGUvcHJvdG9idWYvdGltZXN0YW1wLnByb3RvGh5nb29nbGUvcHJvdG9idWYvd3JhcHBlcnMucHJvdG8i8AIKB1NjYWxhcnMSDAoBZBgBIAEoAVIBZBIMCgFmGAIgASgCUgFmEhAKA2kzMhgDIAEoBVIDaTMyEhAKA2k2NBgEIAEoA1IDaTY0EhAKA3UzMhgFIAEoDVIDdTMyEhAKA3U2NBgGIAEoBFIDdTY0EhAKA3MzMhgHIAEoEVIDczMyEhAKA3M2NBgIIAEoElIDczY0EhAKA3gzMhgJIAEoB1IDeDMyEhAKA3g2NBgKIAEoBlIDeDY0EhIKBHN4MzIYCyABKA9SBHN4MzISEgoEc3g2NBgMIAEoEFIEc3g2NBIMCgFiGA0gASgIUgFiEhYKAXMYDiABKAlCAhgBUgdub3RVc2VkEgwKAXkYDyABKAxSAXkSIgoEa2luZBgQIAEoDjIOLnQuc2FtcGxlLktpbmRSBGtpbmQSGQoFbWF5YmUYESABKAVIAFIFbWF5YmWIAQFCCAoGX21heWJlSggIZBCAgICAAlIDb2xkUgVvbGRlciK0AQoFTGlzdHMSFgoGcGFja2VkGAEgAygFUgZwYWNrZWQSGAoFbG9vc2UYAiADKBJCAhAAUgVsb29zZRIUCgVuYW1lcxgDIAMoCVIFbmFtZXMSIwoDYWxsGAQgAygLMhEudC5zYW1wbGUuU2NhbGFyc1IDYWxsEiQKBWtpbmRzGAUgAygOMg4udC5zYW1wbGUuS2luZFIFa2luZHMSGAoFcmVhbHMYBiADKAFCAhABUgVyZWFscyLzAwoETWFwcxIyCgZjb3VudHMYASADKAsyGi50LnNhbXBsZS5NYXBzLkNvdW50c0VudHJ5UgZjb3VudHMSLwoFbmFtZXMYAiADKAsyGS50LnNhbXBsZS5NYXBzLk5hbWVzRW50cnlSBW5hbWVzEi8KBWlubmVyGAMgAygLMhkudC5zYW1wbGUuTWFwcy5Jbm5lckVudHJ5UgVpbm5lchIvCgVraW5kcxgEIAMoCzIZLnQuc2FtcGxlLk1hcHMuS2luZHNFbnRyeVIFa2luZHMaOQoLQ291bnRzRW50cnkSEAoDa2V5GAEgASgJUgNrZXkSFAoFdmFsdWUYAiABKANSBXZhbHVlOgI4ARo4CgpOYW1lc0VudHJ5EhAKA2tleRgBIAEoBVIDa2V5EhQKBXZhbHVlGAIgASgJUgV2YWx1ZToCOAEaTgoKSW5uZXJFbnRyeRIQCgNrZXkYASABKAhSA2tleRIqCgV2YWx1ZRgCIAEoCzIULnQuc2FtcGxlLk1hcHMuSW5uZXJSBXZhbHVlOgI4ARoVCgVJbm5lchIMCgF4GAEgASgJUgF4GkgKCktpbmRzRW50cnkSEAoDa2V5GAEgASgEUgNrZXkSJAoFdmFsdWUYAiABKA4yDi50LnNhbXBsZS5LaW5kUgV2YWx1ZToCOAEijQEKBkNob2ljZRIYCgZudW1iZXIYASABKAVIAFIGbnVtYmVyEhQKBHRleHQYAiABKAlIAFIEdGV4dBIlCgNhbGwYAyABKAsyES50LnNhbXBsZS5TY2FsYXJzSABSA2FsbBIkCgRuZXh0GAQgASgLMhAudC5zYW1wbGUuQ2hvaWNlUgRuZXh0QgYKBHdoYXQi+AQKBUtub3duEioKAmF0GAEgASgLMhouZ29vZ2xlLnByb3RvYnVmLlRpbWVzdGFtcFICYXQSLQoEdG9vaxgCIAEoCzIZLmdvb2dsZS5wcm90b2J1Zi5EdXJhdGlvblIEdG9vaxIrCgRmcmVlGAMgASgLMhcuZ29vZ2xlLnByb3RvYnVmLlN0cnVjdFIEZnJlZRIzCglhbnlfdmFsdWUYBCABKAsyFi5nb29nbGUucHJvdG9idWYuVmFsdWVSCGFueVZhbHVlEi4KBGxpc3QYBSABKAsyGi5nb29nbGUucHJvdG9idWYuTGlzdFZhbHVlUgRsaXN0EiYKA2FueRgGIAEoCzIULmdvb2dsZS5wcm90b2J1Zi5BbnlSA2FueRIsCgVlbXB0eRgHIAEoCzIWLmdvb2dsZS5wcm90b2J1Zi5FbXB0eVIFZW1wdHkSLgoEbWFzaxgIIAEoCzIaLmdvb2dsZS5wcm90b2J1Zi5GaWVsZE1hc2tSBG1hc2sSNQoHd3JhcHBlZBgJIAEoCzIbLmdvb2dsZS5wcm90b2J1Zi5JbnQ2NFZhbHVlUgd3cmFwcGVkEjAKBHRleHQYCiABKAsyHC5nb29nbGUucHJvdG9idWYuU3RyaW5nVmFsdWVSBHRleHQSLgoEZmxhZxgLIAEoCzIaLmdvb2dsZS5wcm90b2J1Zi5Cb29sVmFsdWVSBGZsYWcSLQoDcmF3GAwgASgLMhsuZ29vZ2xlLnByb3RvYnVmLkJ5dGVzVmFsdWVSA3JhdxI0Cgdub3RoaW5nGA0gASgOMhouZ29vZ2xlLnByb3RvYnVmLk51bGxWYWx1ZVIHbm90aGluZyKDAgoFT3V0ZXISLgoGbWlkZGxlGAEgASgLMhYudC5zYW1wbGUuT3V0ZXIuTWlkZGxlUgZtaWRkbGUSKgoFb3RoZXIYAiABKAsyFC50LnNhbXBsZS5NYXBzLklubmVyUgVvdGhlchqdAQoGTWlkZGxlEjIKBWlubmVyGAEgASgLMhwudC5zYW1wbGUuT3V0ZXIuTWlkZGxlLklubmVyUgVpbm5lchpfCgVJbm5lchIiCgRraW5kGAEgASgOMg4udC5zYW1wbGUuS2luZFIEa2luZBIyCgVhZ2FpbhgCIAEoCzIcLnQuc2FtcGxlLk91dGVyLk1pZGRsZS5Jbm5lclIFYWdhaW4qXwoES2luZBIOCgpLSU5EX1VOU0VUEAASCgoGS0lORF9BEAESDwoLS0lORF9BTFNPX0EQARIaCg1LSU5EX05FR0FUSVZFEPv//////////wEaAhABIgQIBxAHIgQICRALMjwKB05vdGhpbmcSMQoEQ2FsbBIRLnQuc2FtcGxlLlNjYWxhcnMaDy50LnNhbXBsZS5MaXN0cyIDiAIBMAFCEQoPY29tLmV4YW1wbGUuInQiYgZwcm90bzM=');
INSERT INTO schemas VALUES ('proto', 'syntax = "proto3";
// What test/formats/vectors.py writes messages of.
package t.sample;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
option java_package = "com.example.\"t\"";
enum Kind { option allow_alias = true; KIND_UNSET = 0; KIND_A = 1; KIND_ALSO_A = 1; KIND_NEGATIVE = -5; reserved 7, 9 to 11; }
message Scalars {
	double d = 1; float f = 2; int32 i32 = 3; int64 i64 = 4; uint32 u32 = 5; uint64 u64 = 6;
	sint32 s32 = 7; sint64 s64 = 8; fixed32 x32 = 9; fixed64 x64 = 10; sfixed32 sx32 = 11; sfixed64 sx64 = 12;
	bool b = 13; string s = 14 [json_name = "notUsed", deprecated = true]; bytes y = 15; Kind kind = 16;
	optional int32 maybe = 17; /* has presence */ reserved "old", ''older''; reserved 100 to max;
}
message Lists {
	repeated int32 packed = 1; repeated sint64 loose = 2 [packed = false]; repeated string names = 3;
	repeated Scalars all = 4; repeated Kind kinds = 5; repeated double reals = 6 [packed=true];
}
message Maps { map<string, int64> counts = 1; map<int32, string> names = 2; map<bool, Inner> inner = 3; message Inner { string x = 1; } map<uint64, Kind> kinds = 0x4; }
message Choice { oneof what { int32 number = 1; string text = 2; Scalars all = 3; } Choice next = 4; }
message Known {
	google.protobuf.Timestamp at = 1; google.protobuf.Duration took = 2; google.protobuf.Struct free = 3;
	google.protobuf.Value any_value = 4; google.protobuf.ListValue list = 5; google.protobuf.Any any = 6;
	google.protobuf.Empty empty = 7; google.protobuf.FieldMask mask = 8; google.protobuf.Int64Value wrapped = 9;
	google.protobuf.StringValue text = 10; .google.protobuf.BoolValue flag = 11; google.protobuf.BytesValue raw = 12;
	google.protobuf.NullValue nothing = 13;
}
message Outer { message Middle { message Inner { Kind kind = 1; Outer.Middle.Inner again = 2; } Inner inner = 1; } Middle middle = 1; t.sample.Maps.Inner other = 2; }
service Nothing { rpc Call (Scalars) returns (stream Lists) { option deprecated = true; } }
');
INSERT INTO vectors VALUES ('t.sample.Scalars', '09000000000000d0bf150000003f18ffffffffffffffffff01208080808080808080800128ffffffff0f30ffffffffffffffffff0138ffffffff0f40054d070000005109000000000000005df9ffffff61f7ffffffffffffff68017203c3a9227a0200ff800101880100', '{"d": -0.25, "f": 0.5, "i32": -1, "i64": -9223372036854775808, "u32": 4294967295, "u64": 18446744073709551615, "s32": -2147483648, "s64": -3, "x32": 7, "x64": 9, "sx32": -7, "sx64": -9, "b": true, "s": "\u00e9\"", "y": "AP8=", "kind": "KIND_A", "maybe": 0}');
INSERT INTO vectors VALUES ('t.sample.Scalars', '', '{"d": 0, "f": 0, "i32": 0, "i64": 0, "u32": 0, "u64": 0, "s32": 0, "s64": 0, "x32": 0, "x64": 0, "sx32": 0, "sx64": 0, "b": false, "s": "", "y": "", "kind": "KIND_UNSET"}');
INSERT INTO vectors VALUES ('t.sample.Scalars', '09000000000000f87f15000080ff800163', '{"d": "NaN", "f": "-Infinity", "i32": 0, "i64": 0, "u32": 0, "u64": 0, "s32": 0, "s64": 0, "x32": 0, "x64": 0, "sx32": 0, "sx64": 0, "b": false, "s": "", "y": "", "kind": 99}');
INSERT INTO vectors VALUES ('t.sample.Scalars', '8001fbffffffffffffffff01', '{"d": 0, "f": 0, "i32": 0, "i64": 0, "u32": 0, "u64": 0, "s32": 0, "s64": 0, "x32": 0, "x64": 0, "sx32": 0, "sx64": 0, "b": false, "s": "", "y": "", "kind": "KIND_NEGATIVE"}');
INSERT INTO vectors VALUES ('t.sample.Lists', '0a0d01ffffffffffffffffff01ac02100110041a01611a00220218052a0300012a3210000000000000e03f000000000000f8bf', '{"packed": [1, -1, 300], "loose": [-1, 2], "names": ["a", ""], "all": [{"d": 0, "f": 0, "i32": 5, "i64": 0, "u32": 0, "u64": 0, "s32": 0, "s64": 0, "x32": 0, "x64": 0, "sx32": 0, "sx64": 0, "b": false, "s": "", "y": "", "kind": "KIND_UNSET"}], "kinds": ["KIND_UNSET", "KIND_A", 42], "reals": [0.5, -1.5]}');
INSERT INTO vectors VALUES ('t.sample.Lists', '', '{"packed": [], "loose": [], "names": [], "all": [], "kinds": [], "reals": []}');
INSERT INTO vectors VALUES ('t.sample.Maps', '0a050a016110010a0d0a0010feffffffffffffffff01120e08ffffffffffffffffff011201781204080012001a08080112040a02696e1a0408001200220d08ffffffffffffffffff011001', '{"counts": {"a": 1, "": -2}, "names": {"-1": "x", "0": ""}, "inner": {"true": {"x": "in"}, "false": {"x": ""}}, "kinds": {"18446744073709551615": "KIND_A"}}');
INSERT INTO vectors VALUES ('t.sample.Choice', '120022020800', '{"text": "", "next": {"number": 0}}');
INSERT INTO vectors VALUES ('t.sample.Choice', '', '{}');
INSERT INTO vectors VALUES ('t.sample.Known', '0a0b08df90ae970610809c9c39120b10a0b9a4ffffffffffff011a2f0a230a0161121e321c0a0911000000000000f03f0a0208000a0b2a090a070a0162120220000a080a016312031a017822091100000000000000002a090a0220010a031a017932290a23747970652e676f6f676c65617069732e636f6d2f742e73616d706c652e43686f696365120208073a0042120a09757365725f6e616d650a05612e625f634a0052030a017a5a0062030a0101', '{"at": "2022-08-04T08:50:39.120Z", "took": "-0.001500s", "free": {"a": [1, null, {"b": false}], "c": "x"}, "any_value": 0, "list": [true, "y"], "any": {"@type": "type.googleapis.com/t.sample.Choice", "number": 7}, "empty": {}, "mask": "userName,a.bC", "wrapped": 0, "text": "z", "flag": false, "raw": "AQ==", "nothing": null}');
INSERT INTO vectors VALUES ('t.sample.Known', '0a0b088092b8c398feffffff0112070880bcaece970922020800322f0a2d747970652e676f6f676c65617069732e636f6d2f676f6f676c652e70726f746f6275662e54696d657374616d70', '{"any": {"@type": "type.googleapis.com/google.protobuf.Timestamp", "value": "1970-01-01T00:00:00Z"}, "any_value": null, "at": "0001-01-01T00:00:00Z", "took": "315576000000s", "nothing": null}');
INSERT INTO vectors VALUES ('t.sample.Outer', '0a060a041202080112030a016f', '{"middle": {"inner": {"kind": "KIND_UNSET", "again": {"kind": "KIND_A"}}}, "other": {"x": "o"}}');
CREATE FUNCTION pg_temp.proto(option text, message text, payload text, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT left(decoded(jsonb_build_object('format', 'protobuf', option, schema, 'message', message) || more, payload), 400) FROM schemas s WHERE s.option = proto.option
$$;
SELECT option, name, coalesce(nullif(got, expected::text), 'as expected')
FROM schemas, vectors, decoded(jsonb_build_object('format', 'protobuf', option, schema, 'message', name), payload) AS got;
-- the order and repetition of fields: the last scalar counts, messages merge, of a oneof the last member is there
SELECT pg_temp.proto('proto', 't.sample.' || m, p) FROM (VALUES
	('Choice', '08010802'), ('Choice', '0801120178'), ('Choice', '1201780801'), ('Choice', '1a021805' || '1a022006'), ('Choice', '1a021805' || '0801' || '1a022006'),
	('Choice', '22020801' || '2203120178'), ('Lists', '0801' || '0a020203' || '0804'), ('Lists', '10011003' || '12020507'),
	('Maps', '0a05' || '0a016110010a05' || '0a01611002'), ('Maps', '0a00'), ('Maps', '1a0412020a00'), ('Maps', '1a00')) v (m, p);
-- what is not declared, or on the wire as something else, is ignored; so are groups
SELECT pg_temp.proto('proto', 't.sample.Choice', p) FROM unnest(ARRAY['c83e01', 'ca3e0161', 'c93e0102030405060708', 'cd3e01020304',
	'cb3e0801cc3e', 'cb3ecb3ecc3ecc3e' || '0807', '0d01000000', '0a00', '1001', '0b0c' || '0807']) p;
-- malformed
SELECT pg_temp.proto('proto', 't.sample.' || m, p) FROM (VALUES
	('Choice', '08'), ('Choice', '0880'), ('Choice', '08ffffffffffffffffff02'), ('Choice', '1202'), ('Choice', '120578'), ('Choice', '00'), ('Choice', '0e'), ('Choice', '0f'),
	('Choice', '1201ff'), ('Choice', '120100'), ('Choice', 'cb3e'), ('Choice', 'cb3ed43e'), ('Choice', 'cc3e'), ('Choice', '12feffffffffffffffff01'),
	('Choice', '8080808080808080808001'), ('Lists', '0a0180'), ('Lists', '320100'), ('Scalars', '09000000'), ('Known', '0a07088083d1ffaf07'), ('Known', '0a0b08ff91b8c398feffffff01'), ('Known', '0a080800108094ebdc03'), ('Known', '0a0d080010ffffffffffffffffff01'), ('Known', '12070881bcaece9709'), ('Known', '120d080110ffffffffffffffffff01'), ('Known', '120d08ffffffffffffffffff011001')) v (m, p);
SELECT pg_temp.proto('proto', 't.sample.Choice', repeat('cb3e', 100) || repeat('cc3e', 100)), pg_temp.proto('proto', 't.sample.Choice', repeat('cb3e', 101) || repeat('cc3e', 101));
-- deep, and many: bounded
CREATE FUNCTION pg_temp.nested(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	b bytea = '';
	len int;
BEGIN
	FOR i IN 1..n LOOP
		len = length(b);
		b = '\x22'::bytea || CASE WHEN len < 128 THEN set_byte('\x00', 0, len) ELSE set_byte(set_byte('\x0000', 0, 128 | (len & 127)), 1, len >> 7) END || b;
	END LOOP;
	RETURN encode(b, 'hex');
END $$;
SELECT length(pg_temp.proto('proto', 't.sample.Choice', pg_temp.nested(99))), pg_temp.proto('proto', 't.sample.Choice', pg_temp.nested(100));
SELECT left(pg_temp.proto('proto', 't.sample.Lists', repeat('2200', 300)), 60), pg_temp.proto('proto', 't.sample.Lists', repeat('2200', 1000));
SELECT pg_temp.proto('proto', 't.sample.Scalars', '7a14' || repeat('00', 20), '{"max_payload_bytes": 100}');
-- schemas
CREATE FUNCTION pg_temp.schema(source text, message text DEFAULT 'M', payload text DEFAULT '') RETURNS text LANGUAGE sql
	RETURN decoded(jsonb_build_object('format', 'protobuf', 'proto', source, 'message', message), payload);
SELECT s, pg_temp.schema(s) FROM unnest(ARRAY['', 'message M {}', 'message M { optional int32 a = 1; }', 'message M { required int32 a = 1; repeated int32 b = 2; }', 'syntax = "proto4";',
	'edition = "2023"; message M {}', 'message M {', 'message M { int32 a = 1 }', 'message M { int32 a = 0; }', 'message M { int32 a = 536870912; }', 'message M { int32 a = x; }',
	'message M { int32 a = 1; int32 b = 1; }', 'message M { N a = 1; }', 'message M {} message M {}', 'message M { enum E {} E e = 1; }', 'syntax = "proto3"; message M { enum E { A = 0; } E e = 1; message message { } message m = 2; int32 reserved = 3; }',
	'message M { map<float, int32> a = 1; }', 'message M { map<string, M> a = 1; }', 'message M { oneof o { int32 a = 1; } extensions 100 to 200; }', '/* no end', 'message M { string s = 1 [default = "a;b}"]; }',
	'message M { optional group G = 1 { optional int32 a = 2; } optional int32 b = 3; }', 'import public "x.proto"; package a.b; message M {}', '"', 'message M { enum E { A = 99999999999; } }', 'message M { option (x) = { a: [1, 2] b { } }; }', 'x']) s;
SELECT pg_temp.schema('package a.b; message M { optional c.N n = 1; } message c { message N { optional .a.b.M m = 1; } }', 'a.b.M', '0a020a00');
SELECT pg_temp.schema(repeat('message M { ', 33)), left(pg_temp.schema(repeat('message M { ', 32) || repeat('}', 32)), 90);
SELECT pg_temp.schema('message M { option x = ' || repeat('{', 101));
SELECT decoded(o, '') FROM unnest(ARRAY['{"format": "protobuf"}', '{"format": "protobuf", "message": "M"}', '{"format": "protobuf", "message": "M", "proto": "message M {}", "descriptor_set": ""}',
	'{"format": "protobuf", "proto": "message M {}"}', '{"format": "protobuf", "proto": "message M {}", "message": "N"}', '{"format": "protobuf", "descriptor_set": "*", "message": "N"}', '{"format": "protobuf", "descriptor_set": "", "message": "N"}',
	'{"format": "protobuf", "descriptor_set": "CgE=", "message": "N"}', '{"format": "protobuf", "framing": "confluent", "proto": "x"}', '{"format": "protobuf", "framing": "glue"}']::jsonb[]) o;
DELETE FROM evaudit.dead_letter_store;
DROP FUNCTION decoded CASCADE;
