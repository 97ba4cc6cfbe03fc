// sqs-consumer with batches: so many consumers in a process, each with a
// connection of its own.
//
//   consumer.js QUEUE_URL CONSUMERS STATEMENT_FILE

import { readFileSync } from "node:fs";
import { SQSClient } from "@aws-sdk/client-sqs";
import pg from "pg";
import { Consumer } from "sqs-consumer";

const [queueUrl, consumers, statement] = process.argv.slice(2);
const text = readFileSync(statement, "utf8");
const columns = ["user_id", "service_id", "service_name", "timestamp"];
const pool = new pg.Pool({ max: Number(consumers) });
const sqs = new SQSClient({
  region: "us-east-1",
  endpoint: new URL(queueUrl).origin,
  credentials: { accessKeyId: "x", secretAccessKey: "y" },
});

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function merge(messages) {
  const logins = messages.map((message) => JSON.parse(message.Body));
  const values = columns.map((column) => logins.map((login) => login[column]));
  await pool.query({ name: "merge", text, values });
  return messages;
}

for (let i = 0; i < Number(consumers); i++) {
  const consumer = Consumer.create({
    queueUrl,
    sqs,
    batchSize: 10,
    waitTimeSeconds: 1,
    handleMessageBatch: merge,
  });
  consumer.on("error", fail);
  consumer.on("processing_error", fail);
  consumer.start();
}
