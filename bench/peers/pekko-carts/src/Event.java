package carts;

/** What happened to a cart. */
public interface Event extends Stored {
    record CartCreated(String currency) implements Event {}

    record ItemAdded(String sku, String name, int quantity, Command.Money unitPrice) implements Event {}

    record ItemQuantityChanged(String sku, int quantity) implements Event {}

    record ItemRemoved(String sku) implements Event {}

    record CartCheckedOut() implements Event {}
}
