"""vectors.py: payloads in Avro and Protocol Buffers, by fastavro and protobuf.

Prints the INSERTs of test/sql/format_avro.sql and format_protobuf.sql: a name,
the schema, the bytes in hexadecimal, and the JSON that they stand for, which is
made of the values here and not by any code of evaudit.
"""

import datetime
import decimal
import io
import json
import struct
import sys
import uuid

import fastavro

UTC = datetime.timezone.utc


def record(*fields):
    return {"type": "record", "name": "R", "namespace": "t", "fields": [
        {"name": "f%d" % i, "type": field} for i, field in enumerate(fields)]}


def logical(of, name, **more):
    return dict({"type": of, "logicalType": name}, **more)


NODE = {"type": "record", "name": "Node", "namespace": "t.list", "fields": [
    {"name": "value", "type": "int"},
    {"name": "next", "type": ["null", "Node"]}]}
FIXED = {"type": "fixed", "name": "F4", "size": 4}
ENUM = {"type": "enum", "name": "Color", "symbols": ["RED", "GREEN"]}


def avro_cases():
    yield "primitives", record(
        "null", "boolean", "int", "long", "float", "double", "bytes", "string"), \
        [None, True, -2147483648, 9223372036854775807, 1.5, -0.1, b"\0\xff\x10",
         "\u00e9\"\\\n\U0001f600"], \
        [None, True, -2147483648, 9223372036854775807, 1.5, -0.1, "AP8Q",
         "\u00e9\"\\\n\U0001f600"]
    yield "zeros", record("boolean", "int", "long", "float", "double", "bytes",
                          "string"), \
        [False, 0, 0, 0.0, 0.0, b"", ""], [False, 0, 0, 0, 0, "", ""]
    yield "numbers", record("long", "long", "double", "double", "float", "float"), \
        [-9223372036854775808, 4611686018427387904, 1e300, 5e-324,
         3.4028234663852886e38, 0.5], \
        [-9223372036854775808, 4611686018427387904, 1e300, 5e-324,
         decimal.Decimal("3.4028235e38"), 0.5]
    yield "specials", record("double", "double", "double", "float"), \
        [float("nan"), float("inf"), float("-inf"), float("nan")], \
        ["NaN", "Infinity", "-Infinity", "NaN"]
    yield "union", record(["null", "string", "long"], ["null", "string", "long"],
                          ["null", "string", "long"]), \
        [None, "x", 7], [None, "x", 7]
    yield "named", record(ENUM, FIXED, "t.Color", ["null", "t.F4"]), \
        ["GREEN", b"\1\2\3\4", "RED", b"abcd"], \
        ["GREEN", "AQIDBA==", "RED", "YWJjZA=="]
    yield "array", record({"type": "array", "items": "int"},
                          {"type": "array", "items": {"type": "array",
                                                      "items": "string"}}), \
        [[1, 2, 3], [[], ["a"], ["b", "c"]]], [[1, 2, 3], [[], ["a"], ["b", "c"]]]
    yield "map", record({"type": "map", "values": "long"},
                        {"type": "map", "values": ENUM}), \
        [{"a": 1, "\u00fc": 2}, {}], [{"a": 1, "\u00fc": 2}, {}]
    yield "recursive", NODE, {"value": 1, "next": {"value": 2, "next": None}}, \
        {"value": 1, "next": {"value": 2, "next": None}}
    yield "dates", record(
        logical("int", "date"), logical("int", "date"),
        logical("int", "time-millis"), logical("long", "time-micros"),
        logical("long", "timestamp-millis"), logical("long", "timestamp-micros"),
        logical("long", "local-timestamp-millis"),
        logical("long", "local-timestamp-micros"),
        logical("long", "timestamp-micros")), \
        [datetime.date(1969, 12, 31), datetime.date(2024, 2, 29),
         datetime.time(23, 59, 59, 999000), datetime.time(1, 2, 3, 4),
         datetime.datetime(2022, 8, 4, 8, 50, 39, 120000, UTC),
         datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
         datetime.datetime(2022, 8, 4, 8, 50, 39),
         datetime.datetime(2022, 8, 4, 8, 50, 39, 7),
         datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)], \
        ["1969-12-31", "2024-02-29", "23:59:59.999", "01:02:03.000004",
         "2022-08-04T08:50:39.120Z", "1969-12-31T23:59:59.999999Z",
         "2022-08-04T08:50:39", "2022-08-04T08:50:39.000007",
         "9999-12-31T23:59:59.999999Z"]
    yield "nanos", record(logical("long", "timestamp-nanos"),
                          logical("long", "local-timestamp-nanos")), \
        [1659603039123456789, -1], \
        ["2022-08-04T08:50:39.123456789Z", "1969-12-31T23:59:59.999999999"]
    long_decimal = decimal.Decimal("-1234567890123456789012345678901234.5678")
    yield "decimals", record(
        logical("bytes", "decimal", precision=10, scale=2),
        logical("bytes", "decimal", precision=10, scale=2),
        logical("bytes", "decimal", precision=10),
        logical("bytes", "decimal", precision=40, scale=4),
        logical("bytes", "decimal", precision=5, scale=5),
        {"type": "fixed", "name": "D", "size": 8, "logicalType": "decimal",
         "precision": 10, "scale": 3}), \
        [decimal.Decimal("1.10"), decimal.Decimal("-0.01"), decimal.Decimal(128),
         long_decimal, decimal.Decimal("0.00001"), decimal.Decimal("-128.001")], \
        [decimal.Decimal("1.10"), decimal.Decimal("-0.01"), 128, long_decimal,
         decimal.Decimal("0.00001"), decimal.Decimal("-128.001")]
    yield "others", record(
        logical("string", "uuid"),
        {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"},
        {"type": "fixed", "name": "P", "size": 12, "logicalType": "duration"},
        {"type": "fixed", "name": "Q", "size": 12, "logicalType": "duration"},
        logical("string", "date"), logical("bytes", "decimal"),
        logical("long", "unheard-of")), \
        [uuid.UUID("00010203-0405-0607-0809-0a0b0c0d0e0f"), bytes(range(16)),
         struct.pack("<III", 14, 3, 4005), struct.pack("<III", 0, 0, 0),
         "x", b"\1", 5], \
        ["00010203-0405-0607-0809-0a0b0c0d0e0f",
         "00010203-0405-0607-0809-0a0b0c0d0e0f", "P14M3DT4.005S", "PT0S", "x",
         "AQ==", 5]


def named(schema, values):
    return values if isinstance(values, dict) else \
        {"f%d" % i: value for i, value in enumerate(values)}


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def dump(value):
    """As JSON, with decimals to the last digit."""
    if isinstance(value, dict):
        return "{" + ", ".join(json.dumps(k) + ": " + dump(v)
                               for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dump, value)) + "]"
    return str(value) if isinstance(value, decimal.Decimal) else json.dumps(value)


def insert(table, *values):
    print("INSERT INTO %s VALUES (%s);" % (table, ", ".join(map(quote, values))))


def avro():
    for name, schema, values, expected in avro_cases():
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(schema),
                                   named(schema, values))
        insert("vectors", name, json.dumps(schema), out.getvalue().hex(),
               dump(named(schema, expected)))

# --- Protocol Buffers


def proto_cases(new):
    full = dict(d=-0.25, f=0.5, i32=-1, i64=-9223372036854775808, u32=4294967295,
                u64=18446744073709551615, s32=-2147483648, s64=-3, x32=7,
                x64=9, sx32=-7, sx64=-9, b=True, s="\u00e9\"", y=b"\0\xff",
                kind=1, maybe=0)
    zero = dict(d=0, f=0, i32=0, i64=0, u32=0, u64=0, s32=0, s64=0, x32=0, x64=0,
                sx32=0, sx64=0, b=False, s="", y="", kind="KIND_UNSET")
    yield "Scalars", new("Scalars", **full), \
        dict(full, y="AP8=", kind="KIND_A")
    yield "Scalars", new("Scalars"), zero
    yield "Scalars", new("Scalars", kind=99, d=float("nan"), f=float("-inf")), \
        dict(zero, kind=99, d="NaN", f="-Infinity")
    yield "Scalars", new("Scalars", kind=-5), dict(zero, kind="KIND_NEGATIVE")
    yield "Lists", new("Lists", packed=[1, -1, 300], loose=[-1, 2],
                       names=["a", ""], all=[new("Scalars", i32=5)],
                       kinds=[0, 1, 42], reals=[0.5, -1.5]), \
        dict(packed=[1, -1, 300], loose=[-1, 2], names=["a", ""],
             all=[dict(zero, i32=5)], kinds=["KIND_UNSET", "KIND_A", 42],
             reals=[0.5, -1.5])
    yield "Lists", new("Lists"), dict(packed=[], loose=[], names=[], all=[],
                                      kinds=[], reals=[])
    maps = new("Maps", counts={"a": 1, "": -2}, names={-1: "x", 0: ""},
               kinds={18446744073709551615: 1})
    maps.inner[True].x = "in"
    maps.inner[False].SetInParent()
    yield "Maps", maps, dict(counts={"a": 1, "": -2}, names={"-1": "x", "0": ""},
                             inner={"true": {"x": "in"}, "false": {"x": ""}},
                             kinds={"18446744073709551615": "KIND_A"})
    yield "Choice", new("Choice", text="", next=new("Choice", number=0)), \
        dict(text="", next=dict(number=0))
    yield "Choice", new("Choice"), dict()
    known = new("Known")
    known.at.FromJsonString("2022-08-04T08:50:39.120Z")
    known.took.FromNanoseconds(-1500000)
    known.free.update({"a": [1, None, {"b": False}], "c": "x"})
    known.any_value.number_value = 0
    known.list.extend([True, "y"])
    known.any.Pack(new("Choice", number=7))
    known.empty.SetInParent()
    known.mask.paths.extend(["user_name", "a.b_c"])
    known.wrapped.value = 0
    known.text.value = "z"
    known.flag.SetInParent()
    known.raw.value = b"\1"
    yield "Known", known, {
        "at": "2022-08-04T08:50:39.120Z", "took": "-0.001500s",
        "free": {"a": [1, None, {"b": False}], "c": "x"}, "any_value": 0,
        "list": [True, "y"], "any": {
            "@type": "type.googleapis.com/t.sample.Choice", "number": 7},
        "empty": {}, "mask": "userName,a.bC", "wrapped": 0, "text": "z",
        "flag": False, "raw": "AQ==", "nothing": None}
    known = new("Known")
    known.any.Pack(new("Known").at)
    known.any_value.null_value = 0
    known.at.seconds = -62135596800
    known.took.seconds = 315576000000
    yield "Known", known, {
        "any": {"@type": "type.googleapis.com/google.protobuf.Timestamp",
                "value": "1970-01-01T00:00:00Z"},
        "any_value": None, "at": "0001-01-01T00:00:00Z",
        "took": "315576000000s", "nothing": None}
    outer = new("Outer")
    outer.middle.inner.again.kind = 1
    outer.other.x = "o"
    yield "Outer", outer, dict(
        middle=dict(inner=dict(kind="KIND_UNSET", again=dict(kind="KIND_A"))),
        other=dict(x="o"))


def proto():
    import base64
    import os
    import tempfile
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from grpc_tools import protoc
    import grpc_tools
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.NamedTemporaryFile() as out:
        protoc.main(["", "-I" + here, "-I" + os.path.join(
            os.path.dirname(grpc_tools.__file__), "_proto"), "--include_imports",
            "--descriptor_set_out=" + out.name, "sample.proto"])
        files = descriptor_pb2.FileDescriptorSet.FromString(open(out.name, "rb").read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)

    def new(name, **values):
        return message_factory.GetMessageClass(
            pool.FindMessageTypeByName("t.sample." + name))(**values)
    insert("schemas", "descriptor_set",
           base64.b64encode(files.SerializeToString()).decode())
    insert("schemas", "proto", open(os.path.join(here, "sample.proto")).read())
    for name, message, expected in proto_cases(new):
        insert("vectors", "t.sample." + name,
               message.SerializeToString(deterministic=True).hex(), dump(expected))


if __name__ == "__main__":
    {"avro": avro, "proto": proto}[sys.argv[1]]()
