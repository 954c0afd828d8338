package carts;

/** What happened to a cart. */
public interface Event {
    record CartCreated(String cart, String currency) {}

    record ItemAdded(String cart, String sku, String name, int quantity, Command.Money unitPrice) {}

    record ItemQuantityChanged(String cart, String sku, int quantity) {}

    record ItemRemoved(String cart, String sku) {}

    record CartCheckedOut(String cart) {}
}
