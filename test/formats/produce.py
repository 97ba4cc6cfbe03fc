"""produce.py BROKERS REGISTRY: payloads by Confluent's serializers.

Each line of input is a call: {"topic", "format": "avro" | "protobuf" | "json",
"schema", "value", "headers": true for the id of the schema in a header,
"message": name of a message of sample.proto, "references": [...]}.  Prints the
hexadecimal bytes of each payload.
"""

import json
import os
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import (
    Schema, SchemaReference, SchemaRegistryClient,
    header_schema_id_serializer)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

brokers, registry = sys.argv[1:3]
client = SchemaRegistryClient({"url": registry})
producer = Producer({"bootstrap.servers": brokers})


def avro(call, conf):
    references = [SchemaReference(*r) for r in call.get("references", [])]
    return AvroSerializer(client, Schema(json.dumps(call["schema"]), "AVRO",
                                         references), conf=conf), call["value"]


def protobuf(call, conf):
    from google.protobuf import (
        descriptor_pb2, descriptor_pool, json_format, message_factory)
    import base64
    files = descriptor_pb2.FileDescriptorSet.FromString(
        base64.b64decode(call["schema"]))
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    kind = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(call["message"]))
    value = json_format.ParseDict(call["value"], kind())
    return ProtobufSerializer(kind, client, dict(
        conf, **{"use.deprecated.format": False,
                 "skip.known.types": True})), value


def send(call):
    conf = {"schema.id.serializer": header_schema_id_serializer} \
        if call.get("headers") else {}
    context = SerializationContext(call["topic"], MessageField.VALUE, [])
    serializer, value = {"avro": avro, "protobuf": protobuf}[call["format"]](
        call, conf)
    payload = serializer(value, context)
    producer.produce(call["topic"], value=payload, headers=context.headers)
    producer.flush()
    return payload


for line in sys.stdin:
    print(send(json.loads(line)).hex(), flush=True)
