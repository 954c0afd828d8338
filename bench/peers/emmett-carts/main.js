// emmett-carts is what people write with an event-sourcing framework: the commands of cart_mix.lua, as events in
// PostgreSQL, by Emmett as its documentation says, behind Express.
//
//     node main.js PORT postgres://… [views]
//
// With `views` an inline projection keeps each cart as a document, in the transaction that appends (Pongo; also what its
// documentation starts with). It publishes nothing, and knows no idempotency keys.
import { CommandHandler, EmmettError, projections } from "@event-driven-io/emmett";
import { getPostgreSQLEventStore, pongoSingleStreamProjection } from "@event-driven-io/emmett-postgresql";
import express from "express";
import pg from "pg";
import { EVENTS, add, checkOut, create, evolve, initialState, remove, setQuantity } from "./cart.js";

const CONNECTIONS = 20; // as in its documentation
const [port, url, views] = process.argv.slice(2);

const view = pongoSingleStreamProjection({
  collectionName: "emmett_carts", canHandle: EVENTS, initialState, evolve,
});
const store = getPostgreSQLEventStore(url, {
  projections: projections.inline(views ? [view] : []),
  schema: { autoMigration: "None" },
  connectionOptions: { pool: new pg.Pool({ connectionString: url, max: CONNECTIONS }) },
});
await store.schema.migrate();

const handle = CommandHandler({
  evolve, initialState, mapToStreamId: (id) => `cart-${id}`, retry: { onVersionConflict: true },
});

const answer = (decide) => async (request, response) => {
  const cart = request.params.cart;
  try {
    const { nextExpectedStreamVersion } = await handle(store, cart, decide(request));
    response.json({ cartId: cart, version: Number(nextExpectedStreamVersion) });
  } catch (error) {
    const { errorCode, message } = EmmettError.mapFrom(error);
    response.status(errorCode).json({ detail: message });
  }
};

const app = express();
app.disable("etag");
app.use(express.json({ limit: "64kb" }));
app.put("/v1/carts/:cart", answer((request) => create(request.body)));
app.post("/v1/carts/:cart/items", answer((request) => add(request.body)));
app.patch("/v1/carts/:cart/items/:sku", answer((request) => setQuantity(request.params.sku, request.body)));
app.delete("/v1/carts/:cart/items/:sku", answer((request) => remove(request.params.sku)));
app.post("/v1/carts/:cart/checkout", answer(() => checkOut()));
app.get("/readyz", (_, response) => response.end());
app.listen(Number(port), "127.0.0.1");
