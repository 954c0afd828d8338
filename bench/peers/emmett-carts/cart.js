// The rules: what is asked becomes events, events become what is known.
import { IllegalStateError } from "@event-driven-io/emmett";

export const initialState = () => ({ status: "absent", currency: "", lines: {} });

export const EVENTS = ["CartCreated", "ItemAdded", "ItemQuantityChanged", "ItemRemoved", "CartCheckedOut"];

export function evolve(cart, { type, data }) {
  switch (type) {
    case "CartCreated":
      return { ...cart, status: "open", currency: data.currency };
    case "ItemAdded": {
      const quantity = (cart.lines[data.sku]?.quantity ?? 0) + data.quantity;
      const line = { name: data.name, amountMinor: data.unitPrice.amountMinor, quantity };
      return { ...cart, lines: { ...cart.lines, [data.sku]: line } };
    }
    case "ItemQuantityChanged":
      return { ...cart, lines: { ...cart.lines, [data.sku]: { ...cart.lines[data.sku], quantity: data.quantity } } };
    case "ItemRemoved": {
      const { [data.sku]: _, ...lines } = cart.lines;
      return { ...cart, lines };
    }
    case "CartCheckedOut":
      return { ...cart, status: "checked_out" };
    default:
      return cart;
  }
}

function requireThat(holds) {
  if (!holds) throw new IllegalStateError("no such open cart, or no such line");
}

const happened = (type, data) => ({ type, data });

export const create = ({ currency }) => (cart) => {
  requireThat(cart.status === "absent");
  return happened("CartCreated", { currency });
};

export const add = ({ sku, name, quantity, unitPrice }) => (cart) => {
  requireThat(cart.status === "open" && cart.currency === unitPrice.currency);
  return happened("ItemAdded", { sku, name, quantity, unitPrice });
};

export const setQuantity = (sku, { quantity }) => (cart) => {
  requireThat(cart.status === "open" && sku in cart.lines);
  return happened("ItemQuantityChanged", { sku, quantity });
};

export const remove = (sku) => (cart) => {
  requireThat(cart.status === "open" && sku in cart.lines);
  return happened("ItemRemoved", { sku });
};

export const checkOut = () => (cart) => {
  requireThat(cart.status === "open" && Object.keys(cart.lines).length > 0);
  return happened("CartCheckedOut", {});
};
