import java.time.Instant;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends one visit of a user with Kafka's own client: java -cp "JARS/*" Producer.java [USER_ID] */
public class Producer {

    public static void main(String[] arguments) throws Exception {
        String userId = arguments.length > 0 ? arguments[0] : "u-1";
        String sessionId = UUID.randomUUID().toString();
        String topic = setting("UBI_EVENTS_TOPIC_NAME", "ubi.events");

        var options = new Properties();
        options.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, setting("UBI_BROKER", "127.0.0.1:9092"));
        options.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        options.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        // Its defaults are right: the partition by the key, acknowledged by all replicas, idempotent.
        try (var producer = new KafkaProducer<String, String>(options)) {
            for (String eventType : new String[] {"view", "cart", "purchase"}) {
                var event = event(eventType, userId, sessionId);
                var sent = producer.send(new ProducerRecord<>(topic, userId, event)).get();
                System.out.printf("%s: partition %d, offset %d%n", eventType, sent.partition(), sent.offset());
            }
        }
    }

    /** One event, with an id of its own: sent twice, it counts once. */
    private static String event(String eventType, String userId, String sessionId) {
        return """
                {"event_id": "%s", "event_time": "%s", "event_type": "%s", "user_id": "%s", "session_id": "%s",
                 "properties": {"category": "shoes", "price": 59.9}}"""
                .formatted(UUID.randomUUID(), Instant.now(), eventType, escaped(userId), sessionId);
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\"", "\\\"");
    }

    private static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }
}
