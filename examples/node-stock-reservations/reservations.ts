// How many of each article lie in open carts right now: a live view, rebuilt from the topic's beginning at each start.
//
//   npm start            # then GET http://127.0.0.1:9100/reservations
//
// Needs KAFKA_BOOTSTRAP_SERVERS and KAFKA_TOPIC (`. .dev/env`). Nothing is kept on disk, since the topic keeps everything;
// the partition's position tells what comes twice (skipped) and what is missing (the process ends, and says so).
import { createServer } from "node:http";
import { Kafka, logLevel, type KafkaMessage } from "kafkajs";

type Line = { sku: string; quantity: number };
type Cart = Map<string, number>; // quantity by sku

const topic = process.env.KAFKA_TOPIC ?? "cart-events";
const port = Number(process.env.PORT ?? 9100);
const kafka = new Kafka({
  brokers: (process.env.KAFKA_BOOTSTRAP_SERVERS ?? "127.0.0.1:9092").split(","),
  logLevel: logLevel.ERROR,
  retry: { retries: Number.MAX_SAFE_INTEGER, maxRetryTime: 2000 },
});

const positions = new Map<number, number>(); // by partition
const carts = new Map<string, Cart>(); // the open ones
const reserved = new Map<string, number>(); // quantity by sku, over all open carts

function setQuantity(cart: Cart, sku: string, quantity: number): void {
  const before = cart.get(sku) ?? 0;
  if (quantity === 0) cart.delete(sku);
  else cart.set(sku, quantity);
  const total = (reserved.get(sku) ?? 0) + quantity - before;
  if (total === 0) reserved.delete(sku);
  else reserved.set(sku, total);
}

function replaceLines(cart: Cart, lines: Line[]): void {
  for (const sku of [...cart.keys()]) setQuantity(cart, sku, 0);
  for (const line of lines) setQuantity(cart, line.sku, line.quantity);
}

// What each event does to the quantities in its cart. Those that do nothing to them are not here.
const effects: Record<string, (cart: Cart, data: any) => void> = {
  ItemAdded: (cart, data) => setQuantity(cart, data.sku, data.lineQuantity),
  ItemQuantityChanged: (cart, data) => setQuantity(cart, data.sku, data.quantity),
  ItemRemoved: (cart, data) => setQuantity(cart, data.sku, data.lineQuantity),
  CartCleared: (cart) => replaceLines(cart, []),
  CartMerged: (cart, data) => replaceLines(cart, data.items),
  CartMergedAway: (cart) => replaceLines(cart, []),
  CartCheckedOut: (cart) => replaceLines(cart, []),
  CartCancelled: (cart) => replaceLines(cart, []),
  CartExpired: (cart) => replaceLines(cart, []),
};

function apply(partition: number, message: KafkaMessage): void {
  const header = (name: string): string => String(message.headers?.[name] ?? "");
  const position = Number(header("ce_position"));
  const last = positions.get(partition) ?? 0;
  if (position <= last) return;
  if (position !== last + 1) throw new Error(`partition ${partition}: ${position} follows ${last}`);
  const cartId = header("ce_subject");
  const effect = effects[header("ce_type").split(".")[2] ?? ""];
  const cart = carts.get(cartId) ?? new Map<string, number>();
  effect?.(cart, JSON.parse(String(message.value)));
  if (cart.size === 0) carts.delete(cartId);
  else carts.set(cartId, cart);
  positions.set(partition, position);
}

function snapshot(): string {
  const sorted = <K, V>(map: Map<K, V>) => Object.fromEntries([...map].sort());
  return JSON.stringify({ positions: sorted(positions), carts: carts.size, reserved: sorted(reserved) });
}

// A group of its own for each process: every process wants every partition, from the beginning.
const consumer = kafka.consumer({ groupId: `stock-reservations-${process.pid}-${Date.now()}` });

async function main(): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      for (const message of batch.messages) {
        try {
          apply(batch.partition, message);
        } catch (error) {
          console.error(String(error));
          process.exit(1);
        }
        resolveOffset(message.offset);
      }
      await heartbeat();
    },
  });
  const server = createServer((request, response) => {
    const found = request.url === "/reservations";
    response.writeHead(found ? 200 : 404, { "content-type": "application/json" });
    response.end(found ? snapshot() : "{}");
  });
  server.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/reservations`));
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, async () => {
      server.close();
      await consumer.disconnect();
      process.exit(0);
    });
}

await main();
