// Sends one visit of a user with KafkaJS: node producer.js [USER_ID]

import { randomUUID } from "node:crypto";
import { Kafka, Partitioners, logLevel } from "kafkajs";

const broker = process.env.UBI_BROKER ?? "127.0.0.1:9092";
const topic = process.env.UBI_EVENTS_TOPIC_NAME ?? "ubi.events";
const userId = process.argv[2] ?? "u-1";
const sessionId = randomUUID();

// One event, with an id of its own: sent twice, it counts once.
const event = (eventType, properties) => ({
  event_id: randomUUID(),
  event_time: new Date().toISOString(),
  event_type: eventType,
  user_id: userId,
  session_id: sessionId,
  properties,
});

const visit = ["view", "cart", "purchase"].map((type) => event(type, { category: "shoes", price: 59.9 }));

const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.ERROR });
const producer = kafka.producer({
  createPartitioner: Partitioners.DefaultPartitioner, // that of Kafka's Java client
  idempotent: true,
});
await producer.connect();
try {
  const acknowledged = await producer.send({
    topic,
    acks: -1,
    messages: visit.map((one) => ({ key: userId, value: JSON.stringify(one) })),
  });
  for (const { partition, baseOffset } of acknowledged) {
    console.log(`${visit.length} events: partition ${partition}, from offset ${baseOffset}`);
  }
} finally {
  await producer.disconnect();
}
