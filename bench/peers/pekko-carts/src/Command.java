package carts;

import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.pattern.StatusReply;

/** What is asked of a cart; answered with its new version. */
public interface Command {
    ActorRef<StatusReply<Long>> replyTo();

    record Create(String currency, ActorRef<StatusReply<Long>> replyTo) implements Command {}

    record Add(String sku, String name, int quantity, Money unitPrice, ActorRef<StatusReply<Long>> replyTo)
            implements Command {}

    record SetQuantity(String sku, int quantity, ActorRef<StatusReply<Long>> replyTo) implements Command {}

    record Remove(String sku, ActorRef<StatusReply<Long>> replyTo) implements Command {}

    record CheckOut(ActorRef<StatusReply<Long>> replyTo) implements Command {}

    record Money(long amountMinor, String currency) {}
}
