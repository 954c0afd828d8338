package carts;

import org.axonframework.modelling.command.TargetAggregateIdentifier;

/** What is asked of a cart. */
public interface Command {
    record Create(@TargetAggregateIdentifier String cart, String currency) {}

    record Add(@TargetAggregateIdentifier String cart, String sku, String name, int quantity, Money unitPrice) {}

    record SetQuantity(@TargetAggregateIdentifier String cart, String sku, int quantity) {}

    record Remove(@TargetAggregateIdentifier String cart, String sku) {}

    record CheckOut(@TargetAggregateIdentifier String cart) {}

    record Money(long amountMinor, String currency) {}
}
