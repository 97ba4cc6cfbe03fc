import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Produces records by Apicurio's own serializer of Avro, which registers their
 * schema.
 *
 * Arguments: brokers, registry, topic, the file of a schema, then any of the
 * serializer's options as NAME=VALUE; what is left is a record each, of fields
 * of strings as NAME:VALUE,NAME:VALUE.
 */
public class ApicurioProducer {
    public static void main(String[] args) throws Exception {
        Map<String, Object> options = new HashMap<>(Map.of(
                "bootstrap.servers", args[0],
                "apicurio.registry.url", args[1],
                "apicurio.registry.auto-register", true));
        Schema schema = new Schema.Parser().parse(
                Files.readString(Path.of(args[3])));
        int next = 4;

        for (; next < args.length && args[next].contains("="); next++) {
            String[] option = args[next].split("=", 2);
            options.put(option[0], option[1]);
        }
        try (AvroKafkaSerializer<Object> values = new AvroKafkaSerializer<>()) {
            values.configure(options, false);
            try (KafkaProducer<String, Object> producer = new KafkaProducer<>(
                    options, new StringSerializer(), values)) {
                for (; next < args.length; next++) {
                    GenericRecordBuilder value = new GenericRecordBuilder(schema);
                    for (String field : args[next].split(",")) {
                        String[] pair = field.split(":", 2);
                        value.set(pair[0], pair[1]);
                    }
                    producer.send(new ProducerRecord<>(args[2], "k",
                            value.build())).get();
                }
            }
        }
    }
}
